//! The plain listener beside HTTPS, by raw sockets.

use std::net::SocketAddr;
use std::path::Path;

use orderbell::app::Listeners;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Ahead, Desk, listener, sockets_for_two};

/// The settings of a desk whose certificate is for these names, in files.
pub(crate) fn files_of(folder: &Path, names: &[&str]) -> Vec<(&'static str, String)> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(names).and_then(|params| params.self_signed(&key));
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(path("cert.pem"), certificate.expect("a certificate").pem()).expect("written");
    std::fs::write(path("key.pem"), key.serialize_pem()).expect("written");
    vec![
        ("ORDERBELL_EMBEDDED__PATH", path("orders.db")),
        ("ORDERBELL_TLS__MODE", "files".to_owned()),
        ("ORDERBELL_TLS__CERT_FILE", path("cert.pem")),
        ("ORDERBELL_TLS__KEY_FILE", path("key.pem")),
    ]
}

async fn start(folder: &Path, names: &[&str], more: &[(&str, &str)]) -> Desk {
    let files = files_of(folder, names);
    let mut environment: Vec<(&str, &str)> = files.iter().map(|(k, v)| (*k, &**v)).collect();
    environment.extend(more);
    Desk::start(sockets_for_two(), &environment, &Ahead::default()).await
}

/// Sends the request as it is, and reads until the end.
async fn ask(plain: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(plain).await.expect("a connection");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn location(plain: SocketAddr, request: &str) -> String {
    let answer = ask(plain, request).await;
    assert!(
        answer.contains(" 308 Permanent Redirect\r\n"),
        "{request:?}: {answer}"
    );
    let lower = answer.to_ascii_lowercase();
    assert!(
        !lower.contains("set-cookie") && !lower.contains("strict-transport"),
        "{answer}"
    );
    let mut lines = answer.lines();
    let location = lines.find_map(|line| line.strip_prefix("location: "));
    location.expect("a location").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_sent_to_the_same_address_over_https() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = start(
        folder.path(),
        &["desk.example.com", "*.shop.example"],
        &[("ORDERBELL_SERVER__PUBLIC_URL", "https://orders.example.com")],
    )
    .await;
    let plain = desk.plain.expect("a plain listener");
    for (request, expected) in [
        (
            "GET /a/b?c=d&e=%2F HTTP/1.1\r\nHost: desk.example.com",
            "https://desk.example.com/a/b?c=d&e=%2F",
        ),
        (
            "GET / HTTP/1.1\r\nHost: DESK.example.com:80",
            "https://desk.example.com/",
        ),
        (
            "GET /?next=https://evil.example HTTP/1.1\r\nHost: a.shop.example",
            "https://a.shop.example/?next=https://evil.example",
        ),
        (
            "GET //evil.example/x HTTP/1.1\r\nHost: desk.example.com",
            "https://desk.example.com//evil.example/x",
        ),
        (
            "GET /x HTTP/1.1\r\nHost: evil.example",
            "https://orders.example.com/x",
        ),
        (
            "GET http://evil.example/x HTTP/1.1\r\nHost: evil.example",
            "https://orders.example.com/x",
        ),
        (
            "GET /x HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https",
            "https://orders.example.com/x",
        ),
        (
            "HEAD /login HTTP/1.1\r\nHost: orders.example.com",
            "https://orders.example.com/login",
        ),
        (
            "DELETE /api/admin/orders/ORD1 HTTP/1.1\r\nHost: desk.example.com",
            "https://desk.example.com/api/admin/orders/ORD1",
        ),
    ] {
        let request = format!("{request}\r\nConnection: close\r\n\r\n");
        assert_eq!(location(plain, &request).await, expected, "{request:?}");
    }
    let body = r#"{"order":{}}"#;
    let submit = format!(
        "POST /api/order/submit HTTP/1.1\r\nHost: desk.example.com\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(
        location(plain, &submit).await,
        "https://desk.example.com/api/order/submit"
    );
    let challenge = "GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: desk.example.com\r\nConnection: close\r\n\r\n";
    let redirected = location(plain, challenge).await;
    assert!(
        redirected.ends_with("/.well-known/acme-challenge/abc"),
        "without ACME it is a path like any other"
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_has_the_port_of_the_desk() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = start(folder.path(), &["desk.example.com", "127.0.0.1"], &[]).await;
    let plain = desk.plain.expect("a plain listener");
    let port = desk.https.port();
    let request = "GET /x HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n";
    assert_eq!(
        location(plain, request).await,
        format!("https://127.0.0.1:{port}/x")
    );
    let request = "GET /x HTTP/1.0\r\n\r\n";
    assert_eq!(
        location(plain, request).await,
        format!("https://desk.example.com:{port}/x")
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_is_disconnected() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [("ORDERBELL_SERVER__REQUEST_TIMEOUT_SECONDS", "1")];
    let desk = start(folder.path(), &["desk.example.com"], &settings).await;
    let plain = desk.plain.expect("a plain listener");
    let answer = ask(plain, "GET / HTTP/1.1\r\nHost: desk.exa").await;
    assert!(!answer.contains(" 308 "), "{answer}");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_port_that_is_taken_does_not_stop_the_desk() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = listener();
    let port = crate::port_of(&taken).to_string();
    let files = files_of(folder.path(), &["desk.example.com"]);
    let mut environment: Vec<(&str, &str)> = files.iter().map(|(k, v)| (*k, &**v)).collect();
    environment.push(("ORDERBELL_TLS__REDIRECT_PORT", &port));
    let desk = Desk::start(Listeners::default(), &environment, &Ahead::default()).await;
    assert_eq!(desk.plain, None);
    TcpStream::connect(desk.https)
        .await
        .expect("the desk listens");
    desk.stop().await;
}
