use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{say, serve};
use crate::app::App;
use crate::clock::Clock;
use crate::orders::{DraftLimits, ListQuery, OrderDraft, OrderPatch};
use crate::settings::{Settings, StoreKind};
use crate::store::OrderStore;

const EMAIL: &str = "demo@localhost";
const NAMES: [&str; 8] = [
    "Amina Haddad",
    "Jonas Weber",
    "Léa Martin",
    "Omar Said",
    "Priya Nair",
    "Tom O'Neill",
    "Yuki Sato",
    "Zoe Brandt",
];
const STREETS: [&str; 5] = [
    "12 Harbour Road",
    "3 Mill Lane",
    "Rue Didouche 4",
    "81 Station Street",
    "7b Rose Court",
];
const NOTES: [&str; 4] = [
    "No onions, please",
    "Ring twice",
    "Leave at the door",
    "Paid in cash",
];
const PRODUCTS: [(&str, f64); 8] = [
    ("Tomatoes, 1 kg", 2.5),
    ("Flat bread", 0.8),
    ("Olives", 3.2),
    ("Goat cheese", 4.9),
    ("Lemons", 1.75),
    ("Couscous", 2.1),
    ("Mint tea", 3.0),
    ("Dates", 6.4),
];
/// Statuses that a demo order goes through.
const STEPS: [&str; 5] = [
    "PENDING",
    "CONFIRMED",
    "PREPARING_ORDER",
    "OUT_FOR_DELIVERY",
    "DELIVERED",
];

#[derive(Args)]
pub(super) struct Demo {
    /// Average time between two orders, in seconds.
    #[arg(long, default_value_t = 8.0, value_parser = seconds)]
    every: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be a number of seconds from 0.05 to 3600".to_owned()),
    }
}

impl Demo {
    pub(super) async fn run(self, mut settings: Settings) -> anyhow::Result<()> {
        let shutdown = serve::stop_on_signals()?;
        let folder = ThrowAway::create()?;
        let password = SecretString::from(crate::store::random_id());
        settings.store.kind = StoreKind::Embedded(folder.0.join("demo.db"));
        settings.auth.admin_email = Some(EMAIL.to_owned());
        settings.auth.admin_password = Some(password.clone());
        let app = App::build(settings, Clock::system()).await?;
        let orders = tokio::spawn(move_orders(
            app.store(),
            Duration::from_secs_f64(self.every),
            shutdown.clone(),
        ));
        say("");
        say(
            "  Demo: made-up orders arrive and change status. The store is deleted when the demo ends.",
        );
        say(&format!("    desk      {}", app.url()));
        say(&format!("    e-mail    {EMAIL}"));
        {
            use secrecy::ExposeSecret as _;
            say(&format!("    password  {}", password.expose_secret()));
        }
        say("");
        say(&format!("listening on {}", app.url()));
        let result = app.run(shutdown).await;
        orders.abort();
        result
    }
}

/// A folder that is removed when the demo ends.
struct ThrowAway(std::path::PathBuf);

impl ThrowAway {
    fn create() -> std::io::Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("orderbell-demo-{}", crate::store::random_id()));
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for ThrowAway {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn move_orders(store: Arc<dyn OrderStore>, every: Duration, shutdown: CancellationToken) {
    for _ in 0..3 {
        place(&*store).await;
    }
    while !shutdown.is_cancelled() {
        let wait = every.mul_f64(rand::rng().random_range(0.5..1.5)) / 3;
        tokio::time::sleep(wait).await;
        // For each new order, older ones move two steps on average.
        if rand::rng().random_ratio(1, 3) {
            place(&*store).await;
        } else {
            advance(&*store).await;
        }
    }
}

async fn place(store: &dyn OrderStore) {
    let Ok(draft) = OrderDraft::parse(made_up(), DraftLimits { max_items: 10 }) else {
        return;
    };
    if let Err(error) = store.submit(draft, None).await {
        tracing::warn!(%error, "the demo couldn't place an order");
    }
}

fn made_up() -> Value {
    let mut rng = rand::rng();
    let mut total = 0.0;
    let items: Vec<Value> = (0..rng.random_range(1..=4))
        .filter_map(|_| PRODUCTS.choose(&mut rng).copied())
        .map(|(name, price)| {
            let quantity = rand::rng().random_range(1..=4);
            total += price * f64::from(quantity);
            json!({"productName": name, "productPrice": format!("${price:.2}"), "quantity": quantity})
        })
        .collect();
    let notes = if rng.random_ratio(1, 3) {
        NOTES.choose(&mut rng)
    } else {
        None
    };
    json!({"userId": "demo", "order": {
        "items": items,
        "totalAmount": (total * 100.0).round() / 100.0,
        "customerName": NAMES.choose(&mut rng),
        "customerPhone": format!("+1 555 01{:02}", rng.random_range(0..100)),
        "deliveryAddress": STREETS.choose(&mut rng),
        "notes": notes,
    }})
}

async fn advance(store: &dyn OrderStore) {
    let open: Vec<String> = STEPS[..STEPS.len() - 1]
        .iter()
        .map(ToString::to_string)
        .collect();
    let query = ListQuery {
        statuses: open,
        ..ListQuery::newest(30)
    };
    let Ok(page) = store.list(&query).await else {
        return;
    };
    let Some(order) = page.orders.choose(&mut rand::rng()) else {
        return;
    };
    let next = STEPS
        .iter()
        .position(|step| *step == order.status())
        .and_then(|at| STEPS.get(at + 1));
    let patch = OrderPatch {
        status: next.and_then(|next| next.parse().ok()),
        acknowledged: Some(true),
        expected_status: Some(order.status().to_owned()),
        ..OrderPatch::default()
    };
    // May fail if someone at the desk was faster, which is fine.
    let _ = store.change(&order.id, patch, "demo").await;
}
