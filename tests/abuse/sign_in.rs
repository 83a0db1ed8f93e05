//! Passwords, made-up credentials, other people's keys.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{EMAIL, MIB, PASSWORD, Server};

const BEHIND_A_PROXY: (&str, &str) = ("SERVER__TRUSTED_PROXIES", "127.0.0.1");

fn login(server: &Server, email: &str, password: &str, address: &str) -> (u16, Value) {
    let body = json!({"email": email, "password": password}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", address),
    ];
    let (status, body) = server.request("POST", "/api/admin/login", &headers, body.as_bytes());
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn sign_ins_end_within_the_memory_that_they_began_with() {
    let server = Server::start(&[BEHIND_A_PROXY]);
    let before = server.usage();
    std::thread::scope(|scope| {
        for reader in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..50 {
                    let address = format!("203.0.{reader}.{number}");
                    let (email, password) = match number % 3 {
                        0 => (EMAIL, PASSWORD),
                        1 => (EMAIL, "a guess"),
                        _ => ("stranger@shop.example", "a guess"),
                    };
                    let (status, _) = login(server, email, password, &address);
                    assert!([200, 401, 429, 503].contains(&status), "{status}");
                }
            });
        }
    });
    let after = server.usage();
    let grown = after.resident.saturating_sub(before.resident);
    assert!(grown < 60 * MIB, "{} MiB more", grown / MIB);
}

#[test]
fn guessing_at_an_account_does_not_keep_its_owner_out() {
    let server = Server::start(&[BEHIND_A_PROXY]);
    let guesses: Vec<u16> = (0..70)
        .map(|_| login(&server, EMAIL, "a guess", "203.0.113.7").0)
        .collect();
    assert!(guesses.iter().filter(|status| **status == 401).count() < 20);
    assert_eq!(login(&server, EMAIL, PASSWORD, "203.0.113.7").0, 429);
    assert_eq!(login(&server, EMAIL, PASSWORD, "198.51.100.4").0, 200);
}

#[test]
fn nor_behind_a_proxy_that_is_not_named() {
    let server = Server::start(&[]);
    for _ in 0..40 {
        login(&server, EMAIL, "a guess", "203.0.113.7");
    }
    assert_eq!(login(&server, EMAIL, PASSWORD, "203.0.113.7").0, 429);
    assert_eq!(login(&server, EMAIL, PASSWORD, "198.51.100.4").0, 200);
}

#[test]
fn guessing_at_tokens_is_throttled_and_keeps_no_memory() {
    let mut server = Server::start(&[BEHIND_A_PROXY]);
    let guess = |server: &Server, secret: &str, address: &str| {
        let headers = [("authorization", secret), ("x-forwarded-for", address)];
        server
            .request("GET", "/api/admin/orders/recent", &headers, b"")
            .0
    };
    let before = server.usage();
    let refused = (0..2_000)
        .filter(|n| guess(&server, &format!("Bearer obt_{n}"), "203.0.113.7") == 429)
        .count();
    assert!(refused > 1_900, "{refused} of 2000");
    let grown = server.usage().resident.saturating_sub(before.resident);
    assert!(grown < 20 * MIB, "{} MiB more", grown / MIB);
    let known = format!("Bearer {}", crate::server::TOKEN);
    assert_eq!(
        guess(&server, &known, "203.0.113.7"),
        200,
        "known ones pass"
    );
    server.assert_serving();
}

#[test]
fn entries_that_cannot_be_read_are_no_way_around_limits() {
    let server = Server::start(&[BEHIND_A_PROXY]);
    let body = json!({"userId": "u", "order": {"items": [{"name": "a", "quantity": 1}], "totalAmount": 1}});
    let body = body.to_string();
    let placed = (0..60)
        .filter(|n| {
            let forwarded = match n % 4 {
                0 => format!("198.51.100.{n}, unknown, 203.0.113.7:4{n}"),
                1 => format!("\"203.0.113.{n}\", _hidden, 203.0.113.7"),
                2 => format!("[2001:db8::{n}]:80, garbage, \"203.0.113.7:1\""),
                _ => format!("10.0.0.{n}, 203.0.113.7"),
            };
            let headers = [
                ("content-type", "application/json"),
                ("x-forwarded-for", forwarded.as_str()),
            ];
            server
                .request("POST", "/api/order/submit", &headers, body.as_bytes())
                .0
                == 200
        })
        .count();
    assert!((10..=14).contains(&placed), "{placed} of 60");
}

#[test]
fn a_stranger_who_uses_a_key_first_does_not_swallow_the_order() {
    let server = Server::start(&[]);
    let submit = |user: &str, name: &str| {
        let body = json!({"userId": user, "order": {"items": [{"name": name, "quantity": 1}], "totalAmount": 1}});
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", "one"),
        ];
        server
            .request(
                "POST",
                "/api/order/submit",
                &headers,
                body.to_string().as_bytes(),
            )
            .0
    };
    assert_eq!(submit("stranger", "nothing"), 200);
    assert_eq!(submit("customer", "Apple"), 422);
    assert_eq!(submit("stranger", "Apple"), 422);
    assert_eq!(submit("stranger", "nothing"), 200);
    assert_eq!(server.get("/api/admin/dashboard-stats")["totalOrders"], 1);
}

#[test]
fn a_silent_key_server_costs_neither_memory_nor_a_queue() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let server = Server::start(&[
        ("SUBMIT__AUTH", "firebase"),
        ("SUBMIT__FIREBASE_PROJECT_ID", "shop"),
        ("SUBMIT__FIREBASE_KEYS_URL", &url),
    ]);
    let before = server.usage();
    // {"alg":"RS256","kid":"k"} and no claims.
    let token = "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.AAAA";
    let headers = [
        ("content-type", "application/json"),
        ("authorization", token),
    ];
    std::thread::scope(|scope| {
        for _ in 0..60 {
            // All of them wait for one fetch: far less than one after the other would take.
            scope.spawn(|| {
                let (status, _) = server.request("POST", "/api/order/submit", &headers, b"{}");
                assert_eq!(status, 503);
            });
        }
    });
    let after = server.usage();
    assert!(after.peak.saturating_sub(before.resident) < 30 * MIB);
    assert!(after.cpu.saturating_sub(before.cpu) < Duration::from_secs(3));
}
