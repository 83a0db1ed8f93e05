//! The commands of the program, most of them beside a server.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::app::{PASSWORD, TOKEN, client, json_of, small_order};
use crate::process::{Server, command, folder, tell};
use crate::sse::Stream;

async fn add_ben(store: &Path) {
    let add = ["admin", "add", "ben@shop.example", "--name", "Ben"];
    let (added, said) = tell(store, &add, "bens password\n").await;
    assert!(added, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_makes_an_admin_and_says_how_to_begin() {
    let folder = folder();
    let store = folder.path().join("new/orders.db");
    let mut first = command(&store, &[], &["serve"]);
    first
        .env_remove("ORDERBELL_AUTH__ADMIN_EMAIL")
        .env_remove("ORDERBELL_AUTH__ADMIN_PASSWORD");
    let server = Server::run(first).await;
    let said = |what: &str| {
        let line = server
            .greeting
            .lines()
            .find(|line| line.trim().starts_with(what))
            .expect("said");
        line.split_whitespace().nth(1).expect("a word").to_owned()
    };
    let email = said("e-mail");
    // Standard output is no terminal here: it may be a log.
    let file = folder.path().join("new/first-admin-password.txt");
    assert!(
        server.greeting.contains(&file.display().to_string()),
        "{}",
        server.greeting
    );
    let mode = std::fs::metadata(&file).expect("a file").permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
    let password = std::fs::read_to_string(&file).expect("text");
    let password = password.trim();
    assert!(!password.is_empty() && !server.greeting.contains(password));
    let login = client()
        .post(format!("{}/api/admin/login", server.base))
        .json(&json!({"email": email, "password": password}));
    assert_eq!(
        login.send().await.expect("an answer").status(),
        StatusCode::OK
    );
    assert!(
        server
            .greeting
            .contains("/api/order/submit -H 'content-type: application/json'")
    );
    server.kill().await;
    let mut second = command(&store, &[], &["serve"]);
    second
        .env_remove("ORDERBELL_AUTH__ADMIN_EMAIL")
        .env_remove("ORDERBELL_AUTH__ADMIN_PASSWORD");
    assert_eq!(Server::run(second).await.greeting, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_store_and_bad_settings_are_refused() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let _server = Server::start(&store, &[]).await;
    let second = command(&store, &[], &[]).output().await.expect("an end");
    assert_eq!(second.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&second.stderr).contains("another orderbell process serves from")
    );

    let bad = command(&store, &[("ORDERBELL_STREAM__HEARTBEAT", "5")], &[])
        .output()
        .await
        .expect("an end");
    assert_eq!(bad.status.code(), Some(78));
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        said.contains("`stream.heartbeat`") && said.contains("ORDERBELL_STREAM__HEARTBEAT"),
        "{said}"
    );
    assert!(!said.contains(PASSWORD) && !said.contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_are_added_once_and_listed() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let _server = Server::start(&store, &[]).await;
    add_ben(&store).await;
    for (email, password) in [
        ("BEN@shop.example", "bens password\n"),
        ("eve@shop.example", "short\n"),
    ] {
        let (added, said) = tell(&store, &["admin", "add", email], password).await;
        assert!(!added, "{said}");
    }
    let (_, listed) = tell(&store, &["admin", "list"], "").await;
    assert!(listed.contains("ben@shop.example  Ben"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_a_command_revokes_their_token_or_disables_their_admin() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &[]).await;
    add_ben(&store).await;
    let login = client()
        .post(format!("{}/api/admin/login", server.base))
        .json(&json!({"email": "ben@shop.example", "password": "bens password"}))
        .send()
        .await
        .expect("an answer");
    let session = json_of(login).await["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let (made, token) = tell(&store, &["token", "create", "till"], "").await;
    assert!(made && token.starts_with("obt_"));
    let url = format!("{}/api/admin/stream/orders", server.base);
    let by_session = Stream::connected(client().get(&url).bearer_auth(&session))
        .await
        .1;
    let by_token = Stream::connected(client().get(&url).bearer_auth(&token))
        .await
        .1;

    let create = [
        "token",
        "create",
        "bens till",
        "--admin",
        "BEN@shop.example",
    ];
    let (made, bens_token) = tell(&store, &create, "").await;
    assert!(made, "{bens_token}");
    let of_a_stranger = ["token", "create", "x", "--admin", "eve@shop.example"];
    assert!(!tell(&store, &of_a_stranger, "").await.0);
    let sessions = client()
        .get(format!("{}/api/admin/sessions", server.base))
        .bearer_auth(&bens_token);
    let sessions = json_of(sessions.send().await.expect("an answer")).await;
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1));
    let by_bens_token = Stream::connected(client().get(&url).bearer_auth(&bens_token))
        .await
        .1;

    let listed = tell(&store, &["token", "list"], "").await.1;
    assert!(
        listed.contains("bens till  as ben@shop.example"),
        "{listed}"
    );
    assert!(listed.contains("till") && !listed.contains(&token));
    let id = listed.split_whitespace().next().expect("an id");
    assert!(tell(&store, &["token", "revoke", id], "").await.0);
    assert!(!tell(&store, &["token", "revoke", id], "").await.0);
    assert!(
        tell(&store, &["admin", "disable", "ben@shop.example"], "")
            .await
            .0
    );
    let ends = async {
        tokio::join!(
            by_session.rest_slowly(),
            by_token.rest_slowly(),
            by_bens_token.rest_slowly()
        )
    };
    tokio::time::timeout(Duration::from_secs(60), ends)
        .await
        .expect("all streams end within a minute");
    for credential in [session, token, bens_token] {
        let answer = client()
            .get(&url)
            .bearer_auth(credential)
            .send()
            .await
            .expect("an answer");
        assert!(
            matches!(answer.status().as_u16(), 401 | 403),
            "{}",
            answer.status()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_good_store_well_and_warns_of_admins_ids() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let _server = Server::start(&store, &[]).await;
    let (is_well, told) = tell(&store, &["doctor"], "").await;
    assert!(
        is_well && !told.contains("BAD") && !told.contains("WARN"),
        "{told}"
    );
    let accepting = ("ORDERBELL_AUTH__ACCEPT_ADMIN_IDS", "true");
    let abroad = ("TZ", "Asia/Tokyo");
    let doctor = command(&store, &[accepting, abroad], &["doctor"])
        .output()
        .await;
    let doctor = doctor.expect("an end");
    assert!(doctor.status.success(), "a warning is no problem");
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        told.contains("WARN") && told.contains("auth.accept_admin_ids"),
        "{told}"
    );
    assert!(told.contains("time zone Asia/Tokyo"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_what_comes() {
    let folder = folder();
    let server = Server::start(&folder.path().join("orders.db"), &[]).await;
    let port = server.base.rsplit(':').next().expect("a port");
    let mut tail = command(
        &folder.path().join("x.db"),
        &[("ORDERBELL_SERVER__PORT", port)],
        &["tail", "--since", "0-"],
    )
    .spawn()
    .expect("the program starts");
    let answer = client()
        .post(format!("{}/api/order/submit", server.base))
        .json(&small_order())
        .send()
        .await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    let mut lines = BufReader::new(tail.stdout.take().expect("its output")).lines();
    let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line())
        .await
        .expect("in time")
        .expect("text");
    assert!(
        line.as_ref()
            .is_some_and(|line| line.starts_with("NEW") && line.contains("ORD1")),
        "{line:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_brings_orders_by_itself() {
    let folder = folder();
    let server = Server::run(command(
        &folder.path().join("x.db"),
        &[],
        &["demo", "--every", "0.1"],
    ))
    .await;
    assert!(server.greeting.contains("password"));
    let mut stream = server.stream(Some("0-")).await.expect("a stream");
    let mut names = BTreeSet::new();
    while names.len() < 2 {
        names.insert(stream.next_order().await.expect("the demo goes on").name);
    }
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["new_order", "order_update"]
    );
    assert!(!folder.path().join("x.db").exists());
}
