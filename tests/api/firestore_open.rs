//! Open orders stay on Cloud Firestore as well.

use serde_json::{Value, json};

use crate::app::eventually;
use crate::firestore::{emulator, fresh_project, start_with};

fn ids(answer: &Value) -> Vec<&str> {
    let orders = answer["orders"].as_array().expect("orders");
    orders
        .iter()
        .map(|order| order["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn open_orders_stay_and_come_back_when_there_is_room() {
    let small = [
        ("ORDERBELL_STORE__WINDOW", "2"),
        ("ORDERBELL_STORE__MAX_OPEN", "2"),
    ];
    let app = start_with(&fresh_project(), &emulator(), &small).await;
    eventually("the listener", || async {
        let ready = app.bare(reqwest::Method::GET, "/health/ready").send().await;
        ready.expect("an answer").status().is_success()
    })
    .await;
    for _ in 0..6 {
        app.submit().await;
    }
    let desk = "/api/admin/orders/recent?view=desk&limit=4";
    eventually("those that wait longest, beside the newest", || async {
        let desk = app.get(desk).await;
        ids(&desk) == ["ORD6", "ORD5", "ORD2", "ORD1"] && desk["openHidden"] != 0
    })
    .await;
    for id in ["ORD1", "ORD2"] {
        app.put(id, &json!({"status": "DELIVERED"})).await;
    }
    eventually("the orders that were left out", || async {
        let desk = app.get(desk).await;
        desk["openHidden"] == 0 && ids(&desk) == ["ORD6", "ORD5", "ORD4", "ORD3"]
    })
    .await;
    app.stop().await;
}
