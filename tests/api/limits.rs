//! How often and how much may be submitted. Clients' addresses come from a proxy's header, since tests call from loopback.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, json_of, refusal, small_order};

const BEHIND_PROXY: (&str, &str) = ("ORDERBELL_SERVER__TRUSTED_PROXIES", "127.0.0.1");

/// A submit of the client at `address`, as a trusted proxy passes it on.
async fn submit_from(app: &TestApp, address: &str) -> Response {
    send(from(app, address).json(&small_order())).await
}

fn from(app: &TestApp, address: &str) -> RequestBuilder {
    app.bare(Method::POST, "/api/order/submit")
        .header("x-forwarded-for", address)
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

/// Seconds of the header `Retry-After`.
fn retry_after(response: &Response) -> u64 {
    let value = response.headers()["retry-after"].to_str().expect("text");
    value.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_a_burst_and_others_go_on() {
    let app = TestApp::start_with(&[
        BEHIND_PROXY,
        ("ORDERBELL_SUBMIT__PER_MINUTE", "1"),
        ("ORDERBELL_SUBMIT__BURST", "2"),
    ])
    .await;
    for address in ["192.0.2.1", "192.0.2.1:4711"] {
        assert_eq!(submit_from(&app, address).await.status(), StatusCode::OK);
    }
    let refused = submit_from(&app, "192.0.2.1").await;
    assert!((1..=60).contains(&retry_after(&refused)), "{refused:?}");
    assert_eq!(refusal(refused, 429).await["code"], "TOO_MANY_SUBMITS");
    // The body isn't read: neither its type nor its content count.
    let refused = send(from(&app, "192.0.2.1").body("nonsense")).await;
    refusal(refused, 429).await;

    // An address of IPv6 stands for its /64.
    for (address, status) in [
        ("192.0.2.2", 200),
        ("2001:db8::1", 200),
        ("2001:db8::2", 200),
        ("[2001:db8::3]:80", 429),
        ("2001:db8:0:1::1", 200),
    ] {
        let answer = submit_from(&app, address).await;
        assert_eq!(answer.status().as_u16(), status, "{address}");
    }
    let counted = app
        .metric(r#"orderbell_refusals_total{reason="TOO_MANY_SUBMITS"}"#)
        .await;
    assert_eq!(counted, 3.0);
    assert_eq!(app.order_count().await, 6);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_counts_and_what_a_client_makes_up_does_not_help() {
    let app = TestApp::start_with(&[
        BEHIND_PROXY,
        ("ORDERBELL_SUBMIT__PER_MINUTE", "1"),
        ("ORDERBELL_SUBMIT__BURST", "3"),
    ])
    .await;
    let repeat = |made_up: &str| {
        from(&app, &format!("{made_up}, 192.0.2.1"))
            .header("idempotency-key", "k")
            .json(&small_order())
    };
    for made_up in ["6.6.6.6", "unknown", "127.0.0.1"] {
        assert_eq!(send(repeat(made_up)).await.status(), StatusCode::OK);
    }
    for made_up in ["6.6.6.7", "_hidden", "::1", "10.0.0.1:80"] {
        refusal(send(repeat(made_up)).await, 429).await;
    }
    assert_eq!(app.order_count().await, 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_addresses_together_have_a_limit_and_this_machine_has_none() {
    let app = TestApp::start_with(&[
        BEHIND_PROXY,
        ("ORDERBELL_SUBMIT__BURST", "1"),
        ("ORDERBELL_SUBMIT__TOTAL_PER_MINUTE", "3"),
    ])
    .await;
    for n in 0..3 {
        let answer = submit_from(&app, &format!("192.0.2.{n}")).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let refused = submit_from(&app, "198.51.100.1").await;
    assert!(retry_after(&refused) >= 1);
    assert_eq!(refusal(refused, 503).await["code"], "SHOP_BUSY");
    for _ in 0..5 {
        app.submit().await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_an_unnamed_proxy_only_the_limit_of_all_holds() {
    let app = TestApp::start_with(&[
        ("ORDERBELL_SUBMIT__BURST", "1"),
        ("ORDERBELL_SUBMIT__TOTAL_PER_MINUTE", "4"),
    ])
    .await;
    for _ in 0..4 {
        let answer = submit_from(&app, "192.0.2.1").await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    refusal(submit_from(&app, "192.0.2.2").await, 503).await;
    let order = &app.get("/api/admin/orders/ORD1").await["order"];
    assert_eq!(order.get("submitSource"), None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_keeps_a_keyed_hash_of_its_address() {
    let app = TestApp::start_with(&[BEHIND_PROXY]).await;
    let mut forged = small_order();
    forged["order"]["submitSource"] = json!("0123456789abcdef");
    for address in ["192.0.2.1", "192.0.2.1:9", "192.0.2.2"] {
        let answer = send(from(&app, address).json(&forged)).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    app.post_order(&forged).await;
    let source = async |id: &str| {
        let order = app.get(&format!("/api/admin/orders/{id}")).await;
        order["order"].get("submitSource").cloned()
    };
    let first = source("ORD1").await.expect("a source");
    let text = first.as_str().expect("text");
    assert!(
        text.len() == 16
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)),
        "{text}"
    );
    assert_ne!(first, "0123456789abcdef");
    assert_eq!(source("ORD2").await, Some(first.clone()));
    assert_ne!(source("ORD3").await, Some(first));
    assert_eq!(source("ORD4").await, None, "this machine says nothing");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_has_a_size_of_its_own() {
    let app = TestApp::start_with(&[("ORDERBELL_SUBMIT__MAX_KIB", "2")]).await;
    let mut order = small_order();
    order["order"]["extra"] = json!("x".repeat(1_500));
    assert_eq!(app.post_order(&order).await.status(), StatusCode::OK);
    order["order"]["more"] = json!("x".repeat(1_500));
    let error = refusal(app.post_order(&order).await, 413).await;
    assert_eq!(error["code"], "BODY_TOO_LARGE");
    let message = error["message"].as_str().expect("text");
    assert!(message.contains("2 KiB"), "{message}");
    // Other addresses keep theirs.
    let long = json!({"status": "CONFIRMED", "pad": "x".repeat(10_000)});
    assert_ne!(
        app.put("ORD1", &long).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_longer_than_a_menu_needs_are_refused_by_their_field() {
    let app = TestApp::start().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut order = small_order();
        change(&mut order["order"]);
        order
    };
    let slashes = "/".repeat(1_000);
    for (field, body) in [
        (
            "order.items[0].name",
            with(&|order| order["items"][0]["name"] = json!(slashes)),
        ),
        (
            "order.items[0].price",
            with(&|order| order["items"][0]["price"] = json!(slashes)),
        ),
        (
            "order.customerName",
            with(&|order| order["customerName"] = json!(slashes)),
        ),
        (
            "order.deliveryAddress",
            with(&|order| order["deliveryAddress"] = json!(slashes)),
        ),
        (
            "order.notes",
            with(&|order| order["notes"] = json!("/".repeat(2_001))),
        ),
        (
            "order.anything",
            with(&|order| order["anything"] = json!("/".repeat(4_001))),
        ),
    ] {
        let error = refusal(app.post_order(&body).await, 400).await;
        assert_eq!(error["code"], "INVALID_ORDER");
        assert_eq!(error["details"][0]["field"], field);
    }
    let answer = app
        .post_order(&with(&|order| order["anything"] = json!(slashes)))
        .await;
    assert_eq!(json_of(answer).await["orderId"], "ORD1");
    app.stop().await;
}
