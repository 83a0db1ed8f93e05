//! Filters of the list of orders.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, eventually, refusal};
use crate::firestore::{emulator, fresh_project, phone, start_with};

/// Ids of a list from its first page to its last, in pages of `limit` where it is given, and how many pages there were.
async fn list(app: &TestApp, filter: &str, limit: Option<usize>) -> (Vec<String>, usize) {
    let limit_text = limit.map(|limit| format!("&limit={limit}"));
    let limit_text = limit_text.unwrap_or_default();
    let (mut ids, mut before) = (Vec::new(), String::new());
    for pages in 1..100 {
        let path = format!("/api/admin/orders?{filter}{limit_text}{before}");
        let page = app.get(&path).await;
        let orders = page["orders"].as_array().expect("orders");
        assert!(limit.is_none_or(|limit| orders.len() <= limit), "{path}");
        ids.extend(orders.iter().map(id_of));
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return (ids, pages),
        }
    }
    panic!("pages without end for {filter}: {ids:?}")
}

fn id_of(order: &Value) -> String {
    order["id"].as_str().expect("an id").to_owned()
}

/// Asserts that a filter finds these orders, newest first, whatever the size of a page.
async fn assert_found(app: &TestApp, filter: &str, ids: &[&str]) {
    for limit in [Some(1), Some(3), Some(500), None] {
        let found = list(app, filter, limit).await.0;
        assert_eq!(found, ids, "{filter} in pages of {limit:?}");
    }
}

async fn place(app: &TestApp, more: &Value) {
    let mut body = json!({"userId": "u1", "order": {"items": [{"name": "Apple", "quantity": 1}], "totalAmount": 5}});
    for (name, value) in more.as_object().into_iter().flatten() {
        body["order"][name] = value.clone();
    }
    assert_eq!(app.post_order(&body).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_and_texts_are_looked_for_in_memory_and_beyond() {
    let app = TestApp::start_with(&[("ORDERBELL_STORE__WINDOW", "4")]).await;
    for n in 1..=12 {
        place(
            &app,
            &json!({
                "totalAmount": n,
                "customerName": if n % 4 == 0 { "Zoë Müller" } else { "Ben" },
                "customerPhone": format!("+213 555 {n:02}"),
                "items": [{"productName": format!("Tea {}", n % 5), "quantity": 1}, {"name": "Crème", "quantity": 2}],
            }),
        )
        .await;
        // Finished orders leave the window.
        let id = format!("ORD{n}");
        app.put(
            &id,
            &json!({"status": if n == 1 { "CONFIRMED" } else { "DELIVERED" }}),
        )
        .await;
    }
    let all: Vec<_> = (1..=12).rev().map(|n| format!("ORD{n}")).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_found(&app, "min_amount=11", &["ORD12", "ORD11"]).await;
    assert_found(&app, "max_amount=2.0", &["ORD2", "ORD1"]).await;
    assert_found(&app, "min_amount=8&max_amount=9", &["ORD9", "ORD8"]).await;
    assert_found(&app, "min_amount=9&max_amount=8", &[]).await;
    assert_found(&app, "q=ord7", &["ORD7"]).await;
    assert_found(&app, "q=ZO%C3%8B", &["ORD12", "ORD8", "ORD4"]).await;
    assert_found(&app, "q=555+09", &["ORD9"]).await;
    assert_found(&app, "q=tea+3", &["ORD8", "ORD3"]).await;
    assert_found(&app, "q=CR%C3%88ME", &all).await;
    assert_found(&app, "q=coffee", &[]).await;
    assert_found(
        &app,
        "q=ben&min_amount=10&status=DELIVERED",
        &["ORD11", "ORD10"],
    )
    .await;
    assert_found(&app, "q=ben&status=CONFIRMED", &["ORD1"]).await;
    let empty = "status=&date_from=&date_to=&min_amount=&max_amount=&q=";
    assert_found(&app, empty, &all).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn milliseconds_are_inclusive() {
    let app = TestApp::start_with(&[("ORDERBELL_STORE__WINDOW", "3")]).await;
    for _ in 0..9 {
        app.submit_finished().await;
    }
    let page = app.get("/api/admin/orders?limit=3").await;
    let mut times = Vec::new();
    for n in (1..=9).rev() {
        let order = app.get(&format!("/api/admin/orders/ORD{n}")).await["order"].clone();
        times.push((order["timestamp"].as_u64().expect("a time"), id_of(&order)));
    }
    assert_eq!(page["orders"][0]["id"], times[0].1.as_str());
    for (from, to) in [(0, 0), (2, 0), (5, 1), (8, 8), (8, 4), (0, 2)] {
        let (from, to) = (times[from].0, times[to].0);
        let within = times.iter().filter(|(time, _)| (from..=to).contains(time));
        let within: Vec<_> = within.map(|(_, id)| id.as_str()).collect();
        assert_found(&app, &format!("date_from={from}&date_to={to}"), &within).await;
    }
    app.stop().await;
}

/// However many orders have to be looked through, a request ends soon, and the next one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_through_many_orders_goes_on_page_by_page() {
    let settings = [
        ("ORDERBELL_STORE__WINDOW", "100"),
        ("ORDERBELL_STORE__MAX_OPEN", "0"),
    ];
    let app = TestApp::start_with(&settings).await;
    place(&app, &json!({"customerName": "Rare"})).await;
    let others = json!({"customerName": "Common"});
    for _ in 0..110 {
        tokio::join!(
            place(&app, &others),
            place(&app, &others),
            place(&app, &others),
            place(&app, &others),
            place(&app, &others),
            place(&app, &others),
            place(&app, &others),
            place(&app, &others),
            place(&app, &others),
            place(&app, &others),
        );
    }
    // The window, then 500, 500 and the rest of the orders.
    let rare = (vec!["ORD1".to_owned()], 4);
    assert_eq!(list(&app, "q=rare", Some(10)).await, rare);
    assert_eq!(list(&app, "q=rare", None).await, rare);
    let (mut common, _) = list(&app, "q=common", Some(300)).await;
    assert_eq!(common.len(), 1_100);
    common.sort_unstable();
    common.dedup();
    assert_eq!(common.len(), 1_100);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_a_400_that_names_it() {
    let app = TestApp::start().await;
    app.submit().await;
    let long = format!("q={}", "x".repeat(101));
    for (bad, field) in [
        ("date_from=yesterday", "date_from"),
        ("date_from=2026-02-30", "date_from"),
        ("date_to=2026-13-01", "date_to"),
        ("date_to=-5", "date_to"),
        ("date_to=99999999999999999999", "date_to"),
        ("min_amount=cheap", "min_amount"),
        ("max_amount=NaN", "max_amount"),
        (long.as_str(), "q"),
    ] {
        let path = format!("/api/admin/orders?{bad}");
        let answer = app.request(Method::GET, &path).send().await;
        let refused = refusal(answer.expect("an answer"), 400).await;
        assert_eq!(refused["details"][0]["field"], field, "{bad}");
    }
    let nothing = json!({"orders": [], "next": null});
    for backwards in [
        "date_from=2026-02-24&date_to=2026-02-23",
        "date_from=1771801200001&date_to=1771801200000",
        "date_to=1969-12-31",
        "date_from=9999-12-31",
    ] {
        let path = format!("/api/admin/orders?{backwards}");
        assert_eq!(app.get(&path).await, nothing, "{backwards}");
    }
    let ever = "/api/admin/orders?date_from=0001-01-01&date_to=9999-12-31";
    assert_eq!(app.get(ever).await["orders"][0]["id"], "ORD1");
    app.stop().await;
}

/// Orders of phones at the edges of days in Algiers, which is an hour ahead of UTC.
#[tokio::test(flavor = "multi_thread")]
async fn dates_are_days_of_the_shop() {
    let project = fresh_project();
    let phone = phone(&project);
    let times = [
        ("A", "2026-02-21T22:59:59.999Z"),
        ("B", "2026-02-21T23:00:00Z"),
        ("C", "2026-02-22T12:00:00Z"),
        ("D", "2026-02-22T22:59:59.999Z"),
        ("E", "2026-02-22T23:00:00Z"),
        ("F", "2026-02-23T12:00:00Z"),
        ("G", "2026-02-24T12:00:00Z"),
        ("H", "2026-02-25T12:00:00Z"),
    ];
    for (n, (id, time)) in times.into_iter().enumerate() {
        let time: jiff::Timestamp = time.parse().expect("a time");
        let timestamp = match n % 3 {
            0 => json!({"integerValue": time.as_millisecond().to_string()}),
            1 => json!({"timestampValue": time.to_string()}),
            _ => json!({"doubleValue": time.as_millisecond()}),
        };
        let order = json!({
            "status": {"stringValue": "DELIVERED"},
            "totalAmount": {"integerValue": n.to_string()},
            "timestamp": timestamp,
        });
        phone.put(&format!("orders/{id}"), &order).await;
    }
    for window in ["3", "100"] {
        let settings = [
            ("ORDERBELL_SHOP__TIME_ZONE", "Africa/Algiers"),
            ("ORDERBELL_STORE__WINDOW", window),
            ("ORDERBELL_AUTH__ADMIN_EMAIL", ""),
        ];
        let app = start_with(&project, &emulator(), &settings).await;
        eventually("the window", || async {
            app.get("/api/admin/orders?limit=1").await["orders"][0]["id"] == "H"
        })
        .await;
        let reads = || app.metric("orderbell_firestore_reads_total{cause=\"lookup\"}");
        let before = reads().await;
        assert_found(&app, "date_from=2026-02-24", &["H", "G"]).await;
        assert_found(&app, "date_from=2026-02-24&date_to=2026-02-24", &["G"]).await;
        assert_found(&app, "date_from=2026-02-24&q=g", &["G"]).await;
        assert_eq!(reads().await, before, "the window holds them");
        assert_found(
            &app,
            "date_from=2026-02-22&date_to=2026-02-22",
            &["D", "C", "B"],
        )
        .await;
        assert_found(&app, "date_from=2026-02-23&date_to=2026-02-23", &["F", "E"]).await;
        assert_found(&app, "date_to=2026-02-21", &["A"]).await;
        assert_found(
            &app,
            "date_to=2026-02-23&min_amount=3&max_amount=4",
            &["E", "D"],
        )
        .await;
        assert_found(&app, "date_from=2026-02-26", &[]).await;
        if window == "100" {
            assert_eq!(reads().await, before, "the window holds all");
        } else {
            // Algiers' 22nd: three orders, the first of the next day, and four queries that count for one at least.
            let before = reads().await;
            app.get("/api/admin/orders?date_from=2026-02-22&date_to=2026-02-22")
                .await;
            let cost = reads().await - before;
            assert!(cost <= 8.0, "{cost} reads");
        }
        app.stop().await;
    }
}
