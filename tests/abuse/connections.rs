//! Clients that pipeline, stall, and never read.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::{MIB, Server, eventually};

/// Writes as much as the server takes; it stops taking once it waits for its answers to be read.
fn flood(socket: &mut TcpStream, bytes: &[u8]) -> usize {
    socket.set_nonblocking(true).expect("a socket");
    let mut sent = 0;
    for _ in 0..20 {
        while let Ok(length) = socket.write(&bytes[sent..]) {
            sent += length;
            if sent == bytes.len() {
                return sent;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    sent
}

#[test]
fn answers_that_are_not_read_cost_neither_memory_nor_time() {
    let mut server = Server::start(&[("STREAM__WRITE_TIMEOUT_SECONDS", "20")]);
    server.assert_serving();
    let before = server.usage();
    let requests = "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n".repeat(8_000);
    let mut sockets: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for socket in &mut sockets {
        flood(socket, requests.as_bytes());
    }
    // What fits into the sockets' buffers is answered; then there is nothing to do.
    eventually("the end of the work", || {
        let cpu = server.usage().cpu;
        std::thread::sleep(Duration::from_secs(1));
        server.usage().cpu.saturating_sub(cpu) < Duration::from_millis(100)
    });
    let after = server.usage();
    assert!(
        after.descriptors > before.descriptors + 90,
        "the connections are still open: {after:?}"
    );
    let grown = after.peak.saturating_sub(before.resident);
    assert!(grown < 40 * MIB, "{} MiB more", grown / MIB);
    server.assert_serving();
    eventually("the end of connections that take nothing", || {
        server.usage().descriptors < before.descriptors + 20
    });
    drop(sockets);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = Server::start(&[]);
    let mut socket = server.connect();
    let body = r#"{"userId":"u","order":{"items":[{"name":"a","quantity":1}],"totalAmount":1}}"#;
    let mut sent = Vec::new();
    for number in 0..200 {
        if number % 2 == 0 {
            sent.extend_from_slice(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n");
        } else {
            let request = format!(
                "POST /api/order/submit HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                 transfer-encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                &body[..5],
                body.len() - 5,
                &body[5..]
            );
            sent.extend_from_slice(request.as_bytes());
        }
    }
    sent.extend_from_slice(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut writing = socket.try_clone().expect("a socket");
    let writer = std::thread::spawn(move || writing.write_all(&sent));
    let mut answers = String::new();
    socket.read_to_string(&mut answers).expect("answers");
    writer.join().expect("no panic").expect("sent");
    let kinds: Vec<_> = answers
        .match_indices("\"status\":\"live\"")
        .map(|(at, _)| (at, "live"))
        .chain(
            answers
                .match_indices("\"success\":true")
                .map(|(at, _)| (at, "placed")),
        )
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_values()
        .collect();
    assert_eq!(kinds.len(), 201, "{answers}");
    for (index, kind) in kinds.into_iter().enumerate() {
        assert_eq!(kind, if index % 2 == 0 { "live" } else { "placed" });
    }
}

/// One after the other: what is sent first, and what a client then never goes on with.
const STALLED: [(&str, &str); 5] = [
    ("nothing", ""),
    ("half a head", "GET / HTTP/1.1\r\nhost"),
    (
        "a byte of the second request",
        "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\nG",
    ),
    (
        "an endless body on an address that reads none",
        "POST /health/live HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe",
    ),
    (
        "an endless body on a submit",
        "POST /api/order/submit HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    ),
];

#[test]
fn clients_that_stall_are_cut_wherever_they_stall() {
    let mut server = Server::start(&[("SERVER__REQUEST_TIMEOUT_SECONDS", "2")]);
    // The first requests open files of the program's own.
    server.assert_serving();
    assert_eq!(server.submit(b"{}"), 400);
    let before = server.usage().descriptors;
    let sockets: Vec<_> = STALLED
        .iter()
        .cycle()
        .take(200)
        .map(|(_, sent)| {
            let mut socket = server.connect();
            socket.write_all(sent.as_bytes()).expect("sent");
            socket
        })
        .collect();
    eventually("all connections", || {
        server.usage().descriptors >= before + 190
    });
    eventually("the end of connections that stall", || {
        server.usage().descriptors < before + 20
    });
    drop(sockets);
}

#[test]
fn a_drop_now_and_then_does_not_keep_a_request_open() {
    let server = Server::start(&[("SERVER__REQUEST_TIMEOUT_SECONDS", "2")]);
    for (what, sent) in &STALLED[1..] {
        let mut socket = server.connect();
        socket.write_all(sent.as_bytes()).expect("sent");
        let mut drops = 0;
        while socket.write_all(b"x").is_ok() {
            drops += 1;
            assert!(drops < 100, "{what} is still open");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Whether the server has ended the connection.
fn is_ended(socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).expect("a socket");
    match socket.peek(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    // Of 2,048 descriptors, 768 are for other things than connections.
    let server = Server::start_with_files(2_048, &[("SERVER__REQUEST_TIMEOUT_SECONDS", "120")]);
    let idle: Vec<_> = (0..3_000).map(|_| server.connect()).collect();
    // The others would still be coming in: there are 1,280 places, 2,048 less what is for other things and for accepting.
    eventually("the end of those that are too many", || {
        idle.iter().filter(|socket| is_ended(socket)).count() >= 3_000 - 1_280
    });
    assert!(server.usage().descriptors < 1_400);
    // After a search for room that was in vain, the next one follows some milliseconds later.
    std::thread::sleep(Duration::from_millis(100));
    for _ in 0..20 {
        let (status, _) = server.request("GET", "/health/live", &[], b"");
        assert_eq!(status, 200, "somebody else is served");
    }
    drop(idle);
}
