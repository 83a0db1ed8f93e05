//! Requests as the programs that exist today send them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::{TOKEN, TestApp, json_of, refusal, small_order};

const SUBMIT_TOKEN: &str = include_str!("../fixtures/submit-token.json");
const SUBMIT_ODD: &str = include_str!("../fixtures/submit-odd.json");

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// An unsigned ID token of the customer `phone-user`, as Firebase's Auth emulator issues it.
fn id_token() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test compares it with its own clock"
    )]
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a time after 1970")
        .as_secs();
    let header = json!({"alg": "none", "typ": "JWT"});
    let claims = json!({"iss": "https://securetoken.google.com/shop", "aud": "shop", "sub": "phone-user",
        "iat": now, "auth_time": now, "exp": now + 3_600});
    format!(
        "{}.{}.",
        BASE64.encode(header.to_string()),
        BASE64.encode(claims.to_string())
    )
}

async fn app_with_tokens() -> TestApp {
    TestApp::start_with(&[
        ("ORDERBELL_SUBMIT__AUTH", "firebase"),
        ("ORDERBELL_SUBMIT__FIREBASE_PROJECT_ID", "shop"),
        ("ORDERBELL_SUBMIT__FIREBASE_EMULATOR_TOKENS", "true"),
    ])
    .await
}

async fn submit_with(app: &TestApp, authorization: &str, body: &Value) -> Response {
    app.bare(Method::POST, "/api/order/submit")
        .header("authorization", authorization)
        .json(body)
        .send()
        .await
        .expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_of_an_id_token_need_not_stand_in_the_body() {
    let app = app_with_tokens().await;
    let without = parsed(SUBMIT_TOKEN);
    assert!(without.get("userId").is_none());
    let mut with_null = without.clone();
    with_null["userId"] = Value::Null;
    let mut inside = without.clone();
    inside["order"]["userId"] = json!("another");
    let mut of_another = without.clone();
    of_another["userId"] = json!("another");
    let bodies = [without, with_null, inside, of_another];
    for (body, number) in bodies.iter().zip(1..) {
        let answer = submit_with(&app, &format!("Bearer {}", id_token()), body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{body}");
        let order = app.get(&format!("/api/admin/orders/ORD{number}")).await["order"].clone();
        assert_eq!(order["userId"], "phone-user", "{body}");
        assert_eq!(order["items"], body["order"]["items"]);
    }
    refusal(app.post_order(&bodies[3]).await, 401).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_the_body_has_to_name_the_customer() {
    let app = TestApp::start().await;
    let mut with_null = parsed(SUBMIT_TOKEN);
    with_null["userId"] = Value::Null;
    let mut inside = parsed(SUBMIT_TOKEN);
    inside["order"]["userId"] = json!("u1");
    for body in [parsed(SUBMIT_TOKEN), with_null, inside] {
        let error = refusal(app.post_order(&body).await, 400).await;
        assert_eq!(error["details"][0]["field"], "userId", "{body}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_submits_are_kept_as_they_came_and_shown_sensibly() {
    let app = TestApp::start().await;
    let odd = parsed(SUBMIT_ODD);
    let mut stream = app.stream().await;
    assert_eq!(app.post_order(&odd).await.status(), StatusCode::OK);
    let event = stream.next_order().await.expect("an event");
    assert_eq!(event.data["totalAmount"], 8.5);
    let order = app.get("/api/admin/orders/ORD1").await["order"].clone();
    for name in ["items", "totalAmount", "deliveryAddress"] {
        assert_eq!(order[name], odd["order"][name]);
    }
    let desk = app.get("/api/admin/orders/recent?view=desk").await;
    let card = &desk["orders"][0];
    assert_eq!(card["total"], 8.5);
    assert_eq!(card["address"], "12 rue Didouche Mourad, Alger");
    assert_eq!(
        card["items"],
        json!([{"name": "Oranges", "quantity": 1.0, "price": "$2.50"}, {"name": "Dates", "quantity": 2.0, "price": "3"}])
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_has_the_time_under_both_names() {
    let app = TestApp::start().await;
    let health = app.get("/api/health").await;
    assert!(
        health["timestamp"]
            .as_u64()
            .is_some_and(|at| at > 1_795_000_000_000)
    );
    assert_eq!(health["timestamp"], health["serverTime"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_come_without_the_word_bearer() {
    let app = app_with_tokens().await;
    let stats = async |authorization: &str| {
        app.bare(Method::GET, "/api/admin/dashboard-stats")
            .header("authorization", authorization)
            .send()
            .await
            .expect("an answer")
    };
    let token = json_of(app.login(crate::app::EMAIL, crate::app::PASSWORD).await).await["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert_eq!(stats(&token).await.status(), StatusCode::OK);
    assert_eq!(
        stats(&format!("Bearer {token}")).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        refusal(stats("obt_guess").await, 401).await["code"],
        "INVALID_CREDENTIALS"
    );
    for ignored in [
        "Bearer",
        "Basic YTpi",
        "Digest username=a",
        &format!("Token {token}"),
    ] {
        assert_eq!(
            refusal(stats(ignored).await, 401).await["code"],
            "UNAUTHENTICATED",
            "{ignored}"
        );
    }
    let answer = submit_with(&app, &id_token(), &parsed(SUBMIT_TOKEN)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_addresses_of_the_api_agree_in_their_code() {
    let app = TestApp::start().await;
    for path in [
        "/api",
        "/api/",
        "/api/nope",
        "/api/admin",
        "/api/admin/",
        "/api/admin/nope",
        "/api/admin/orders/ORD1/nope",
        "/api/admin/stream/nope",
        "/api/order",
        "/api/order/submit/",
        "/api/health/",
        "/api//health",
        "/api/stream-orders/nope",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = app.request(method, path).send().await.expect("an answer");
            assert_eq!(refusal(answer, 404).await["code"], "NOT_FOUND", "{path}");
        }
    }
    app.stop().await;
}

fn ids(page: &Value) -> Vec<&str> {
    let orders = page["orders"].as_array().expect("orders");
    orders
        .iter()
        .map(|order| order["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_a_limit_is_the_whole_window() {
    const LIST: &str = "/api/admin/orders";
    let app = TestApp::start_with(&[("ORDERBELL_STORE__WINDOW", "60")]).await;
    for _ in 0..55 {
        app.submit_finished().await;
    }
    let page = app.get(LIST).await;
    assert_eq!(ids(&page).len(), 55);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(ids(&app.get(&format!("{LIST}?limit=7")).await).len(), 7);
    for _ in 0..10 {
        app.submit_finished().await;
    }
    for query in [
        "",
        "?limit=60",
        "?limit=1000",
        "?limit=99999999999999999999999",
    ] {
        let page = app.get(&format!("{LIST}{query}")).await;
        assert_eq!(ids(&page).len(), 60, "{query}");
        assert_eq!((ids(&page)[0], ids(&page)[59]), ("ORD65", "ORD6"));
        let next = page["next"].as_str().expect("a next page");
        let rest = app.get(&format!("{LIST}?before={next}")).await;
        assert_eq!(ids(&rest), ["ORD5", "ORD4", "ORD3", "ORD2", "ORD1"]);
        assert_eq!(rest["next"], Value::Null);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_are_read_in_any_case_of_letters() {
    let app = TestApp::start().await;
    app.submit().await;
    app.submit_finished().await;
    for path in [
        "/api/admin/orders?status=",
        "/api/admin/orders/recent?status=",
    ] {
        for status in ["pending", "Pending,cancelled", "PENDING"] {
            let page = app.get(&format!("{path}{status}")).await;
            assert_eq!(ids(&page), ["ORD1"], "{path}{status}");
        }
    }
    let (_, mut stream) = app.stream_at("?status=on_way").await;
    let answer = app.put("ORD1", &json!({"status": "ON_WAY"})).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let event = stream.next_order().await.expect("an event");
    assert_eq!(event.data["status"], "ON_WAY");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn analytics_are_the_stats() {
    let app = TestApp::start().await;
    app.submit().await;
    let stats = app.get("/api/admin/dashboard-stats").await;
    assert_eq!(stats["totalOrders"], 1);
    assert_eq!(app.get("/api/admin/analytics").await, stats);
    let answer = app.bare(Method::GET, "/api/admin/analytics").send().await;
    refusal(answer.expect("an answer"), 401).await;
    app.stop().await;
}

/// The answer as it stands on the wire.
async fn on_the_wire(app: &TestApp, method: &str, path: &str) -> (Vec<String>, String) {
    let address = app.base.strip_prefix("http://").expect("an address");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
    );
    let answer = crate::sockets::exchange(address, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let varies = |line: &&str| !line.starts_with("date:");
    let mut head: Vec<_> = head.lines().filter(varies).map(str::to_owned).collect();
    head.sort();
    (head, body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_as_get_does_without_a_body() {
    let app = TestApp::start().await;
    app.post_order(&small_order()).await;
    for path in [
        "/api/health",
        "/api/openapi.json",
        "/api/admin/orders",
        "/api/admin/orders/recent",
        "/api/admin/orders/ORD1",
        "/api/admin/orders/ORD9",
        "/api/admin/dashboard-stats",
        "/api/admin/screens",
        "/api/nope",
        "/api/order/submit",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/",
        "/login",
        "/nope",
    ] {
        let (get, body) = on_the_wire(&app, "GET", path).await;
        let (head, nothing) = on_the_wire(&app, "HEAD", path).await;
        let without_length = |head: &[String]| -> Vec<String> {
            let is_kept =
                |line: &&String| path != "/metrics" || !line.starts_with("content-length");
            head.iter().filter(is_kept).cloned().collect()
        };
        assert_eq!(without_length(&head), without_length(&get), "{path}");
        assert_eq!(nothing, "", "{path}");
        assert!(!body.is_empty() || path == "/", "{path}");
    }
    for path in ["/api/admin/stream/orders", "/api/stream-orders"] {
        let (head, _) = on_the_wire(&app, "HEAD", path).await;
        assert!(
            head.iter().any(|line| line.starts_with("HTTP/1.1 405")),
            "{head:?}"
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_after_head() {
    let app = TestApp::start().await;
    app.post_order(&small_order()).await;
    let address = app.base.strip_prefix("http://").expect("an address");
    let request = |method: &str, path: &str, connection: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\nconnection: {connection}\r\n\r\n"
        )
    };
    let requests = [
        request("HEAD", "/api/admin/orders", "keep-alive"),
        request("HEAD", "/api/health", "keep-alive"),
        request("GET", "/health/live", "close"),
    ];
    let answers = crate::sockets::exchange(address, requests.concat().as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert!(
        answers.ends_with("\r\n\r\n{\"status\":\"live\"}"),
        "{answers}"
    );
    assert!(
        !answers.contains("\"orders\"") && !answers.contains("healthy"),
        "{answers}"
    );
    app.stop().await;
}
