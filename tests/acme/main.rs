//! Certificates by ACME, from a real authority (Debian's `pebble`) and from a scripted one, and the plain listener beside HTTPS.

mod doctor;
mod instances;
mod issue;
mod pebble;
mod redirect;
mod scripted;
mod sockets;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orderbell::app::{App, Listeners};
use orderbell::certificates::{RECORD, Renewal};
use orderbell::clock::Clock;
use orderbell::embedded::EmbeddedStore;
use orderbell::settings::{Settings, StoreKind};
use orderbell::store::SecretStore as _;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const DOMAIN: &str = "desk.example.com";

/// Waits until `found` finds something.
pub(crate) async fn eventually<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("{what} has not come"))
}

/// A clock that runs like the machine's, and can be set forward.
#[derive(Clone, Default)]
pub(crate) struct Ahead(Arc<AtomicU64>);

impl Ahead {
    pub(crate) fn clock(&self) -> Clock {
        let (system, ahead) = (Clock::system(), self.clone());
        Clock::from_fn(move || system.micros() + ahead.0.load(Ordering::Relaxed))
    }

    pub(crate) fn add(&self, duration: Duration) {
        let micros = duration.as_micros().try_into().expect("a test's time");
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

/// A bound socket on a free port of this machine.
pub(crate) fn listener() -> TcpListener {
    orderbell::http::listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port")
}

pub(crate) fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

/// Sockets for a desk and its redirects.
pub(crate) fn sockets_for_two() -> Listeners {
    Listeners {
        desk: Some(listener()),
        redirect: Some(listener()),
    }
}

/// A running desk.
pub(crate) struct Desk {
    pub(crate) https: SocketAddr,
    pub(crate) plain: Option<SocketAddr>,
    pub(crate) renewal: Option<Renewal>,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Desk {
    pub(crate) async fn start(
        listeners: Listeners,
        environment: &[(&str, &str)],
        ahead: &Ahead,
    ) -> Self {
        let base = [
            ("ORDERBELL_SERVER__WORKERS", "1"),
            ("ORDERBELL_SERVER__PORT", "0"),
            ("ORDERBELL_AUTH__ADMIN_EMAIL", "ana@shop.example"),
            ("ORDERBELL_AUTH__ADMIN_PASSWORD", "correct horse"),
        ];
        let environment: BTreeMap<String, String> = base
            .iter()
            .chain(environment)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let settings = Settings::load(None, &environment).expect("good settings");
        until_unlocked(&settings).await;
        let app = App::build_on(listeners, settings, ahead.clock());
        let app = app.await.expect("the app builds");
        let shutdown = CancellationToken::new();
        Self {
            https: app.address(),
            plain: app.redirect_address(),
            renewal: app.renewal().cloned(),
            running: tokio::spawn(app.run(shutdown.clone())),
            shutdown,
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.expect("no panic").expect("a clean end");
    }

    pub(crate) fn wake(&self) {
        self.renewal.as_ref().expect("by ACME").wake();
    }

    /// Gets a page of the plain listener.
    pub(crate) async fn get_plain(&self, path: &str) -> reqwest::Response {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let plain = self.plain.expect("a plain listener");
        let request = client.get(format!("http://{plain}{path}"));
        let request = request.header("host", DOMAIN);
        request.send().await.expect("an answer")
    }
}

/// Waits until the threads of an earlier desk, which end a moment after it, have let go of its embedded store.
async fn until_unlocked(settings: &Settings) {
    let StoreKind::Embedded(path) = &settings.store.kind else {
        return;
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while path.exists() && EmbeddedStore::open(path, Clock::system()).is_err() {
        assert!(Instant::now() < deadline, "{} stays locked", path.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The shared record in an embedded store, also while a server uses it.
pub(crate) async fn record(store: &std::path::Path) -> Value {
    let store = EmbeddedStore::open_for_accounts(store, Clock::system()).expect("the store");
    let text = store.read_secret(RECORD).await.expect("an answer");
    text.map_or(Value::Null, |text| {
        serde_json::from_str(&text).expect("JSON")
    })
}

/// Replaces the record of a store that no server uses.
pub(crate) async fn set_record(store: &std::path::Path, record: &Value) {
    let store = EmbeddedStore::open_for_accounts(store, Clock::system()).expect("the store");
    let before = store.read_secret(RECORD).await.expect("an answer");
    let after = record.to_string();
    let set = store
        .replace_secret(RECORD, before.as_deref(), &after)
        .await;
    assert!(set.expect("an answer"));
}
