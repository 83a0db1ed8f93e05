//! `orderbell doctor` looks at the public address.

use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::redirect::files_of;
use crate::{Ahead, Desk};

async fn doctor(environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let told = Command::new(env!("CARGO_BIN_EXE_orderbell"))
        .arg("doctor")
        .args(arguments)
        .envs(environment.iter().copied())
        .kill_on_drop(true)
        .output();
    let told = tokio::time::timeout(crate::PATIENCE, told).await;
    let told = told.expect("it ends").expect("it runs").stdout;
    String::from_utf8_lossy(&told).into_owned()
}

/// A first start makes the store.
async fn make_store(store: &Path) {
    let environment = [("ORDERBELL_EMBEDDED__PATH", store.to_str().expect("UTF-8"))];
    let desk = Desk::start(crate::sockets_for_two(), &environment, &Ahead::default()).await;
    desk.stop().await;
}

fn has(told: &str, start: &str, part: &str) {
    let found = told
        .lines()
        .any(|line| line.starts_with(start) && line.contains(part));
    assert!(found, "no line {start:?} with {part:?} in\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_with_https_is_examined_through_its_public_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = files_of(folder.path(), &["localhost"]);
    let environment: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (*k, &**v)).collect();
    let desk = Desk::start(crate::sockets_for_two(), &environment, &Ahead::default()).await;
    let url = format!("https://localhost:{}", desk.https.port());
    let (port, plain) = (
        desk.https.port().to_string(),
        desk.plain.map_or(0, |p| p.port()).to_string(),
    );
    let mut settings = environment.clone();
    settings.extend([
        ("ORDERBELL_SERVER__PUBLIC_URL", &*url),
        ("ORDERBELL_SERVER__PORT", &port),
        ("ORDERBELL_TLS__REDIRECT_PORT", &plain),
    ]);
    let told = doctor(&settings, &[]).await;
    has(&told, "ok ", "says it is ready");
    has(&told, "ok ", "redirects to HTTPS");
    has(&told, "ok ", "localhost has the address");
    has(&told, "ok ", "of this machine");
    has(
        &told,
        "ok ",
        "the certificate is for localhost, and ends in",
    );
    has(&told, "WARN", "doesn't trust the certificate");
    has(
        &told,
        "ok ",
        "this machine's clock and that of the public address differ by",
    );
    has(&told, "ok ", "the first event of a stream arrives");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_sent_to_no_other_server() {
    let (here, there) = (tempfile::tempdir(), tempfile::tempdir());
    let (here, there) = (here.expect("a folder"), there.expect("a folder"));
    let other = files_of(there.path(), &["localhost"]);
    let other: Vec<(&str, &str)> = other.iter().map(|(k, v)| (*k, &**v)).collect();
    let desk = Desk::start(crate::sockets_for_two(), &other, &Ahead::default()).await;
    let own = files_of(here.path(), &["localhost"]);
    let store = here.path().join("orders.db");
    make_store(&store).await;
    let mut settings: Vec<(&str, &str)> = own.iter().map(|(k, v)| (*k, &**v)).collect();
    let url = format!("https://localhost:{}", desk.https.port());
    settings.extend([
        ("ORDERBELL_SERVER__PORT", "0"),
        ("ORDERBELL_SERVER__PUBLIC_URL", &*url),
    ]);
    let told = doctor(&settings, &[]).await;
    has(&told, "?  ", "streams can't be checked: a token must not");
    desk.stop().await;
}

/// A proxy that keeps streams back.
async fn buffering_proxy(listener: TcpListener) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(answer(socket));
    }
}

async fn answer(mut socket: TcpStream) {
    let mut head = [0; 4096];
    let length = socket.read(&mut head).await.unwrap_or_default();
    if String::from_utf8_lossy(&head[..length]).contains("/stream/") {
        let _ = socket
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nserver: slow\r\n\r\n",
            )
            .await;
        // Until the reader goes.
        let _ = socket.read(&mut head).await;
        return;
    }
    let _ = socket
        .write_all(b"HTTP/1.1 200 OK\r\nserver: slow\r\ndate: Sat, 01 Jan 2000 00:00:00 GMT\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        .await;
}

async fn told_behind_a_proxy(store: &Path) -> String {
    let proxy = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let url = format!(
        "http://127.0.0.1:{}",
        proxy.local_addr().expect("an address").port()
    );
    let proxy = tokio::spawn(buffering_proxy(proxy));
    let environment = [
        ("ORDERBELL_EMBEDDED__PATH", store.to_str().expect("UTF-8")),
        ("ORDERBELL_SERVER__PORT", "0"),
        ("ORDERBELL_SERVER__PUBLIC_URL", &*url),
        (
            "ORDERBELL_AUTH__ADMIN_TOKEN",
            "a token for tests only, of 38 letters",
        ),
    ];
    let told = doctor(&environment, &[]).await;
    proxy.abort();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_keeps_streams_back_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("orders.db");
    make_store(&store).await;
    let told = told_behind_a_proxy(&store).await;
    has(&told, "WARN", "a proxy is in front (server: slow)");
    has(&told, "BAD ", "a proxy keeps it back");
    has(
        &told,
        "BAD ",
        "this machine's clock and that of the public address differ",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_an_address_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("orders.db");
    let environment = [
        ("ORDERBELL_EMBEDDED__PATH", store.to_str().expect("UTF-8")),
        ("ORDERBELL_TLS__DIRECTORY_URL", "https://127.0.0.1:1/dir"),
    ];
    let told = doctor(&environment, &["--domain", "desk.nowhere.invalid"]).await;
    has(&told, "BAD ", "the authority can't be reached");
    assert!(
        told.contains("desk.nowhere.invalid has no address")
            || told.contains("desk.nowhere.invalid can't be looked up"),
        "{told}"
    );
}
