//! Sessions of programs, phones' tokens, and passwords that are set by command.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, TestApp, client, json_of, refusal};
use crate::process::{Server, folder, tell};
use crate::sse::Stream;

/// The token of a program that has signed in.
async fn program(app: &TestApp) -> String {
    let answer = json_of(app.login(EMAIL, PASSWORD).await).await;
    answer["token"].as_str().expect("a token").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_stand_among_the_devices_and_end_with_them() {
    let app = TestApp::start().await;
    let (cookie, token) = (app.sign_in().await, program(&app).await);
    let sessions = async || {
        let request = app
            .bare(Method::GET, "/api/admin/sessions")
            .header("cookie", &cookie);
        json_of(request.send().await.expect("an answer")).await
    };
    let listed = sessions().await;
    let mut kinds: Vec<(&str, bool)> = listed["sessions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|session| {
            let kind = session["kind"].as_str().expect("a kind");
            (kind, session["current"] == true)
        })
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [("api", false), ("browser", true)]);
    let revoke = app
        .bare(Method::POST, "/api/admin/sessions/revoke-others")
        .header("cookie", &cookie)
        .header("origin", &app.base);
    let revoked = json_of(revoke.send().await.expect("an answer")).await;
    assert_eq!(revoked["ended"], 1);
    let recent = app.bare(Method::GET, "/api/admin/orders/recent");
    let answer = recent.bearer_auth(&token).send().await;
    refusal(answer.expect("an answer"), 401).await;
    assert_eq!(
        sessions().await["sessions"].as_array().map(Vec::len),
        Some(1)
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_leaves_its_token_with_the_admin() {
    let app = TestApp::start().await;
    let token = program(&app).await;
    let path = "/api/admin/fcm-token";
    let post = async |body: &Value| -> Response {
        let request = app.bare(Method::POST, path).bearer_auth(&token).json(body);
        request.send().await.expect("an answer")
    };
    for body in [
        json!({"token": "of a phone"}),
        json!({"token": "of a phone"}),
        // What the existing app sends beside it.
        json!({"token": "x".repeat(4_096), "adminId": "omar-1", "platform": 7}),
    ] {
        let answer = post(&body).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(json_of(answer).await, json!({"success": true}));
    }
    for body in [
        json!({"token": ""}),
        json!({"token": " "}),
        json!({"token": "x".repeat(4_097)}),
        json!({"token": 7}),
        json!({"token": null}),
        json!({}),
    ] {
        let refused = refusal(post(&body).await, 400).await;
        assert_eq!(refused["details"][0]["field"], "token", "{body}: {refused}");
        assert_eq!(refused["code"], "INVALID_REQUEST");
    }

    let body = json!({"token": "of a phone"});
    let script = app.request(Method::POST, path).json(&body).send().await;
    let refused = refusal(script.expect("an answer"), 403).await;
    assert_eq!(refused["code"], "NO_ADMIN");
    let nobody = app.bare(Method::POST, path).json(&body).send().await;
    refusal(nobody.expect("an answer"), 401).await;
    let cookie = app.sign_in().await;
    let by_cookie = |origin: &str| {
        app.bare(Method::POST, path)
            .header("cookie", &cookie)
            .header("origin", origin)
            .json(&body)
            .send()
    };
    let elsewhere = by_cookie("https://evil.example").await;
    let refused = refusal(elsewhere.expect("an answer"), 403).await;
    assert_eq!(refused["code"], "CROSS_SITE");
    let ours = by_cookie(&app.base).await.expect("an answer");
    assert_eq!(ours.status(), StatusCode::OK);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_missing_is_named() {
    let app = TestApp::start().await;
    let token = program(&app).await;
    for (path, body, field) in [
        ("/api/admin/login", json!({"password": "x"}), "email"),
        ("/api/admin/login", json!({"email": EMAIL}), "password"),
        ("/api/admin/password", json!({"new": "x"}), "current"),
        ("/api/admin/fcm-token", json!({}), "token"),
        ("/api/admin/fcm-token", json!(7), "body"),
    ] {
        let request = app.bare(Method::POST, path).bearer_auth(&token).json(&body);
        let refused = refusal(request.send().await.expect("an answer"), 400).await;
        let details = &refused["details"][0];
        assert_eq!(details["field"], field, "{path}: {refused}");
        assert_eq!(details["message"] == "is missing", field != "body");
        assert_eq!(refused["code"], "INVALID_REQUEST");
    }
    app.stop().await;
}

/// Another program may take an admin away.
#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_is_gone_is_unknown() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &[]).await;
    let login = client()
        .post(format!("{}/api/admin/login", server.base))
        .json(&json!({"email": EMAIL, "password": PASSWORD}));
    let answer = json_of(login.send().await.expect("an answer")).await;
    let token = answer["token"].as_str().expect("a token");
    let post = async |path: &str, body: Value| {
        let request = client().post(format!("{}{path}", server.base));
        let answer = request.bearer_auth(token).json(&body).send().await;
        refusal(answer.expect("an answer"), 401).await
    };
    let recent = client().get(format!("{}/api/admin/orders/recent", server.base));
    let known = recent.bearer_auth(token).send().await.expect("an answer");
    assert_eq!(known.status(), StatusCode::OK);
    let file = rusqlite::Connection::open(&store).expect("the store");
    file.busy_timeout(Duration::from_secs(5))
        .expect("a timeout");
    // The session is known for another while.
    file.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM admins")
        .expect("removed");
    for (path, body) in [
        ("/api/admin/fcm-token", json!({"token": "of a phone"})),
        (
            "/api/admin/password",
            json!({"current": PASSWORD, "new": "another horse"}),
        ),
    ] {
        let refused = post(path, body).await;
        assert_eq!(refused["code"], "INVALID_CREDENTIALS", "{path}");
    }
    server.kill().await;
}

/// A password that is set beside the server ends sessions within a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_set_by_command_ends_sessions() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &[]).await;
    let login = async |password: &str| {
        let request = client()
            .post(format!("{}/api/admin/login", server.base))
            .json(&json!({"email": EMAIL, "password": password}));
        request.send().await.expect("an answer")
    };
    let token_of = async |answer| {
        let answer = json_of(answer).await;
        answer["token"].as_str().expect("a token").to_owned()
    };
    // As an earlier version has begun it: nothing tells which password it belongs to.
    let earlier = token_of(login(PASSWORD).await).await;
    let file = rusqlite::Connection::open(&store).expect("the store");
    file.busy_timeout(Duration::from_secs(5))
        .expect("a timeout");
    let changed = file.execute("UPDATE sessions SET password = NULL", []);
    assert_eq!(changed.expect("changed"), 1);
    let token = token_of(login(PASSWORD).await).await;
    let url = format!("{}/api/admin/stream/orders", server.base);
    let stream = Stream::connected(client().get(&url).bearer_auth(&token))
        .await
        .1;

    let of_a_stranger = ["admin", "password", "eve@shop.example"];
    assert!(!tell(&store, &of_a_stranger, "another horse\n").await.0);
    assert!(
        !tell(&store, &["admin", "password", EMAIL], "short\n")
            .await
            .0
    );
    let (set, said) = tell(&store, &["admin", "password", EMAIL], "another horse\n").await;
    assert!(set, "{said}");
    assert_eq!(login(PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(login("another horse").await.status(), StatusCode::OK);
    let ended = tokio::time::timeout(Duration::from_secs(60), stream.rest_slowly()).await;
    assert!(ended.is_ok(), "the stream goes on");
    for token in [&token, &earlier] {
        let again = client().get(&url).bearer_auth(token).send().await;
        assert_eq!(again.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    }
    server.kill().await;
}
