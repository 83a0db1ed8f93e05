//! What clients and other programs write can't forge lines of the log, nor move a terminal's cursor.

use std::net::SocketAddr;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::app::{TOKEN, client, eventually, small_order};
use crate::firestore::{emulator, fresh_project};
use crate::process::{Server, folder};

/// An order's id that looks like two lines, the second one coloured.
const FORGED: &str = "a%0AFORGED%1B%5B31m";

/// A server that logs everything, its log without colours, and what it has logged when it is killed.
struct Logged {
    server: Server,
    log: tokio::task::JoinHandle<String>,
}

impl Logged {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let mut all = vec![
            (
                "ORDERBELL_LOG__LEVEL",
                "debug,h2=off,hyper_util=off,tonic=off",
            ),
            ("NO_COLOR", "1"),
        ];
        all.extend(settings);
        let store = folder();
        let (server, mut log) = Server::start_logged(&store.path().join("orders.db"), &all).await;
        let log = tokio::spawn(async move {
            let _kept = store;
            let mut text = String::new();
            log.read_to_string(&mut text).await.expect("text");
            text
        });
        Self { server, log }
    }

    async fn request(&self, method: Method, path: &str) -> StatusCode {
        let request = client()
            .request(method, format!("{}{path}", self.server.base))
            .bearer_auth(TOKEN)
            .json(&json!({"status": "CONFIRMED"}));
        request.send().await.expect("an answer").status()
    }

    async fn stop(self) -> String {
        self.server.kill().await;
        self.log.await.expect("the whole log")
    }
}

fn assert_clean(log: &str) {
    assert!(!log.contains('\u{1b}'), "{log}");
    for line in log.lines() {
        assert!(line.starts_with("20"), "begins with a time: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_with_newlines_and_escapes_stay_on_their_line() {
    let (project, host) = (fresh_project(), emulator());
    let documents = format!("http://{host}/v1/projects/{project}/databases/(default)/documents");
    let order = json!({"fields": {"status": {"stringValue": "PENDING"}, "timestamp": {"integerValue": "1771842312000"}}});
    let written = client()
        .post(format!("{documents}/orders?documentId={FORGED}"))
        .bearer_auth("owner")
        .json(&order)
        .send()
        .await
        .expect("the emulator answers");
    assert!(written.status().is_success(), "{written:?}");

    let logged = Logged::start(&[
        ("ORDERBELL_STORE__KIND", "firestore"),
        ("ORDERBELL_FIRESTORE__PROJECT_ID", &project),
        ("FIRESTORE_EMULATOR_HOST", &host),
    ])
    .await;
    eventually("the listener", || async {
        logged.request(Method::GET, "/health/ready").await == StatusCode::OK
    })
    .await;
    let path = format!("/api/admin/orders/{FORGED}");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(logged.request(method, &path).await, StatusCode::OK);
    }
    assert_eq!(
        logged.request(Method::GET, &path).await,
        StatusCode::NOT_FOUND
    );
    let log = logged.stop().await;
    assert!(
        log.contains("order changed") && log.contains("order removed"),
        "{log}"
    );
    assert!(log.contains("FORGED"), "{log}");
    assert_clean(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_send_stays_on_its_line_and_floods_of_nonsense_are_counted() {
    let logged = Logged::start(&[]).await;
    let base = logged.server.base.clone();
    let mut order = small_order();
    order["userId"] = json!("u\nFORGED\u{1b}[31m");
    order["order"]["orderId"] = json!("x\nFORGED\u{1b}[31m");
    let answer = client()
        .post(format!("{base}/api/order/submit"))
        .json(&order)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    for path in [FORGED, "%1B%5D0;FORGED%07", "%E2%80%AEFORGED"] {
        logged
            .request(Method::PUT, &format!("/api/admin/orders/{path}"))
            .await;
    }
    let form = "email=a%0AFORGED%1B%5B31m&password=wrong-password&next=";
    let refused = client()
        .post(format!("{base}/login"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", &base)
        .header("user-agent", "x\u{1b}[31m")
        .body(form)
        .send()
        .await;
    drop(refused);
    let address: SocketAddr = base
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    for _ in 0..40 {
        let mut socket = tokio::net::TcpStream::connect(address)
            .await
            .expect("connected");
        socket
            .write_all(b"\x1b[31mFORGED\r\n\r\n")
            .await
            .expect("written");
        let mut answer = Vec::new();
        // Closed by the server, with or without an answer.
        let _ = socket.read_to_end(&mut answer).await;
    }
    let log = logged.stop().await;
    assert_clean(&log);
    let malformed = log.lines().filter(|line| line.contains("stream error"));
    assert_eq!(malformed.count(), 10, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_cookies_are_not_logged() {
    let logged = Logged::start(&[]).await;
    for n in 0..20 {
        let answer = client()
            .get(format!("{}/api/admin/orders/recent", logged.server.base))
            .header("cookie", format!("desk=made-up-{n}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let log = logged.stop().await;
    assert!(!log.contains("actix_session"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_submits_is_told_once() {
    let logged = Logged::start(&[
        ("ORDERBELL_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
        ("ORDERBELL_SUBMIT__TOTAL_PER_MINUTE", "1"),
    ])
    .await;
    let mut refused = 0;
    for n in 0..20 {
        let answer = client()
            .post(format!("{}/api/order/submit", logged.server.base))
            .header("x-forwarded-for", format!("192.0.2.{n}"))
            .json(&small_order())
            .send()
            .await
            .expect("an answer");
        refused += usize::from(answer.status() == StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(refused >= 18, "{refused}");
    let log = logged.stop().await;
    let loud = |line: &&str| line.contains(" WARN ") || line.contains("ERROR ");
    let lines: Vec<&str> = log.lines().filter(loud).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("submit.total_per_minute"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unnamed_proxy_is_warned_of_once() {
    let logged = Logged::start(&[]).await;
    for n in 0..3 {
        let answer = client()
            .post(format!("{}/api/order/submit", logged.server.base))
            .header("forwarded", format!("for=192.0.2.{n}"))
            .json(&small_order())
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let log = logged.stop().await;
    let warnings = log
        .lines()
        .filter(|line| line.contains("server.trusted_proxies"));
    assert_eq!(warnings.count(), 1, "{log}");
    assert!(!log.contains("192.0.2."), "{log}");
}
