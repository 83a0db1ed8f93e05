use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{EMAIL, PASSWORD, TestApp, cookie_of, json_of, refusal, session_cookie};
use crate::sse::Stream;

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_by_the_api_answers_as_clients_expect() {
    let app = TestApp::start_with(&[("ORDERBELL_AUTH__ACCEPT_ADMIN_IDS", "true")]).await;
    let answer = app.login(&EMAIL.to_uppercase(), PASSWORD).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body = json_of(answer).await;
    assert_eq!(
        (&body["success"], &body["email"], &body["name"]),
        (&json!(true), &json!(EMAIL), &json!("ana"))
    );
    for credential in [&body["token"], &body["adminId"]] {
        let secret = credential.as_str().expect("text");
        let answer = app
            .bare(Method::GET, "/api/admin/orders/recent")
            .bearer_auth(secret)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let unknown = refusal(app.login("nobody@shop.example", PASSWORD).await, 401).await;
    let wrong = refusal(app.login(EMAIL, "wrong").await, 401).await;
    assert_eq!(unknown, wrong, "nobody learns who has an account");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_ids_are_no_tokens_on_the_embedded_store() {
    let app = TestApp::start().await;
    let body = json_of(app.login(EMAIL, PASSWORD).await).await;
    let id = body["adminId"].as_str().expect("text");
    let answer = app
        .bare(Method::GET, "/api/admin/orders/recent")
        .bearer_auth(id)
        .send()
        .await
        .expect("an answer");
    refusal(answer, 401).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_gets_slow() {
    let app = TestApp::start().await;
    let mut slowed = None;
    for _ in 0..8 {
        let answer = app.login(EMAIL, "a guess").await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            slowed = Some(answer);
            break;
        }
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let slowed = slowed.expect("slowed down");
    assert!(
        slowed.headers()["retry-after"]
            .to_str()
            .is_ok_and(|seconds| seconds.parse::<u32>().is_ok())
    );
    refusal(slowed, 429).await;
    // Also the right password has to wait, and other accounts don't.
    assert_eq!(
        app.login(EMAIL, PASSWORD).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        app.login("ben@shop.example", "x").await.status(),
        StatusCode::UNAUTHORIZED
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_the_browsers_alone() {
    let app = TestApp::start().await;
    let answer = app.try_sign_in(EMAIL, PASSWORD).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/");
    let cookie = session_cookie(&answer).to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(
        cookie.starts_with("desk=") && !cookie.contains("Secure"),
        "{cookie}"
    );
    let page = app
        .bare(Method::GET, "/")
        .header("cookie", cookie_of(&answer))
        .send()
        .await
        .expect("an answer");
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .expect("text");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["cache-control"], "no-store");
    let text = page.text().await.expect("text");
    assert!(!text.contains("<script>") && !text.contains(" style=") && !text.contains(" onclick="));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_from_other_sites_are_refused() {
    let app = TestApp::start().await;
    app.submit().await;
    let cookie = app.sign_in().await;
    let put = || {
        app.bare(Method::PUT, "/api/admin/orders/ORD1")
            .header("cookie", &cookie)
            .json(&json!({"status": "CANCELLED"}))
    };
    for request in [
        put(),
        put().header("sec-fetch-site", "cross-site"),
        put().header("sec-fetch-site", "same-site"),
        put().header("origin", "https://evil.example"),
        put().header("origin", "null"),
        put()
            .header("sec-fetch-site", "cross-site")
            .header("origin", &app.base),
    ] {
        assert_eq!(
            refusal(request.send().await.expect("an answer"), 403).await["code"],
            "CROSS_SITE"
        );
    }
    assert_eq!(
        app.get("/api/admin/orders/ORD1").await["order"]["status"],
        "PENDING"
    );
    for request in [
        put().header("sec-fetch-site", "same-origin"),
        put().header("origin", &app.base),
    ] {
        assert_eq!(
            request.send().await.expect("an answer").status(),
            StatusCode::OK
        );
    }
    let form = app
        .bare(Method::POST, "/login")
        .header("origin", "https://evil.example")
        .body("email=a&password=b");
    assert_eq!(
        form.send().await.expect("an answer").status(),
        StatusCode::FORBIDDEN
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_and_its_stream() {
    let app = TestApp::start().await;
    let (cookie, other) = (app.sign_in().await, app.sign_in().await);
    let open = |cookie: &str| {
        Stream::connected(
            app.bare(Method::GET, "/api/stream-orders")
                .header("cookie", cookie),
        )
    };
    let ending = open(&cookie).await.1;
    let mut staying = open(&other).await.1;
    let answer = app
        .bare(Method::POST, "/logout")
        .header("cookie", &cookie)
        .header("origin", &app.base)
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (answer.status(), &answer.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/login".parse().expect("a header"))
    );
    assert!(
        ending
            .rest()
            .await
            .iter()
            .all(|event| event.name == "source"),
        "it ends without another order"
    );
    let answer = app
        .bare(Method::GET, "/api/stream-orders")
        .header("cookie", &cookie)
        .send()
        .await
        .expect("an answer");
    refusal(answer, 401).await;
    app.submit().await;
    assert_eq!(
        staying.next().await.map(|event| event.name),
        Some("new_order".to_owned())
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_all_other_sessions() {
    let app = TestApp::start().await;
    let (cookie, other) = (app.sign_in().await, app.sign_in().await);
    let post = |path: &str, body: serde_json::Value| {
        let request = app
            .bare(Method::POST, path)
            .header("cookie", &cookie)
            .header("origin", &app.base)
            .json(&body);
        async move { request.send().await.expect("an answer") }
    };
    let elsewhere = Stream::connected(
        app.bare(Method::GET, "/api/stream-orders")
            .header("cookie", &other),
    )
    .await
    .1;
    let path = "/api/admin/password";
    let wrong = refusal(
        post(path, json!({"current": "wrong", "new": "another horse"})).await,
        400,
    )
    .await;
    assert_eq!(wrong["details"][0]["field"], "current");
    let short = refusal(
        post(path, json!({"current": PASSWORD, "new": "short"})).await,
        400,
    )
    .await;
    assert_eq!(short["details"][0]["field"], "new");
    assert_eq!(
        post(path, json!({"current": PASSWORD, "new": "another horse"}))
            .await
            .status(),
        StatusCode::OK
    );
    elsewhere.rest().await;
    let sessions = app.bare(Method::GET, "/api/admin/sessions");
    let of = |cookie: &str| {
        sessions
            .try_clone()
            .expect("a request")
            .header("cookie", cookie)
            .send()
    };
    refusal(of(&other).await.expect("an answer"), 401).await;
    let left = json_of(of(&cookie).await.expect("an answer")).await;
    assert_eq!(left["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(left["sessions"][0]["current"], true);
    assert_eq!(
        app.try_sign_in(EMAIL, PASSWORD).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        app.try_sign_in(EMAIL, "another horse").await.status(),
        StatusCode::SEE_OTHER
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_to_strangers() {
    let app = TestApp::start().await;
    app.submit().await;
    for (method, path) in [
        (Method::GET, "/api/admin/orders"),
        (Method::GET, "/api/admin/orders/recent"),
        (Method::GET, "/api/admin/orders/ORD1"),
        (Method::PUT, "/api/admin/orders/ORD1"),
        (Method::DELETE, "/api/admin/orders/ORD1"),
        (Method::GET, "/api/admin/dashboard-stats"),
        (Method::GET, "/api/admin/screens"),
        (Method::GET, "/api/admin/sessions"),
        (Method::POST, "/api/admin/sessions/revoke-others"),
        (Method::POST, "/api/admin/password"),
    ] {
        let with =
            |request: reqwest::RequestBuilder| request.json(&json!({"status": "CANCELLED"})).send();
        refusal(
            with(app.bare(method.clone(), path))
                .await
                .expect("an answer"),
            401,
        )
        .await;
        refusal(
            with(app.bare(method.clone(), path).bearer_auth("obt_guess"))
                .await
                .expect("an answer"),
            401,
        )
        .await;
        refusal(
            with(
                app.bare(method.clone(), path)
                    .header("authorization", "Basic YTpi"),
            )
            .await
            .expect("an answer"),
            401,
        )
        .await;
        refusal(
            with(app.bare(method, path).header("cookie", "desk=obs_guess"))
                .await
                .expect("an answer"),
            401,
        )
        .await;
    }
    let desk = app
        .bare(Method::GET, "/?status=PENDING")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        desk.headers()["location"],
        "/login?next=%2F%3Fstatus%3DPENDING"
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_speaks_https_the_public_address_counts() {
    let public = "https://desk.example.com";
    let app = TestApp::start_with(&[("ORDERBELL_SERVER__PUBLIC_URL", public)]).await;
    let sign_in = async |origin: &str| {
        let form = format!("email={EMAIL}&password={}", PASSWORD.replace(' ', "+"));
        app.bare(Method::POST, "/login")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin)
            .body(form)
            .send()
            .await
            .expect("an answer")
    };
    let other = sign_in("https://desk.example.com.evil.example").await;
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    let answer = sign_in(public).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(answer.headers().contains_key("strict-transport-security"));
    assert_eq!(answer.headers()["location"], "/");
    for cookie in answer.headers().get_all("set-cookie") {
        let cookie = cookie.to_str().expect("text");
        assert!(
            cookie.starts_with("__Host-") && cookie.contains("Secure"),
            "{cookie}"
        );
    }
    app.stop().await;

    let app = TestApp::start().await;
    let answer = app
        .bare(Method::GET, "/login")
        .send()
        .await
        .expect("an answer");
    assert!(!answer.headers().contains_key("strict-transport-security"));
    assert_eq!(answer.headers()["referrer-policy"], "same-origin");
    app.stop().await;
}
