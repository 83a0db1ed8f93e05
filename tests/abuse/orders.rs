//! Orders that are fat, many, or both.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{EMAIL, MIB, PASSWORD, Server};

fn order(items: &[Value], more: &Value) -> Vec<u8> {
    let mut order = json!({"items": items, "totalAmount": 1});
    for (name, value) in more.as_object().into_iter().flatten() {
        order[name] = value.clone();
    }
    json!({"userId": "u", "order": order})
        .to_string()
        .into_bytes()
}

fn small() -> Vec<u8> {
    order(&[json!({"name": "Apple", "quantity": 1})], &json!({}))
}

/// Signs in as a browser does, and answers with the cookie.
fn sign_in(server: &Server) -> String {
    let form = format!(
        "email={}&password={}",
        EMAIL.replace('@', "%40"),
        PASSWORD.replace(' ', "+")
    );
    let mut socket = server.connect();
    let request = format!(
        "POST /login HTTP/1.1\r\nhost: {0}\r\norigin: http://{0}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {1}\r\n\r\n{form}",
        server.address,
        form.len()
    );
    socket.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: desk="))
        .unwrap_or_else(|| panic!("no cookie: {answer}"));
    format!("desk={}", cookie.split(';').next().expect("a value"))
}

fn page(server: &Server, cookie: &str) -> String {
    let (status, body) = server.request("GET", "/", &[("cookie", cookie)], b"");
    assert_eq!(status, 200);
    String::from_utf8(body).expect("text")
}

#[test]
fn fat_orders_are_refused() {
    let server = Server::start(&[]);
    let slashes = "/".repeat(1_000);
    let item = json!({"name": slashes, "price": slashes, "quantity": 1});
    assert_eq!(server.submit(&order(&vec![item; 60], &json!({}))), 413);
    let item = json!({"name": "/".repeat(201), "quantity": 1});
    assert_eq!(server.submit(&order(&[item], &json!({}))), 400);
}

/// As fat as submits may be, and as hard to hold and to show as they can be made.
#[test]
fn orders_as_fat_as_allowed_stay_small_in_memory_and_on_the_page() {
    let mut server = Server::start(&[]);
    let text = "/\"&".repeat(60);
    let item = json!({"name": text, "price": "/".repeat(40), "quantity": 1});
    // Many small objects take fifty times the memory of their text, once they are parsed.
    let bodies = [
        order(&vec![item; 150], &json!({})),
        order(
            &[json!({"name": text, "quantity": 1})],
            &json!({"more": vec![json!({"a": {}}); 5_500], "notes": "\u{1}".repeat(2_000)}),
        ),
    ];
    for round in 0..600 {
        let body = &bodies[round % 2];
        assert!(body.len() < 64 << 10, "{} bytes", body.len());
        assert_eq!(server.submit(body), 200);
    }
    let cookie = sign_in(&server);
    for _ in 0..2 {
        let pages: Vec<String> = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| page(&server, &cookie)))
                .collect();
            readers
                .into_iter()
                .map(|reader| reader.join().expect("a page"))
                .collect()
        });
        for page in pages {
            assert!(page.len() < 4 << 20, "a page of {} bytes", page.len());
        }
        let recent = server.get("/api/admin/orders/recent?limit=500");
        assert_eq!(recent["orders"].as_array().map(Vec::len), Some(500));
        let cards = server.get("/api/admin/orders/recent?view=desk&limit=1000");
        assert_eq!(cards["orders"].as_array().map(Vec::len), Some(600));
        server.assert_serving();
        let usage = server.usage();
        assert!(usage.peak < 200 * MIB, "{} MiB", usage.peak / MIB);
        server = server.restart();
    }
}

#[test]
fn polls_that_are_not_read_cost_no_memory() {
    let mut server = Server::start(&[("STREAM__WRITE_TIMEOUT_SECONDS", "20")]);
    let item = json!({"name": "n".repeat(200), "price": "p".repeat(40), "quantity": 1});
    let body = order(&vec![item; 150], &json!({}));
    for _ in 0..500 {
        assert_eq!(server.submit(&body), 200);
    }
    let before = server.usage().resident;
    let sockets: Vec<_> = (0..40)
        .map(|_| {
            let mut socket = server.connect();
            let request = format!(
                "GET /api/admin/orders/recent?limit=500 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
                crate::server::TOKEN
            );
            socket.write_all(request.as_bytes()).expect("sent");
            socket
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    let grown = server.usage().peak.saturating_sub(before);
    assert!(grown < 40 * MIB, "{} MiB more", grown / MIB);
    server.assert_serving();
    drop(sockets);
}

#[test]
fn a_flood_leaves_waiting_orders_on_the_desk() {
    let server = Server::start(&[("STORE__WINDOW", "100"), ("STORE__MAX_OPEN", "500")]);
    for _ in 0..20 {
        assert_eq!(server.submit(&small()), 200);
    }
    for _ in 0..400 {
        assert_eq!(server.submit(&small()), 200);
    }
    let waiting = |server: &Server| {
        let cards = server.get("/api/admin/orders/recent?view=desk&limit=600");
        let ids: std::collections::HashSet<_> = cards["orders"]
            .as_array()
            .expect("orders")
            .iter()
            .map(|card| card["id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(cards["openHidden"], 0);
        (1..=20)
            .filter(|n| ids.contains(&format!("ORD{n}")))
            .count()
    };
    assert_eq!(waiting(&server), 20);
    let page = page(&server, &sign_in(&server));
    assert!((1..=20).all(|n| page.contains(&format!("data-id=\"ORD{n}\""))));
    let server = server.restart();
    assert_eq!(waiting(&server), 20, "also after a restart");
}

#[test]
fn an_address_that_floods_is_slowed_down_and_the_others_are_not() {
    let server = Server::start(&[("SERVER__TRUSTED_PROXIES", "127.0.0.1")]);
    let submit = |address: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("x-forwarded-for", address),
        ];
        server
            .request("POST", "/api/order/submit", &headers, &small())
            .0
    };
    let placed = (0..100).filter(|_| submit("203.0.113.7") == 200).count();
    assert!((10..=15).contains(&placed), "{placed} orders");
    assert_eq!(submit("203.0.113.7"), 429);
    assert_eq!(submit("203.0.113.8"), 200);
    let orders = server.get("/api/admin/orders/recent?limit=100");
    let sources: std::collections::HashSet<_> = orders["orders"]
        .as_array()
        .expect("orders")
        .iter()
        .map(|order| order["submitSource"].as_str().expect("a source").to_owned())
        .collect();
    assert_eq!(sources.len(), 2);
    assert!(
        !orders.to_string().contains("203.0.113"),
        "no address is kept"
    );
}
