//! Submits from pages of other origins.

use reqwest::{Method, Response, StatusCode};

use crate::app::{TOKEN, TestApp, refusal, small_order};

const SHOP: &str = "https://shop.example.com";

async fn app(origins: &str) -> TestApp {
    TestApp::start_with(&[("ORDERBELL_SERVER__ALLOWED_ORIGINS", origins)]).await
}

async fn preflight(
    app: &TestApp,
    path: &str,
    origin: &str,
    method: &str,
    headers: &str,
) -> Response {
    app.bare(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers)
        .send()
        .await
        .expect("an answer")
}

async fn submit(app: &TestApp, origin: &str) -> Response {
    app.bare(Method::POST, "/api/order/submit")
        .header("origin", origin)
        .json(&small_order())
        .send()
        .await
        .expect("an answer")
}

/// Names of the CORS headers of an answer.
fn cors_headers(response: &Response) -> Vec<&str> {
    let names = response
        .headers()
        .keys()
        .map(reqwest::header::HeaderName::as_str);
    names
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

fn allowed_origin(response: &Response) -> Option<&str> {
    response
        .headers()
        .get("access-control-allow-origin")
        .map(|value| value.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_are_no_cors_headers() {
    let app = TestApp::start().await;
    let answer = submit(&app, SHOP).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(cors_headers(&answer), [""; 0]);
    let answer = preflight(&app, "/api/order/submit", SHOP, "POST", "content-type").await;
    assert!(!answer.status().is_success(), "{answer:?}");
    assert_eq!(cors_headers(&answer), [""; 0]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_named_origin_may_submit_and_read_errors() {
    let app = app("https://other.example, https://shop.example.com").await;
    let answer = preflight(
        &app,
        "/api/order/submit",
        SHOP,
        "POST",
        "authorization,content-type,idempotency-key",
    )
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(allowed_origin(&answer), Some(SHOP));
    assert_eq!(answer.headers()["access-control-allow-methods"], "POST");

    let answer = submit(&app, SHOP).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(allowed_origin(&answer), Some(SHOP));
    let vary = answer.headers()["vary"]
        .to_str()
        .expect("text")
        .to_lowercase();
    assert!(vary.contains("origin"), "{vary}");
    assert_eq!(
        answer.headers().get("access-control-allow-credentials"),
        None
    );

    let refused = app
        .bare(Method::POST, "/api/order/submit")
        .header("origin", SHOP)
        .json(&7)
        .send()
        .await
        .expect("an answer");
    assert_eq!(allowed_origin(&refused), Some(SHOP));
    assert_eq!(
        refused.headers()["access-control-expose-headers"],
        "retry-after"
    );
    refusal(refused, 400).await;
    // Also an answer that no handler has worded.
    let refused = app
        .bare(Method::GET, "/api/order/submit")
        .header("origin", SHOP)
        .send()
        .await
        .expect("an answer");
    assert_eq!(allowed_origin(&refused), Some(SHOP));
    refusal(refused, 405).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_methods_headers_and_addresses_stay_out() {
    let app = app(SHOP).await;
    for origin in [
        "https://evil.example",
        "null",
        "http://shop.example.com",
        "https://shop.example.com:8443",
        "https://shop.example.com.evil.example",
        "https://SHOP.example.com.",
    ] {
        let answer = submit(&app, origin).await;
        assert_eq!(allowed_origin(&answer), None, "{origin}");
        let answer = preflight(&app, "/api/order/submit", origin, "POST", "content-type").await;
        assert!(!answer.status().is_success(), "{origin}: {answer:?}");
        assert_eq!(allowed_origin(&answer), None, "{origin}");
    }
    for (method, headers) in [
        ("PUT", "content-type"),
        ("DELETE", "content-type"),
        ("POST", "x-other"),
        ("POST", "cookie"),
    ] {
        let answer = preflight(&app, "/api/order/submit", SHOP, method, headers).await;
        assert!(!answer.status().is_success(), "{method} {headers}");
    }
    for path in [
        "/api/admin/orders",
        "/api/admin/orders/recent",
        "/api/admin/login",
        "/api/admin/stream/orders",
        "/api/stream-orders",
        "/api/health",
        "/metrics",
        "/",
    ] {
        let answer = preflight(&app, path, SHOP, "GET", "authorization").await;
        assert!(!answer.status().is_success(), "{path}");
        assert_eq!(cors_headers(&answer), [""; 0], "{path}");
        let answer = app
            .bare(Method::GET, path)
            .bearer_auth(TOKEN)
            .header("origin", SHOP)
            .send()
            .await
            .expect("an answer");
        assert_eq!(cors_headers(&answer), [""; 0], "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_stands_for_all_origins_and_never_for_credentials() {
    let app = app("*").await;
    for origin in [SHOP, "null", "https://any.example"] {
        let answer = submit(&app, origin).await;
        assert_eq!(allowed_origin(&answer), Some("*"), "{origin}");
        assert_eq!(
            answer.headers().get("access-control-allow-credentials"),
            None
        );
    }
    let answer = preflight(&app, "/api/admin/orders", SHOP, "GET", "authorization").await;
    assert_eq!(cors_headers(&answer), [""; 0]);
    app.stop().await;
}
