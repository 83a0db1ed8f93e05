//! Guessing: at credentials, at passwords, from one address and from many.

use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::app::{EMAIL, PASSWORD, TestApp, cookie_of, json_of, refusal};

const RECENT: &str = "/api/admin/orders/recent";

async fn bearer(app: &TestApp, secret: &str) -> Response {
    let request = app.bare(Method::GET, RECENT).bearer_auth(secret);
    request.send().await.expect("an answer")
}

/// Signs in as a browser at `address` does, behind a proxy that is trusted.
async fn sign_in_from(app: &TestApp, address: &str, password: &str, cookie: &str) -> Response {
    let form = format!("email={}&password={password}", EMAIL.replace('@', "%40"));
    app.bare(Method::POST, "/login")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", &app.base)
        .header("x-forwarded-for", address)
        .header("cookie", cookie)
        .body(form)
        .send()
        .await
        .expect("an answer")
}

async fn behind_a_proxy() -> TestApp {
    TestApp::start_with(&[("ORDERBELL_SERVER__TRUSTED_PROXIES", "127.0.0.1")]).await
}

const RIGHT: &str = "correct+horse";

#[tokio::test(flavor = "multi_thread")]
async fn unknown_credentials_of_one_address_are_looked_up_so_often() {
    for accept_ids in ["true", "false"] {
        let app = TestApp::start_with(&[
            ("ORDERBELL_AUTH__FAILURES_PER_MINUTE", "6"),
            ("ORDERBELL_AUTH__ACCEPT_ADMIN_IDS", accept_ids),
        ])
        .await;
        let cookie = app.sign_in().await;
        let session = json_of(app.login(EMAIL, PASSWORD).await).await["token"].clone();
        for guess in ["obt_a", "obt_b", "one", "two", "obt_c", "three"] {
            let refused = refusal(bearer(&app, guess).await, 401).await;
            assert_eq!(refused["code"], "INVALID_CREDENTIALS");
        }
        for guess in ["obt_d", "four"] {
            let refused = bearer(&app, guess).await;
            assert!(refused.headers().contains_key("retry-after"));
            assert_eq!(refusal(refused, 429).await["code"], "TOO_MANY_ATTEMPTS");
        }
        // Neither what is known nor what can't be guessed is in the way of that.
        for known in [crate::app::TOKEN, session.as_str().expect("text")] {
            assert_eq!(bearer(&app, known).await.status(), StatusCode::OK);
        }
        refusal(bearer(&app, "obs_guess").await, 401).await;
        let with_cookie = |cookie: &str| app.bare(Method::GET, "/").header("cookie", cookie).send();
        let desk = with_cookie(&cookie).await.expect("an answer");
        assert_eq!(desk.status(), StatusCode::OK);
        let signed_out = with_cookie("desk=obs_old").await.expect("an answer");
        assert_eq!(signed_out.headers()["location"], "/login");
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_elsewhere_do_not_lock_an_admin_out() {
    let app = behind_a_proxy().await;
    // Each guess doubles the wait. On a slow machine a short wait has ended before the next guess.
    for _ in 0..20 {
        let guess = sign_in_from(&app, "192.0.2.66", "guess", "").await;
        let wait = guess.headers().get("retry-after");
        let wait = wait.map(|seconds| seconds.to_str().expect("text").parse::<u64>());
        if wait.is_some_and(|seconds| seconds.expect("seconds") >= 16) {
            break;
        }
    }
    let there = sign_in_from(&app, "192.0.2.66", RIGHT, "").await;
    assert_eq!(there.status(), StatusCode::TOO_MANY_REQUESTS);
    let home = sign_in_from(&app, "198.51.100.1", RIGHT, "").await;
    assert_eq!(home.status(), StatusCode::SEE_OTHER);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_everywhere_do_not_lock_a_known_device_out() {
    let app = behind_a_proxy().await;
    let first = sign_in_from(&app, "198.51.100.1", RIGHT, "").await;
    let device = first
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|cookie| cookie.to_str().ok())
        .find(|cookie| cookie.starts_with("desk-device="))
        .expect("a cookie for the device");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=31536000"] {
        assert!(device.contains(part), "{device}");
    }
    let device = device.split(';').next().expect("a value");
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..60 {
        let guess = app
            .bare(Method::POST, "/api/admin/login")
            .header("x-forwarded-for", format!("203.0.113.{number}"))
            .json(&json!({"email": EMAIL, "password": "a guess"}));
        guesses.spawn(async move { guess.send().await.expect("an answer").status() });
        if number % 10 == 9 {
            while guesses.join_next().await.is_some() {}
        }
    }
    let stranger = sign_in_from(&app, "192.0.2.1", RIGHT, "").await;
    assert_eq!(stranger.status(), StatusCode::TOO_MANY_REQUESTS);
    let known = sign_in_from(&app, "192.0.2.1", RIGHT, &format!("a=b; {device}")).await;
    assert_eq!(known.status(), StatusCode::SEE_OTHER);
    // The network that has signed in before needs no cookie.
    let home = sign_in_from(&app, "198.51.100.1", RIGHT, "").await;
    assert_eq!(home.status(), StatusCode::SEE_OTHER);
    // The device's cookie is no credential.
    let page = app.bare(Method::GET, RECENT).header("cookie", device);
    refusal(page.send().await.expect("an answer"), 401).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_from_elsewhere_is_refused_and_the_session_lives() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    let sign_out = || app.bare(Method::POST, "/logout").header("cookie", &cookie);
    for request in [
        sign_out(),
        sign_out().header("origin", "https://evil.example"),
        sign_out().header("sec-fetch-site", "cross-site"),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    let page = app.bare(Method::GET, "/").header("cookie", &cookie);
    assert_eq!(
        page.send().await.expect("an answer").status(),
        StatusCode::OK
    );
    let ours = sign_out().header("origin", &app.base);
    assert_eq!(
        ours.send().await.expect("an answer").status(),
        StatusCode::SEE_OTHER
    );
    // Once more: there is nothing left to end.
    let again = sign_out().header("origin", &app.base);
    assert_eq!(
        again.send().await.expect("an answer").status(),
        StatusCode::SEE_OTHER
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxys_password_and_junk_cookies_do_not_hide_a_session() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    let get = |path: &str| app.bare(Method::GET, path);
    let junk = format!("no-equals-sign; desk=; desk=\"; desk=obs_junk; %zz=%; {cookie}; desk=x");
    for (path, request) in [
        ("/", get("/").header("cookie", &junk)),
        (RECENT, get(RECENT).header("cookie", &junk)),
        (
            RECENT,
            get(RECENT)
                .header("cookie", &cookie)
                .header("authorization", "Basic YTpi"),
        ),
        (
            "/",
            get("/")
                .header("cookie", "desk=junk")
                .header("cookie", &cookie),
        ),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    // A bearer token is meant: it isn't replaced by the cookie.
    let bearer = get(RECENT)
        .header("cookie", &cookie)
        .header("authorization", "Bearer obt_unknown");
    refusal(bearer.send().await.expect("an answer"), 401).await;
    let both = get(RECENT)
        .header("authorization", "Basic YTpi")
        .bearer_auth(crate::app::TOKEN);
    assert_eq!(
        both.send().await.expect("an answer").status(),
        StatusCode::OK
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secure_device_cookie_is_bound_to_the_host() {
    let app = TestApp::start_with(&[("ORDERBELL_AUTH__SECURE_COOKIES", "always")]).await;
    let answer = app.try_sign_in(EMAIL, PASSWORD).await;
    assert!(cookie_of(&answer).starts_with("__Host-desk="));
    let device = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|cookie| cookie.to_str().ok())
        .find(|cookie| cookie.starts_with("__Host-desk-device="))
        .expect("a cookie for the device");
    assert!(
        device.contains("Secure") && device.contains("Path=/"),
        "{device}"
    );
    app.stop().await;
}
