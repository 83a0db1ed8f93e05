//! Open orders stay, however many newer ones come.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::{TestApp, eventually, small_order};
use crate::process::{Server, command, folder};

const DESK: &str = "/api/admin/orders/recent?view=desk";
const SMALL: [(&str, &str); 2] = [
    ("ORDERBELL_STORE__WINDOW", "2"),
    ("ORDERBELL_STORE__MAX_OPEN", "2"),
];

fn ids(answer: &Value) -> Vec<&str> {
    let orders = answer["orders"].as_array().expect("orders");
    orders
        .iter()
        .map(|order| order["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn open_orders_are_told_of_beyond_the_window() {
    let app = TestApp::start_with(&SMALL).await;
    let mut stream = app.stream().await;
    let waiting = app.submit().await;
    for _ in 0..4 {
        app.submit_finished().await;
    }
    let desk = app.get(&format!("{DESK}&limit=4")).await;
    assert_eq!(ids(&desk), ["ORD5", "ORD4", "ORD1"]);
    assert_eq!(
        (&desk["openTotal"], &desk["openHidden"]),
        (&json!(1), &json!(0))
    );
    for _ in 0..9 {
        stream.next_order().await.expect("an event");
    }
    let answer = app.put(&waiting, &json!({"status": "DELIVERED"})).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let event = stream.next_order().await.expect("the end of the order");
    assert_eq!(event.data["status"], "DELIVERED");
    let desk = app.get(&format!("{DESK}&limit=4")).await;
    assert_eq!(
        ids(&desk),
        ["ORD5", "ORD4"],
        "it is finished, and older than the window"
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_was_away_learns_that_an_old_order_is_finished() {
    let app = TestApp::start_with(&SMALL).await;
    let waiting = app.submit().await;
    for _ in 0..3 {
        app.submit_finished().await;
    }
    let cursor = app.get(DESK).await["cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    app.put(&waiting, &json!({"status": "CANCELLED"})).await;
    let (_, mut stream) = app.stream_at(&format!("?since={cursor}")).await;
    let event = stream.next_order().await.expect("the change");
    assert_eq!(
        (event.name.as_str(), event.order()),
        ("order_update", "ORD1")
    );
    assert_eq!(event.data["status"], "CANCELLED");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_were_left_out_come_back_when_there_is_room() {
    let app = TestApp::start_with(&SMALL).await;
    for _ in 0..6 {
        app.submit().await;
    }
    let desk = app.get(&format!("{DESK}&limit=4")).await;
    assert_eq!(
        ids(&desk),
        ["ORD6", "ORD5", "ORD2", "ORD1"],
        "those that wait longest stay"
    );
    assert_eq!(
        (&desk["openTotal"], &desk["openHidden"]),
        (&json!(6), &json!(2))
    );
    for id in ["ORD1", "ORD2"] {
        app.put(id, &json!({"status": "DELIVERED"})).await;
    }
    eventually("the orders that were left out", || async {
        let desk = app.get(&format!("{DESK}&limit=4")).await;
        desk["openHidden"] == 0 && ids(&desk) == ["ORD6", "ORD5", "ORD4", "ORD3"]
    })
    .await;
    assert_eq!(app.metric("orderbell_open_orders").await, 4.0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_beyond_the_memory_for_them_are_read_again() {
    let app = TestApp::start_with(&[("ORDERBELL_STORE__WINDOW_MIB", "1")]).await;
    let mut body = small_order();
    for name in 0..14 {
        body["order"][format!("more{name}")] = "x".repeat(3_900).into();
    }
    for _ in 0..30 {
        assert_eq!(app.post_order(&body).await.status(), StatusCode::OK);
    }
    assert!(app.metric("orderbell_documents_dropped").await >= 10.0);
    assert!(app.metric("orderbell_window_bytes").await <= f64::from(1 << 20));
    let recent = app.get("/api/admin/orders/recent?limit=30").await;
    let first = &recent["orders"][29];
    assert_eq!(
        (&first["id"], &first["more13"]),
        (&json!("ORD1"), &body["order"]["more13"])
    );
    let list = app.get("/api/admin/orders?limit=30").await;
    assert_eq!(list["orders"], recent["orders"]);
    let one = app.get("/api/admin/orders/ORD1").await;
    assert_eq!(one["order"], *first);
    let desk = app.get(&format!("{DESK}&limit=30")).await;
    assert_eq!(ids(&desk).len(), 30, "cards stay in memory");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_of_open_orders_that_are_left_out() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &SMALL).await;
    for _ in 0..6 {
        let answer = crate::app::client()
            .post(format!("{}/api/order/submit", server.base))
            .json(&small_order())
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let doctor = command(&store, &SMALL, &["doctor"])
        .output()
        .await
        .expect("an end");
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        told.contains("4 orders are held in memory, 4 of them open"),
        "{told}"
    );
    assert!(
        told.contains("BAD  2 or more open orders are left out"),
        "{told}"
    );
    server.kill().await;
}
