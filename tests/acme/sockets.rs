//! Sockets that were passed to the program, as systemd does it.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::redirect::files_of;

struct Launcher {
    ports: Vec<u16>,
    orders: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl Launcher {
    async fn new(folder: &Path, names: &str, environment: &[(&str, &str)]) -> Self {
        let store = folder.join("orders.db");
        let mut process = Command::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/acme/sockets.py"
            ))
            .args([names, env!("CARGO_BIN_EXE_orderbell")])
            .env("ORDERBELL_EMBEDDED__PATH", store)
            .env("ORDERBELL_SERVER__WORKERS", "1")
            .env("ORDERBELL_LOG__LEVEL", "warn")
            .env("ORDERBELL_AUTH__ADMIN_EMAIL", "ana@shop.example")
            .env("ORDERBELL_AUTH__ADMIN_PASSWORD", "correct horse")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let ports = lines.next_line().await.expect("readable").expect("ports");
        let ports = ports.split(' ').map(|port| port.parse().expect("a port"));
        Self {
            ports: ports.collect(),
            orders: process.stdin.take(),
            lines,
            process,
        }
    }

    async fn order(&mut self, order: &str, until: &str) -> String {
        let orders = self.orders.as_mut().expect("it runs");
        orders.write_all(order.as_bytes()).await.expect("sent");
        let reading = async {
            loop {
                let line = self
                    .lines
                    .next_line()
                    .await
                    .expect("readable")
                    .expect("a line");
                if line.starts_with(until) {
                    return line;
                }
            }
        };
        let line = tokio::time::timeout(crate::PATIENCE, reading).await;
        line.expect("it answers in time")
    }

    async fn end(mut self) {
        // At the end of its orders it stops the program.
        drop(self.orders.take());
        let _ = self.process.wait().await;
    }
}

async fn ask(mut socket: TcpStream, request: &str) -> String {
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_refuses_no_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut launcher = Launcher::new(folder.path(), "http", &[]).await;
    let connect = TcpStream::connect(("127.0.0.1", launcher.ports[0]));
    // Before the program runs for the first time, too.
    let early = connect.await.expect("a connection");
    launcher.order("start\n", "listening on").await;
    let request = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(ask(early, request).await.starts_with("HTTP/1.1 200"));
    assert_eq!(launcher.order("stop\n", "stopped").await, "stopped 0");
    let between = TcpStream::connect(("127.0.0.1", launcher.ports[0])).await;
    let between = between.expect("a connection");
    launcher.order("start\n", "listening on").await;
    assert!(ask(between, request).await.starts_with("HTTP/1.1 200"));
    launcher.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_told_apart_by_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files_of(folder.path(), &["desk.example.com"]);
    let environment: Vec<(&str, &str)> = files.iter().map(|(k, v)| (*k, &**v)).collect();
    let mut launcher = Launcher::new(folder.path(), "http:https", &environment).await;
    launcher.order("start\n", "listening on https").await;
    let plain = TcpStream::connect(("127.0.0.1", launcher.ports[0]))
        .await
        .expect("a connection");
    let request = "GET /x HTTP/1.1\r\nHost: desk.example.com\r\nConnection: close\r\n\r\n";
    let answer = ask(plain, request).await;
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    let port = launcher.ports[1];
    assert!(
        answer.contains(&format!("https://desk.example.com:{port}/x")),
        "{answer}"
    );
    let root = std::fs::read(folder.path().join("cert.pem")).expect("the certificate");
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&root).expect("a root")])
        .resolve("desk.example.com", ([127, 0, 0, 1], port).into())
        .build()
        .expect("a client");
    let url = format!("https://desk.example.com:{port}/health/live");
    let answer = client.get(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    launcher.end().await;
}
