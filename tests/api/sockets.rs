//! Clients that don't behave, with their sockets in our hands.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::app::{Scheme, TOKEN, TestApp, eventually, over_http_and_https};
use crate::certificate::{AUTHORITY, Files};
use crate::process::{Server, folder};

over_http_and_https!(
    a_client_that_has_closed_its_side_is_dropped,
    a_request_that_never_ends_is_cut,
    slow_readers_harm_nobody,
    a_reader_that_pauses_gets_everything_in_order,
    a_long_answer_waits_for_a_client_that_pauses,
    requests_that_come_together_are_answered_in_their_order,
);

/// A connection in a test's hands, encrypted or not.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Connects to the address `base`, which begins with `http://` or `https://`.
pub(crate) async fn connect(base: &str) -> Box<dyn Socket> {
    let (scheme, address) = base.split_once("://").expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    // So that the server feels soon when a test doesn't read.
    socket.set_recv_buffer_size(16 << 10).expect("a buffer");
    let address = address.parse().expect("an address and a port");
    let socket = socket.connect(address).await.expect("a connection");
    if scheme == "http" {
        return Box::new(socket);
    }
    let name = ServerName::try_from("localhost").expect("a name");
    let socket = AUTHORITY.connector().connect(name, socket).await;
    Box::new(socket.expect("a handshake"))
}

/// Sends bytes, and reads until the server closes or has said nothing for some seconds.
pub(crate) async fn exchange(address: &str, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A stream whose socket is ours; what comes first has been read.
pub(crate) async fn raw_stream(base: &str) -> Box<dyn Socket> {
    let mut socket = connect(base).await;
    let request = format!(
        "GET /api/admin/stream/orders HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut head = vec![0; 4_096];
    let length = socket.read(&mut head).await.expect("an answer");
    assert!(head[..length].starts_with(b"HTTP/1.1 200 OK\r\n"));
    socket
}

const OPEN: &str = "orderbell_streams_open{kind=\"api\"}";

async fn a_client_that_has_closed_its_side_is_dropped(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    let mut socket = raw_stream(&app.base).await;
    assert_eq!(app.metric(OPEN).await, 1.0);
    socket.shutdown().await.expect("half closed");
    eventually("the end of a half-closed stream", || async {
        app.metric(OPEN).await == 0.0
    })
    .await;
    app.stop().await;
}

async fn a_request_that_never_ends_is_cut(scheme: Scheme) {
    let app = TestApp::start_over(
        scheme,
        &[("ORDERBELL_SERVER__REQUEST_TIMEOUT_SECONDS", "1")],
    )
    .await;
    let mut socket = connect(&app.base).await;
    let request = b"GET /api/health HTTP/1.1\r\nhost: x\r\nx-slow: ";
    socket.write_all(request).await.expect("sent");
    let mut answer = String::new();
    // The end may come without TLS's own goodbye.
    let _ = socket.read_to_string(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    app.stop().await;
}

/// Readers that don't read, or hardly, are cut or caught up; the others don't notice, and memory doesn't grow with what
/// they have left unread.
async fn slow_readers_harm_nobody(scheme: Scheme) {
    let folder = folder();
    let files = Files::write(folder.path()).settings();
    let mut settings = vec![("ORDERBELL_STREAM__WRITE_TIMEOUT_SECONDS", "5")];
    if scheme == Scheme::Https {
        settings.extend(files.iter().map(|(name, value)| (*name, value.as_str())));
    }
    // A process of its own, whose memory no other test uses.
    let server = Server::start(&folder.path().join("orders.db"), &settings).await;
    let app = TestApp::at(&server.base);
    let _never = raw_stream(&app.base).await;
    let mut drop_by_drop = raw_stream(&app.base).await;
    let mut good = app.stream().await;
    let reading = tokio::spawn(async move {
        let mut byte = [0];
        while drop_by_drop
            .read(&mut byte)
            .await
            .is_ok_and(|length| length > 0)
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut body = crate::app::small_order();
    body["order"]["customerName"] = "n".repeat(200).into();
    let before = server.resident_kib();
    for _ in 0..2_500 {
        assert!(app.post_order(&body).await.status().is_success());
        good.next_order().await.expect("the good reader's event");
    }
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 40 << 10, "{grown} KiB");
    eventually("the end of the reader that never reads", || async {
        app.metric(OPEN).await < 3.0
    })
    .await;
    app.submit().await;
    good.next_order().await.expect("the good reader's event");
    reading.abort();
    server.kill().await;
}

/// What the socket has accepted in part is continued where it ended.
async fn a_reader_that_pauses_gets_everything_in_order(scheme: Scheme) {
    const ORDERS: usize = 600;
    let app = TestApp::start_over(scheme, &[("ORDERBELL_STREAM__SEND_BUFFER_KIB", "16")]).await;
    let mut paused = raw_stream(&app.base).await;
    let mut body = crate::app::small_order();
    body["order"]["customerName"] = "n".repeat(200).into();
    for _ in 0..ORDERS {
        assert!(app.post_order(&body).await.status().is_success());
    }
    let (mut text, mut buffer) = (String::new(), vec![0; 4_096]);
    let mut told = 0;
    let last = format!("\"orderId\":\"ORD{ORDERS}\"");
    while !text.contains(&last) {
        let length = paused.read(&mut buffer).await.expect("the stream");
        assert!(length > 0, "the stream has ended after {told} orders");
        text.push_str(std::str::from_utf8(&buffer[..length]).expect("text"));
    }
    let numbers = text.split("\"orderId\":\"ORD").skip(1).map(|rest| {
        let number = rest.split('"').next().expect("a number");
        number.parse::<usize>().expect("a number")
    });
    for number in numbers {
        assert!(number > told, "{number} behind {told}");
        told = number;
    }
    assert_eq!(told, ORDERS);
    app.stop().await;
}

/// More of them than one read brings.
async fn requests_that_come_together_are_answered_in_their_order(scheme: Scheme) {
    const COUNT: usize = 2_000;
    let app = TestApp::start_over(scheme, &[]).await;
    let socket = connect(&app.base).await;
    let (mut reading, mut writing) = tokio::io::split(socket);
    let is_known = |number: usize| !number.is_multiple_of(100);
    let requests = tokio::spawn(async move {
        for number in 1..=COUNT {
            let path = if is_known(number) {
                "health/live"
            } else {
                "unknown"
            };
            let end = if number == COUNT {
                "close"
            } else {
                "keep-alive"
            };
            let request =
                format!("GET /{path} HTTP/1.1\r\nhost: localhost\r\nconnection: {end}\r\n\r\n");
            writing.write_all(request.as_bytes()).await.expect("sent");
        }
        writing.flush().await.expect("sent");
        writing
    });
    let mut answers = String::new();
    reading.read_to_string(&mut answers).await.expect("answers");
    drop(requests.await);
    let answers: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(answers.len(), COUNT);
    for (number, answer) in (1..).zip(answers) {
        let status = if is_known(number) { "200 " } else { "404 " };
        assert!(answer.starts_with(status), "{number}: {answer}");
    }
    app.stop().await;
}

async fn a_long_answer_waits_for_a_client_that_pauses(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[("ORDERBELL_STREAM__SEND_BUFFER_KIB", "16")]).await;
    let mut body = crate::app::small_order();
    body["order"]["customerName"] = "n".repeat(200).into();
    for _ in 0..400 {
        assert!(app.post_order(&body).await.status().is_success());
    }
    let mut socket = connect(&app.base).await;
    let request = format!(
        "GET /api/admin/orders HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    let list: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(list["orders"].as_array().map(Vec::len), Some(400));
    app.stop().await;
}
