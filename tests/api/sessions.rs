//! The sessions of browsers: when their cookie is set, and what ends them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Method, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{
    EMAIL, PASSWORD, TOKEN, TestApp, client, cookie_of, json_of, refusal, session_cookie,
    small_order,
};
use crate::process::{Server, SmallDisk};
use crate::sse::Stream;

const RECENT: &str = "/api/admin/orders/recent";

async fn with_cookie(app: &TestApp, path: &str, cookie: &str) -> Response {
    let request = app.bare(Method::GET, path).header("cookie", cookie);
    request.send().await.expect("an answer")
}

/// Signs in as a browser that has cookies.
async fn sign_in_again(base: &str, cookie: &str) -> Response {
    let form = format!("email={EMAIL}&password={}", PASSWORD.replace(' ', "+"));
    client()
        .post(format!("{base}/login"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", base)
        .header("cookie", cookie)
        .body(form)
        .send()
        .await
        .expect("an answer")
}

async fn sign_out(base: &str, cookie: &str) -> Response {
    client()
        .post(format!("{base}/logout"))
        .header("origin", base)
        .header("cookie", cookie)
        .send()
        .await
        .expect("an answer")
}

fn sets_cookie(answer: &Response) -> bool {
    answer.headers().contains_key("set-cookie")
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_pages_and_streams_set_no_cookie() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    for cookie in [cookie.as_str(), "desk=made-up", "other=1"] {
        for path in [RECENT, "/", "/login", "/api/admin/sessions"] {
            let answer = with_cookie(&app, path, cookie).await;
            assert!(!sets_cookie(&answer), "{path} with {cookie}: {answer:?}");
        }
    }
    let stream = with_cookie(&app, "/api/stream-orders", &cookie).await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert!(!sets_cookie(&stream), "{stream:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_while_signed_in_ends_the_session_before() {
    let app = TestApp::start().await;
    let first = app.sign_in().await;
    let stream = app
        .bare(Method::GET, "/api/stream-orders")
        .header("cookie", &first);
    let (_, stream) = Stream::connected(stream).await;
    let again = sign_in_again(&app.base, &first).await;
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
    let second = cookie_of(&again);
    assert_ne!(first, second);
    stream.rest().await;
    refusal(with_cookie(&app, RECENT, &first).await, 401).await;
    let sessions = with_cookie(&app, "/api/admin/sessions", &second).await;
    let sessions = json_of(sessions).await["sessions"].clone();
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{sessions}");
    assert_eq!(sessions[0]["current"], true);
    // A wrong password ends nothing.
    let form = format!("email={EMAIL}&password=wrong");
    let wrong = app
        .bare(Method::POST, "/login")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", &app.base)
        .header("cookie", &second)
        .body(form);
    let wrong = wrong.send().await.expect("an answer");
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(!sets_cookie(&wrong), "{wrong:?}");
    let answer = with_cookie(&app, RECENT, &second).await;
    assert_eq!(answer.status(), StatusCode::OK);
    app.stop().await;
}

/// The store accepts no write of this kind from now on.
fn refuse_writes(store: &Path, kind: &str) {
    let file = rusqlite::Connection::open(store).expect("the store");
    file.busy_timeout(Duration::from_secs(5))
        .expect("a timeout");
    let trigger = format!(
        "CREATE TRIGGER refusal BEFORE {kind} ON sessions BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
    );
    file.execute_batch(&trigger).expect("a trigger");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_when_the_one_after_it_cannot_be_stored() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    refuse_writes(&app.store(), "INSERT");
    let failed = sign_in_again(&app.base, &cookie).await;
    assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!sets_cookie(&failed), "{failed:?}");
    let answer = with_cookie(&app, RECENT, &cookie).await;
    assert_eq!(answer.status(), StatusCode::OK, "still signed in");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_succeeds_when_the_session_before_it_cannot_be_ended() {
    let app = TestApp::start().await;
    let first = app.sign_in().await;
    refuse_writes(&app.store(), "DELETE");
    let begun = sign_in_again(&app.base, &first).await;
    assert_eq!(begun.status(), StatusCode::SEE_OTHER);
    let second = cookie_of(&begun);
    assert_ne!(first, second);
    let answer = with_cookie(&app, RECENT, &second).await;
    assert_eq!(answer.status(), StatusCode::OK);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_takes_the_cookie_away_and_clears_the_cache() {
    let https = ("ORDERBELL_SERVER__PUBLIC_URL", "https://desk.example.com");
    for (settings, name, is_secure) in [
        (Vec::new(), "desk=", false),
        (vec![https], "__Host-desk=", true),
    ] {
        let app = TestApp::start_with(&settings).await;
        let begun = app.try_sign_in(EMAIL, PASSWORD).await;
        let ended = sign_out(&app.base, &cookie_of(&begun)).await;
        assert_eq!(ended.headers()["clear-site-data"], "\"cache\"");
        for answer in [&begun, &ended] {
            let cookie = session_cookie(answer);
            assert!(cookie.starts_with(name), "{cookie}");
            for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(part), "{cookie}");
            }
            assert_eq!(cookie.contains("Secure"), is_secure, "{cookie}");
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
        let removal = session_cookie(&ended);
        assert!(removal.starts_with(&format!("{name};")), "{removal}");
        assert!(removal.contains("Max-Age=0"), "{removal}");
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_revoked_stays_revoked_while_its_request_is_under_way() {
    let app = TestApp::start().await;
    app.submit().await;
    let (revoked, other) = (app.sign_in().await, app.sign_in().await);
    let address: SocketAddr = app
        .base
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let body = r#"{"status":"CONFIRMED"}"#;
    let head = format!(
        "PUT /api/admin/orders/ORD1 HTTP/1.1\r\nhost: {address}\r\ncookie: {revoked}\r\norigin: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        app.base,
        body.len()
    );
    socket.write_all(head.as_bytes()).await.expect("written");
    let revoke = app
        .bare(Method::POST, "/api/admin/sessions/revoke-others")
        .header("cookie", &other)
        .header("origin", &app.base);
    let revoke = revoke.send().await.expect("an answer");
    assert_eq!(json_of(revoke).await["ended"], 1);
    socket.write_all(body.as_bytes()).await.expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
    for _ in 0..3 {
        refusal(with_cookie(&app, RECENT, &revoked).await, 401).await;
    }
    let answer = with_cookie(&app, RECENT, &other).await;
    assert_eq!(answer.status(), StatusCode::OK);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_of_other_hosts_do_not_hide_a_session() {
    let app = TestApp::start().await;
    let (cookie, ended) = (app.sign_in().await, app.sign_in().await);
    let signed_out = sign_out(&app.base, &ended).await;
    assert_eq!(signed_out.status(), StatusCode::SEE_OTHER);
    let session = json_of(app.login(EMAIL, PASSWORD).await).await["token"].clone();
    let unsigned = format!("desk={}", session.as_str().expect("text"));
    let not_text = [b"other=\xff; ", cookie.as_bytes()].concat();
    for good in [
        format!("%64esk=x; {cookie}"),
        format!("desk=\"x\"; {cookie}; desk=x"),
        format!("{ended}; {cookie}"),
        format!("{unsigned}; {cookie}"),
        format!("{}; {cookie}", ["desk=x"; 40].join("; ")),
    ] {
        let answer = with_cookie(&app, RECENT, &good).await;
        assert_eq!(answer.status(), StatusCode::OK, "{good}");
    }
    let request = app.bare(Method::GET, RECENT).header(
        "cookie",
        HeaderValue::from_bytes(&not_text).expect("a header"),
    );
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let renamed = cookie.replacen("desk=", "%64esk=", 1);
    for (bad, code) in [
        (unsigned.as_str(), "INVALID_CREDENTIALS"),
        (&ended, "INVALID_CREDENTIALS"),
        (&renamed, "UNAUTHENTICATED"),
        ("other=1", "UNAUTHENTICATED"),
    ] {
        let refused = refusal(with_cookie(&app, RECENT, bad).await, 401).await;
        assert_eq!(refused["code"], code, "{bad}");
    }
    app.stop().await;
}

/// On a disk that is full no session begins or ends, and those that there are go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_answers_503_to_sign_in_and_sign_out() {
    let disk = SmallDisk::mount();
    let server = Server::start(&disk.path.join("orders.db"), &[]).await;
    let cookie = cookie_of(&sign_in_again(&server.base, "").await);
    let filler = disk.fill();
    let refused = loop {
        let answer = sign_in_again(&server.base, "").await;
        if answer.status() != StatusCode::SEE_OTHER {
            break answer;
        }
    };
    while client()
        .post(format!("{}/api/order/submit", server.base))
        .json(&small_order())
        .send()
        .await
        .is_ok_and(|answer| answer.status() == StatusCode::OK)
    {}
    let kept = sign_out(&server.base, &cookie).await;
    for answer in [refused, kept] {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
        assert!(!sets_cookie(&answer), "{answer:?}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let page = answer.text().await.expect("text");
        assert!(page.contains("can&#x27;t be reached"), "{page}");
    }
    let poll = || {
        client()
            .get(format!("{}{RECENT}", server.base))
            .header("cookie", &cookie)
            .send()
    };
    assert_eq!(poll().await.expect("an answer").status(), StatusCode::OK);
    std::fs::remove_file(filler).expect("removed");
    crate::app::eventually("the disk is taken up again", || async {
        sign_out(&server.base, &cookie).await.status() == StatusCode::SEE_OTHER
    })
    .await;
    refusal(poll().await.expect("an answer"), 401).await;
    let again = sign_in_again(&server.base, &cookie).await;
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
    let metrics = client()
        .get(format!("{}/metrics", server.base))
        .bearer_auth(TOKEN);
    let metrics = metrics.send().await.expect("an answer").text().await;
    let counted = "orderbell_refusals_total{reason=\"STORE_UNAVAILABLE\"}";
    assert!(metrics.expect("text").contains(counted));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_takes_away_the_cookie_of_a_session_that_has_ended() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    assert_eq!(sign_out(&app.base, &cookie).await.status(), 303);
    for ended in [cookie.as_str(), "desk=made-up"] {
        let answer = sign_out(&app.base, ended).await;
        assert_eq!(answer.status(), 303);
        let removal = answer.headers()["set-cookie"].to_str().expect("text");
        assert!(
            removal.starts_with("desk=;") && removal.contains("Max-Age=0"),
            "{removal}"
        );
    }
}
