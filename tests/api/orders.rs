use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{EMAIL, TestApp, json_of, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_where_the_page_before_has_ended_also_beyond_the_window() {
    let app = TestApp::start_with(&[("ORDERBELL_STORE__WINDOW", "4")]).await;
    for _ in 0..11 {
        app.submit().await;
    }
    for id in ["ORD2", "ORD5", "ORD9"] {
        app.put(id, &json!({"status": "CONFIRMED"})).await;
    }
    let pages = |filter: &'static str, limit: usize| {
        let app = &app;
        async move {
            let (mut ids, mut before) = (Vec::new(), String::new());
            loop {
                let page = app
                    .get(&format!("/api/admin/orders?limit={limit}{filter}{before}"))
                    .await;
                let orders = page["orders"].as_array().expect("orders");
                assert!(orders.len() <= limit && !orders.is_empty());
                ids.extend(
                    orders
                        .iter()
                        .map(|order| order["id"].as_str().expect("an id").to_owned()),
                );
                match page["next"].as_str() {
                    Some(next) => before = format!("&before={next}"),
                    None => return ids,
                }
            }
        }
    };
    let all: Vec<_> = (1..=11).rev().map(|n| format!("ORD{n}")).collect();
    for limit in [1, 3, 4, 11, 500] {
        assert_eq!(pages("", limit).await, all, "pages of {limit}");
    }
    assert_eq!(
        pages("&status=CONFIRMED", 2).await,
        ["ORD9", "ORD5", "ORD2"]
    );
    assert_eq!(pages("&status=CONFIRMED,PENDING", 4).await, all);
    assert_eq!(
        app.get("/api/admin/orders?status=RETURNED").await,
        json!({"orders": [], "next": null})
    );
    for (bad, field) in [
        ("status=LOST", "status"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("before=x", "before"),
    ] {
        let answer = app
            .request(Method::GET, &format!("/api/admin/orders?{bad}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(refusal(answer, 400).await["details"][0]["field"], field);
    }
    let without = app.get("/api/admin/orders").await;
    assert_eq!(app.get("/api/admin/orders?limit=&before=").await, without);
    let old = app.get("/api/admin/orders/ORD1").await;
    assert_eq!(old["order"]["id"], "ORD1");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_says_who_and_when_and_refuses_a_stale_one() {
    let app = TestApp::start().await;
    app.submit().await;
    let token = json_of(app.login(EMAIL, crate::app::PASSWORD).await).await["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let put = |body: Value| {
        let request = app
            .bare(Method::PUT, "/api/admin/orders/ORD1")
            .bearer_auth(&token)
            .json(&body);
        async move { request.send().await.expect("an answer") }
    };
    let answer =
        put(json!({"status": "CONFIRMED", "acknowledged": true, "expectedStatus": "PENDING"}))
            .await;
    assert_eq!(answer.status(), StatusCode::OK);
    let order = json_of(answer).await["order"].clone();
    assert_eq!(
        (&order["status"], &order["acknowledgedBy"]),
        (&json!("CONFIRMED"), &json!("ana"))
    );
    assert!(order["acknowledgedAt"].is_u64());
    assert_eq!(order["statusHistory"][0]["by"], "ana");

    let conflict = refusal(
        put(json!({"status": "CANCELLED", "expectedStatus": "PENDING"})).await,
        409,
    )
    .await;
    assert_eq!(
        (&conflict["code"], &conflict["order"]["status"]),
        (&json!("STATUS_CONFLICT"), &json!("CONFIRMED"))
    );
    // Any known status is taken, forward and back, as today.
    for status in ["DELIVERED", "PENDING", "PREPARING", "RETURNED"] {
        assert_eq!(
            put(json!({"status": status})).await.status(),
            StatusCode::OK
        );
    }
    for (body, field) in [
        (json!({}), "status"),
        (json!([]), "body"),
        (json!({"status": "LOST"}), "status"),
        (json!({"status": 5}), "status"),
        (json!({"acknowledged": "yes"}), "acknowledged"),
        (
            json!({"status": "PENDING", "expectedStatus": 1}),
            "expectedStatus",
        ),
    ] {
        assert_eq!(
            refusal(put(body).await, 400).await["details"][0]["field"],
            field
        );
    }
    let cut = app
        .request(Method::PUT, "/api/admin/orders/ORD1")
        .header("content-type", "application/json")
        .body("{\"status\":");
    let refused = refusal(cut.send().await.expect("an answer"), 400).await;
    assert_eq!(refused["code"], "INVALID_REQUEST");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_takes_the_fields_it_knows_and_names_any_other() {
    let app = TestApp::start().await;
    app.submit().await;
    // What existing dashboards send.
    let old = json!({"orderId": "ORD1", "status": "OUT_FOR_DELIVERY", "driverId": "d1", "driverName": "Sami"});
    let order = json_of(app.put("ORD1", &old).await).await["order"].clone();
    assert_eq!(
        (&order["status"], &order["driverId"], &order["driverName"]),
        (&json!("OUT_FOR_DELIVERY"), &json!("d1"), &json!("Sami"))
    );
    let rest = json!({"status": "CANCELLED", "cancelReason": "TOO_FAR", "cancelNote": "beyond the river", "staffNote": "sorry",
        "readyAt": 1_771_842_312_000_u64, "itemsDone": [0]});
    let changed = app
        .request(Method::PUT, "/api/admin/orders/ORD1?view=desk")
        .json(&rest)
        .send()
        .await
        .expect("an answer");
    let card = json_of(changed).await["order"].clone();
    for (name, value) in rest.as_object().expect("an object") {
        assert_eq!(&card[name], value, "{name}");
    }
    assert_eq!(card["driverName"], "Sami");
    assert!(card["changedBy"].is_string() && card["changedElsewhere"].is_null());

    for (body, field) in [
        (json!({"status": "CONFIRMED", "tip": 5}), "tip"),
        (
            json!({"status": "CONFIRMED", "acknowledgedBy": "me"}),
            "acknowledgedBy",
        ),
        (json!({"status": "CONFIRMED", "orderId": "ORD2"}), "orderId"),
        (
            json!({"status": "CONFIRMED", "cancelReason": "CLOSED"}),
            "cancelReason",
        ),
        (
            json!({"status": "CONFIRMED", "staffNote": "x".repeat(1_001)}),
            "staffNote",
        ),
        (
            json!({"status": "CONFIRMED", "itemsDone": [1]}),
            "itemsDone",
        ),
        (json!({"status": "CONFIRMED", "readyAt": 5}), "readyAt"),
    ] {
        let refused = refusal(app.put("ORD1", &body).await, 400).await;
        assert_eq!(
            (&refused["code"], &refused["details"][0]["field"]),
            (&json!("INVALID_REQUEST"), &json!(field))
        );
    }
    let same = app.get("/api/admin/orders/ORD1").await;
    assert_eq!(same["order"]["status"], "CANCELLED", "nothing was changed");
    let cleared = json!({"driverId": null, "driverName": null, "readyAt": null, "staffNote": null, "cancelReason": null,
        "cancelNote": null, "itemsDone": []});
    let order = json_of(app.put("ORD1", &cleared).await).await["order"].clone();
    for name in cleared.as_object().expect("an object").keys() {
        assert!(order.get(name).is_none(), "{name}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404_and_what_is_removed_is_gone() {
    let app = TestApp::start().await;
    app.submit().await;
    assert_eq!(app.delete("ORD1").await.status(), StatusCode::OK);
    refusal(app.delete("ORD1").await, 404).await;
    refusal(app.put("ORD1", &json!({"status": "CONFIRMED"})).await, 404).await;
    refusal(
        app.request(Method::GET, "/api/admin/orders/ORD1")
            .send()
            .await
            .expect("an answer"),
        404,
    )
    .await;
    refusal(
        app.request(Method::GET, "/api/admin/orders/..%2F..%2Fx")
            .send()
            .await
            .expect("an answer"),
        400,
    )
    .await;
    assert_eq!(app.submit().await, "ORD2", "numbers are not given twice");
    for (method, path, status) in [
        (Method::GET, "/api/nothing", 404),
        (Method::GET, "/api", 404),
        (Method::GET, "/api/admin/nothing/here", 404),
        (Method::POST, "/api/health", 405),
        (Method::DELETE, "/api/order/submit", 405),
        (Method::PUT, "/api/stream-orders", 405),
    ] {
        refusal(
            app.request(method, path).send().await.expect("an answer"),
            status,
        )
        .await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_count_the_window() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        let mut body = crate::app::small_order();
        body["order"]["totalAmount"] = json!(0.1);
        app.post_order(&body).await;
    }
    app.put("ORD4", &json!({"status": "DELIVERED"})).await;
    let stats = app.get("/api/admin/dashboard-stats").await;
    assert_eq!(
        stats,
        json!({"totalOrders": 10, "totalRevenue": 1.0, "statusCounts": {"PENDING": 9, "DELIVERED": 1}})
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_the_truth() {
    let app = TestApp::start().await;
    let ask = |path: &'static str| {
        let request = app.bare(Method::GET, path);
        async move { json_of(request.send().await.expect("an answer")).await }
    };
    assert_eq!(ask("/api/health").await["status"], "healthy");
    assert_eq!(ask("/health/live").await["status"], "live");
    assert_eq!(ask("/health/ready").await["status"], "ready");
    app.submit().await;
    assert_eq!(app.metric("orderbell_events_total").await, 1.0);
    assert_eq!(app.metric("orderbell_submit_seconds_count").await, 1.0);
    assert_eq!(
        app.bare(Method::GET, "/metrics")
            .send()
            .await
            .expect("an answer")
            .status(),
        StatusCode::UNAUTHORIZED
    );
    app.stop().await;
}
