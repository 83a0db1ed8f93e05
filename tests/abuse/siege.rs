//! Hostile clients of every kind at once, beside a shop at work.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::server::{MIB, Server, TOKEN};

/// Screens of the staff.
const SCREENS: usize = 20;
/// Connections of the hostile client.
const HOSTILE: usize = 200;
/// How long it lasts in the test script, in seconds; `just siege` has it last for minutes.
const SECONDS: u64 = 8;

/// What hostile connections do, one after the other: what is sent, and whether the answer is read.
const ATTACKS: [(&str, bool); 7] = [
    ("GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n", false),
    ("GET /login HTTP/1.1\r\nhost: x\r\nhos", true),
    (
        "POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        true,
    ),
    (
        "GET /api/admin/orders/recent HTTP/1.1\r\nhost: x\r\nauthorization: Bearer obt_guess\r\n\r\n",
        true,
    ),
    (
        "GET / HTTP/1.1\r\nhost: x\r\ncookie: desk=obs_guess\r\n\r\n",
        true,
    ),
    (
        "POST /api/admin/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 42\r\nx-forwarded-for: 203.0.113.7\r\n\r\n{\"email\":\"ana@shop.example\",\"password\":\"\"}",
        true,
    ),
    (
        "POST /api/order/submit HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 79\r\nx-forwarded-for: 203.0.113.7\r\n\r\n{\"userId\":\"u\",\"order\":{\"items\":[{\"name\":\"a\",\"quantity\":1}],\"totalAmount\":1.25}}",
        true,
    ),
];

fn attack(server: &Server, kind: usize, is_over: &AtomicBool) {
    let (bytes, is_read) = ATTACKS[kind % ATTACKS.len()];
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut socket) = TcpStream::connect(server.address) else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let pause = Some(Duration::from_millis(200));
        socket.set_read_timeout(pause).expect("a socket");
        socket.set_write_timeout(pause).expect("a socket");
        let sent = bytes.repeat(if is_read { 1 } else { 3_000 });
        let mut ignored = [0; 8 << 10];
        for _ in 0..50 {
            if is_over.load(Ordering::Relaxed) || socket.write_all(sent.as_bytes()).is_err() {
                break;
            }
            if is_read && matches!(socket.read(&mut ignored), Ok(0)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Follows the stream, and sends on when each of the shop's own orders has arrived.
fn watch(mut socket: TcpStream, arrived: &mpsc::Sender<(usize, Instant)>, is_over: &AtomicBool) {
    let head = format!(
        "GET /api/admin/stream/orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).expect("sent");
    for line in BufReader::new(socket).lines() {
        let Ok(line) = line else { return };
        if let Some((_, rest)) = line.split_once("\"customerName\":\"staff ")
            && line.contains("\"status\":\"PENDING\"")
        {
            let number = rest.split('"').next().expect("a number");
            let number = number.parse().expect("a number");
            // The test may be over.
            let _ = arrived.send((number, Instant::now()));
        }
        if is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[test]
fn a_shop_works_on_while_it_is_attacked() {
    let seconds = std::env::var("ORDERBELL_SIEGE_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(SECONDS);
    let mut server = Server::start(&[
        ("SERVER__TRUSTED_PROXIES", "127.0.0.1"),
        ("STREAM__WRITE_TIMEOUT_SECONDS", "5"),
        ("SERVER__REQUEST_TIMEOUT_SECONDS", "2"),
    ]);
    server.assert_serving();
    let is_over = AtomicBool::new(false);
    let placed = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut delays = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..SCREENS {
            let (socket, sender, is_over) = (server.connect(), sender.clone(), &is_over);
            scope.spawn(move || watch(socket, &sender, is_over));
        }
        for kind in 0..HOSTILE {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || attack(server, kind, is_over));
        }
        let mut sent = Vec::new();
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let number = sent.len();
            sent.push(Instant::now());
            // Every order comes from an address of its own.
            let body = format!(
                r#"{{"userId":"u","order":{{"items":[{{"name":"a","quantity":1}}],"totalAmount":1,"customerName":"staff {number}"}}}}"#
            );
            let address = format!("198.51.{}.{}", number / 250, number % 250);
            let headers = [
                ("content-type", "application/json"),
                ("x-forwarded-for", address.as_str()),
            ];
            let (status, _) =
                server.request("POST", "/api/order/submit", &headers, body.as_bytes());
            assert_eq!(status, 200, "order {number}");
            placed.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(100));
        }
        let expected = sent.len() * SCREENS;
        while delays.len() < expected {
            let (number, at): (usize, Instant) = receiver
                .recv_timeout(Duration::from_secs(30))
                .unwrap_or_else(|_| panic!("{} of {expected} events came", delays.len()));
            delays.push(at.saturating_duration_since(sent[number]));
        }
        is_over.store(true, Ordering::Relaxed);
        // One more event has the screens look whether it is over.
        let _ = server.submit(
            br#"{"userId":"u","order":{"items":[{"name":"a","quantity":1}],"totalAmount":1}}"#,
        );
    });
    let usage = server.usage();
    delays.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = ((delays.len() - 1) as f64 * share) as usize;
        delays[index]
    };
    let summary = format!(
        "{seconds} s: {} orders, submit to arrival p50 {:?}, p99 {:?}, longest {:?}; peak {} MiB, CPU {:?}",
        placed.load(Ordering::Relaxed),
        at(0.5),
        at(0.99),
        at(1.0),
        usage.peak / MIB,
        usage.cpu
    );
    writeln!(std::io::stderr(), "{summary}").expect("standard error");
    assert!(usage.peak < 200 * MIB, "{} MiB", usage.peak / MIB);
    server.assert_serving();
    let desk = server.get("/api/admin/orders/recent?view=desk&limit=2500");
    assert_eq!(desk["openHidden"], 0);
    let waiting = desk["orders"]
        .as_array()
        .expect("orders")
        .iter()
        .filter(|card| {
            card["customerName"]
                .as_str()
                .is_some_and(|name| name.starts_with("staff "))
        })
        .count();
    assert_eq!(
        waiting,
        placed.load(Ordering::Relaxed),
        "no open order has left"
    );
}
