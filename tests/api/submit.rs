use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, json_of, refusal, small_order};
use crate::sse::Stream;

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_send_today_appears_everywhere() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    let mut script = app.stream().await;
    let (_, mut dashboard) = Stream::connected(
        app.bare(Method::GET, "/api/stream-orders")
            .header("cookie", &cookie),
    )
    .await;
    let bodies = [
        include_str!("../fixtures/submit-phone.json"),
        include_str!("../fixtures/submit-script.json"),
    ];
    for (body, number) in bodies.into_iter().zip(1..) {
        let answer = app
            .bare(Method::POST, "/api/order/submit")
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let id = format!("ORD{number}");
        assert_eq!(
            json_of(answer).await,
            json!({"success": true, "orderId": id, "orderNumber": number})
        );

        let sent: Value = serde_json::from_str(body).expect("JSON");
        for stream in [&mut script, &mut dashboard] {
            let event = stream.next_order().await.expect("an event");
            assert_eq!(event.name, "new_order");
            let timestamp = event.data["timestamp"].clone();
            assert!(
                timestamp.as_u64().is_some_and(|at| at > 1_795_000_000_000),
                "{timestamp}"
            );
            let expected = json!({"id": id, "orderId": id, "totalAmount": sent["order"]["totalAmount"], "status": "PENDING",
                "timestamp": timestamp, "customerName": "", "itemCount": sent["order"]["items"].as_array().map(Vec::len)});
            assert_eq!(event.data, expected);
        }
        let recent = app.get("/api/admin/orders/recent?limit=1").await;
        let order = &recent["orders"][0];
        assert_eq!(
            (&order["id"], &order["userId"]),
            (&json!(id), &sent["userId"])
        );
        assert_eq!(order["items"], sent["order"]["items"]);
        assert_eq!(order["deliveryLocation"], sent["order"]["deliveryLocation"]);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_order_is_refused_by_its_field_and_nothing_is_placed() {
    let app = TestApp::start().await;
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let deeper = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let many = json!(vec![json!({"name": "a", "quantity": 1}); 600]).to_string();
    let with = |field: &str, value: &str| {
        let mut order = vec![
            r#""items":[{"name":"a","quantity":1}]"#.to_owned(),
            r#""totalAmount":1"#.to_owned(),
        ];
        order.retain(|known| !known.starts_with(&format!("\"{field}\"")));
        order.push(format!("\"{field}\":{value}"));
        format!("{{\"userId\":\"u\",\"order\":{{{}}}}}", order.join(","))
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "body"),
        (b"{".to_vec(), "body"),
        (b"[]".to_vec(), "body"),
        (b"null".to_vec(), "body"),
        (b"{} {}".to_vec(), "body"),
        (b"{}".to_vec(), "order"),
        (br#"{"userId":1,"order":{}}"#.to_vec(), "userId"),
        (br#"{"userId":"u","order":[]}"#.to_vec(), "order"),
        (with("totalAmount", "1e999").into(), "order.totalAmount"),
        (with("totalAmount", "NaN").into(), "order.totalAmount"),
        (with("totalAmount", "-Infinity").into(), "order.totalAmount"),
        (with("totalAmount", "\"-7\"").into(), "order.totalAmount"),
        (with("totalAmount", "-1").into(), "order.totalAmount"),
        (with("items", "null").into(), "order.items"),
        (with("items", "\"2 apples\"").into(), "order.items"),
        (with("items", "[]").into(), "order.items"),
        (with("items", &many).into(), "order.items"),
        (
            with("items", r#"[{"quantity":"3 kg"}]"#).into(),
            "order.items[0].quantity",
        ),
        (
            with("items", r#"[{"quantity":1},7]"#).into(),
            "order.items[1]",
        ),
        (with("note", &deep).into(), "order.note"),
        (with("note", &deeper).into(), "order.note"),
        (
            with("deliveryLocation", r#"{"latitude":"north"}"#).into(),
            "order.deliveryLocation.latitude",
        ),
        (with("__name__", "1").into(), "order.__name__"),
        (
            [
                b"{\"userId\":\"u\",\"order\":{\"note\":\"".as_slice(),
                &[0xff, 0xfe],
                b"\"}}",
            ]
            .concat(),
            "order.note",
        ),
    ];
    for (body, field) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = app
            .bare(Method::POST, "/api/order/submit")
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("an answer");
        let error = refusal(answer, 400).await;
        assert_eq!(error["code"], "INVALID_ORDER", "{shown}");
        let named = error["details"][0]["field"].as_str().expect("a field");
        assert!(
            named == field || named.starts_with(&format!("{field}[")),
            "{shown}: {error}"
        );
    }
    assert_eq!(app.order_count().await, 0);
    assert_eq!(app.submit().await, "ORD1");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_a_type_a_size_and_a_deadline() {
    let app = TestApp::start_with(&[("ORDERBELL_SERVER__REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let submit = || app.bare(Method::POST, "/api/order/submit");
    let answer = submit()
        .body(small_order().to_string())
        .send()
        .await
        .expect("an answer");
    refusal(answer, 415).await;
    let json = || submit().header("content-type", "application/json");
    refusal(
        json()
            .body("x".repeat(5 << 20))
            .send()
            .await
            .expect("an answer"),
        413,
    )
    .await;
    let without_length = reqwest::Body::wrap(Endless { left: 600 });
    refusal(
        json().body(without_length).send().await.expect("an answer"),
        413,
    )
    .await;

    let address = app.base.strip_prefix("http://").expect("an address");
    let request = "POST /api/order/submit HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let answer = crate::sockets::exchange(address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"statusCode\":408"), "{answer}");
    assert_eq!(app.order_count().await, 0);
    app.stop().await;
}

/// A body of so many KiB that doesn't say how long it is.
struct Endless {
    left: usize,
}

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        self.left = self.left.saturating_sub(1);
        let frame = (self.left > 0).then(|| {
            Ok(http_body::Frame::data(bytes::Bytes::from(vec![
                b' ';
                1_024
            ])))
        });
        std::task::Poll::Ready(frame)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_places_nothing_new() {
    let app = TestApp::start().await;
    let submit = |key: &'static str| {
        let request = app
            .bare(Method::POST, "/api/order/submit")
            .header("idempotency-key", key)
            .json(&small_order());
        async move { json_of(request.send().await.expect("an answer")).await }
    };
    let first = submit("a").await;
    let (again, other, at_once) = tokio::join!(submit("a"), submit("b"), submit("b"));
    assert_eq!(again, first);
    assert_eq!(other, at_once);
    assert_eq!(app.order_count().await, 2);
    let long = "k".repeat(300);
    for key in ["", long.as_str()] {
        let request = app
            .bare(Method::POST, "/api/order/submit")
            .header("idempotency-key", key);
        let error = refusal(
            request
                .json(&small_order())
                .send()
                .await
                .expect("an answer"),
            400,
        )
        .await;
        assert_eq!(error["details"][0]["field"], "Idempotency-Key");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_order_has_used_is_refused() {
    let app = TestApp::start().await;
    let submit = async |body: &Value| {
        let request = app
            .bare(Method::POST, "/api/order/submit")
            .header("idempotency-key", "k")
            .json(body);
        request.send().await.expect("an answer")
    };
    let first = json_of(submit(&small_order()).await).await;
    let mut of_another_user = small_order();
    of_another_user["userId"] = json!("u2");
    let mut with_another_body = small_order();
    with_another_body["order"]["totalAmount"] = json!(8);
    for other in [of_another_user, with_another_body] {
        let error = refusal(submit(&other).await, 422).await;
        assert_eq!(error["code"], "KEY_REUSED");
    }
    // The same fields in another order are the same body.
    let reordered = json!({"order": {"totalAmount": 7.5, "items": [{"quantity": 3, "price": 2.5, "name": "Apple"}]}, "userId": "u1"});
    assert_eq!(json_of(submit(&reordered).await).await, first);
    assert_eq!(app.order_count().await, 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sets_what_is_the_servers() {
    let app = TestApp::start().await;
    let mut body = small_order();
    for (name, value) in [
        ("orderId", json!("TEMP-1")),
        ("status", json!("DELIVERED")),
        ("timestamp", json!(1)),
        ("acknowledged", json!(true)),
        ("loyalty", json!({"points": [1, 2.5, null]})),
    ] {
        body["order"][name] = value;
    }
    app.post_order(&body).await;
    let order = app.get("/api/admin/orders/ORD1").await["order"].clone();
    assert_eq!(
        (&order["orderId"], &order["status"]),
        (&json!("ORD1"), &json!("PENDING"))
    );
    assert!(order["timestamp"].as_u64().is_some_and(|at| at > 1));
    assert_eq!(order.get("acknowledged"), None);
    assert_eq!(order["loyalty"], json!({"points": [1, 2.5, null]}));
    app.stop().await;
}
