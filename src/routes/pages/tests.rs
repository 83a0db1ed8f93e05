use serde_json::json;

use super::*;
use crate::orders::{Card, Order, OrderId, SourceState};
use crate::routes::Templates;

fn desk(orders: Vec<Value>) -> Desk {
    Desk {
        cursor: "1771842400000002-ORD1".to_owned(),
        server_time: 1_771_842_400_000,
        heartbeat_seconds: 30,
        retry_ms: 2_000,
        window: 500,
        shop: DeskShop {
            name: "Corner <Shop>".to_owned(),
            currency: "EUR".to_owned(),
        },
        admin: DeskAdmin {
            name: "Ana".to_owned(),
            email: "ana@shop.example".to_owned(),
        },
        source: Source {
            state: SourceState::Away {
                message: "it \"rests\"".to_owned(),
            },
            since: 1,
        },
        version: "0.1.0",
        store: "embedded",
        usage: None,
        max_open: 9,
        limit: 509,
        open_total: 1,
        open_hidden: 0,
        more: false,
        orders,
    }
}

fn hostile() -> Value {
    let fields = json!({"customerName": "</script><b>", "items": [{"name": "\"><i>", "quantity": 1}], "status": "ON_HOLD",
        "deliveryLocation": {"latitude": 36.7, "longitude": 3.0}, "notes": "{{ shop_name }}", "customerPhone": "+1 555"});
    let serde_json::Value::Object(fields) = fields else {
        panic!("an object was written")
    };
    json!(Card::from(&Order {
        id: OrderId::sequential(1),
        fields,
        created_micros: 1_771_842_400_000_000,
        updated_micros: 1_771_842_400_000_000,
    }))
}

#[test]
fn every_page_renders_and_keeps_text_as_text() -> anyhow::Result<()> {
    let templates = Templates::load()?;
    let language = Language::default();
    for orders in [Vec::new(), vec![hostile()]] {
        let desk = desk(orders);
        let page = DeskPage::of(&desk, "/static/x")?;
        let text = templates.render(&language, "dashboard.html", &page)?;
        assert!(
            !text.contains("<Shop>") && !text.contains("</script><b>") && !text.contains("\"><i>")
        );
        assert!(desk.orders.is_empty() != text.contains("{{ shop_name }}"));
    }
    let sign_in = SignInPage {
        shop_name: "Corner <Shop>",
        assets: "/static/x",
        attempt: Attempt {
            error: "login.failures",
            seconds: "17".to_owned(),
            email: "\"><script>",
            next: "/?q=<b>",
        },
    };
    let text = templates.render(&language, "login.html", &sign_in)?;
    assert!(text.contains("Too many failed attempts. Try again in 17 s."));
    assert!(!text.contains("\"><script>") && !text.contains("<b>"));
    Ok(())
}

#[test]
fn every_language_has_every_page() -> anyhow::Result<()> {
    let templates = Templates::load()?;
    let desk = desk(vec![hostile()]);
    for language in Language::all() {
        let start = format!("<html lang=\"{}\" dir=\"", language.code());
        let page = DeskPage::of(&desk, "/static/x")?;
        let text = templates.render(language, "dashboard.html", &page)?;
        assert!(text.contains(&start), "{language:?}");
        for error in ["wrong", "disabled", "failures", "busy"].map(|why| format!("login.{why}")) {
            let attempt = Attempt {
                error: &error,
                seconds: "17".to_owned(),
                ..Attempt::default()
            };
            let sign_in = SignInPage {
                attempt,
                ..SignInPage::default()
            };
            let text = templates.render(language, "login.html", &sign_in)?;
            assert!(text.contains(&start) && !text.contains('{'), "{error}");
        }
    }
    Ok(())
}

#[test]
fn the_tests_of_scripts_use_the_same_statuses() {
    let lanes = Lane::BOARD;
    let table = json!({"lanes": lanes, "statuses": STATUSES});
    let used: Value = serde_json::from_str(include_str!("../../../tests/web/statuses.json"))
        .expect("tests/web/statuses.json is JSON");
    assert_eq!(used, table, "tests/web/statuses.json has to be:\n{table}");
}
