//! The sessions of browsers while Cloud Firestore is away.

#[path = "../store/firestore/proxy.rs"]
mod proxy;

use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::app::{PASSWORD, TOKEN, TestApp, cookie_of, eventually, refusal};
use crate::firestore::{WERKZEUG, emulator, fresh_project, phone, start_with};
use proxy::{Proxy, Traffic};

const RECENT: &str = "/api/admin/orders/recent";
const OMAR: &str = "omar@shop.example";

async fn shop() -> String {
    let project = fresh_project();
    let admin = json!({"email": {"stringValue": OMAR}, "name": {"stringValue": "Omar"}, "password": {"stringValue": WERKZEUG}});
    phone(&project).put("admins/omar-1", &admin).await;
    project
}

async fn get(app: &TestApp, path: &str, cookie: &str) -> Response {
    let request = app.bare(Method::GET, path).header("cookie", cookie);
    request.send().await.expect("an answer")
}

async fn sign_out(app: &TestApp, cookie: &str) -> Response {
    let request = app
        .bare(Method::POST, "/logout")
        .header("cookie", cookie)
        .header("origin", &app.base);
    request.send().await.expect("an answer")
}

/// Asserts that the answer says to come back, and takes nothing from the browser.
fn assert_away(answer: &Response) {
    assert_eq!(
        answer.status(),
        StatusCode::SERVICE_UNAVAILABLE,
        "{answer:?}"
    );
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
    assert!(!answer.headers().contains_key("set-cookie"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_cookies_is_read_when_firestore_comes_back() {
    let project = shop().await;
    let proxy = Proxy::new(emulator(), Traffic::Refused).await;
    let app = start_with(&project, &proxy.host(), &[]).await;
    assert_away(&get(&app, "/", "").await);
    assert_away(&get(&app, "/", "desk=made-up").await);
    assert_away(&app.try_sign_in(OMAR, PASSWORD).await);
    assert_away(&sign_out(&app, "desk=made-up").await);
    let poll = get(&app, RECENT, "desk=made-up").await;
    assert_away(&poll);
    assert_eq!(refusal(poll, 503).await["code"], "STORE_UNAVAILABLE");
    // What needs no session goes on.
    assert_eq!(get(&app, "/login", "").await.status(), StatusCode::OK);
    let script = app.bare(Method::GET, RECENT).bearer_auth(TOKEN);
    let script = script.send().await.expect("an answer");
    assert_eq!(script.status(), StatusCode::OK);
    refusal(get(&app, "/api/admin/nothing", "").await, 404).await;

    proxy.set(Traffic::Open);
    eventually("the desk", || async {
        get(&app, "/", "").await.status() == StatusCode::SEE_OTHER
    })
    .await;
    let begun = app.try_sign_in(OMAR, PASSWORD).await;
    assert_eq!(begun.status(), StatusCode::SEE_OTHER);
    let desk = get(&app, "/", &cookie_of(&begun)).await;
    assert_eq!(desk.status(), StatusCode::OK);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn known_sessions_go_on_while_firestore_is_away_and_others_are_told_to_wait() {
    let project = shop().await;
    let proxy = Proxy::new(emulator(), Traffic::Open).await;
    let one = start_with(&project, &emulator(), &[]).await;
    let other = start_with(&project, &proxy.host(), &[]).await;
    let sign_in = async |app: &TestApp| {
        let begun = app.try_sign_in(OMAR, PASSWORD).await;
        assert_eq!(begun.status(), StatusCode::SEE_OTHER);
        cookie_of(&begun)
    };
    let known = sign_in(&one).await;
    assert_eq!(get(&other, RECENT, &known).await.status(), StatusCode::OK);
    proxy.set(Traffic::Refused);
    proxy.cut();
    let unseen = sign_in(&one).await;
    let poll = get(&other, RECENT, &unseen).await;
    assert_away(&poll);
    assert_eq!(refusal(poll, 503).await["code"], "STORE_UNAVAILABLE");
    assert_away(&get(&other, "/", &unseen).await);
    assert_away(&get(&other, "/api/stream-orders", &unseen).await);
    assert_away(&sign_out(&other, &unseen).await);
    assert_away(&sign_out(&other, &known).await);
    assert_away(&other.try_sign_in(OMAR, PASSWORD).await);
    assert_eq!(get(&other, RECENT, &known).await.status(), StatusCode::OK);
    // A bearer token is what is meant: the cookie beside it isn't looked up.
    let script = other
        .bare(Method::GET, RECENT)
        .header("cookie", &unseen)
        .bearer_auth(TOKEN);
    let script = script.send().await.expect("an answer");
    assert_eq!(script.status(), StatusCode::OK);
    // The one that couldn't be looked up may be the good one.
    assert_away(&get(&other, RECENT, &format!("desk=x; {unseen}")).await);
    let both = format!("{unseen}; {known}");
    assert_eq!(get(&other, RECENT, &both).await.status(), StatusCode::OK);

    proxy.set(Traffic::Open);
    eventually("Firestore", || async {
        get(&other, RECENT, &unseen).await.status() == StatusCode::OK
    })
    .await;
    let ended = sign_out(&other, &known).await;
    assert_eq!(ended.status(), StatusCode::SEE_OTHER);
    assert!(ended.headers().contains_key("set-cookie"), "{ended:?}");
    refusal(get(&other, RECENT, &known).await, 401).await;
    sign_in(&other).await;
    one.stop().await;
    other.stop().await;
}
