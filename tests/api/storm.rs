//! Thousands of readers that come at once, and come back at once.

use std::collections::BTreeSet;

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::app::{Scheme, TOKEN, client, json_of, over_http_and_https, small_order};
use crate::certificate::Files;
use crate::process::{Server, folder, free_port};
use crate::sockets::{Socket, connect};

over_http_and_https!(thousands_come_at_once_and_come_back_at_once);

const READERS: usize = 5_000;

/// A reader whose socket is ours: a client of this size for each of them would be the test's own storm.
struct Reader {
    socket: Box<dyn Socket>,
    text: String,
}

impl Reader {
    async fn connect(base: &str, last_id: &str) -> Self {
        let mut socket = connect(base).await;
        let request = format!(
            "GET /api/admin/stream/orders HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             last-event-id: {last_id}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut reader = Self {
            socket,
            text: String::new(),
        };
        reader.until("\"connected\"").await;
        assert!(reader.text.starts_with("HTTP/1.1 200 "), "{}", reader.text);
        reader
    }

    async fn until(&mut self, text: &str) {
        let mut buffer = [0; 4_096];
        while !self.text.contains(text) {
            let length = self.socket.read(&mut buffer).await.expect("the stream");
            assert!(length > 0, "the stream has ended after {}", self.text);
            self.text
                .push_str(std::str::from_utf8(&buffer[..length]).expect("text"));
        }
    }

    /// The orders it was told of, each once.
    fn orders(&self) -> BTreeSet<&str> {
        let told: Vec<_> = self
            .text
            .split("\"orderId\":\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let once: BTreeSet<_> = told.iter().copied().collect();
        assert_eq!(once.len(), told.len(), "{told:?}");
        once
    }
}

async fn storm(base: &str, last_id: &str) -> Vec<Reader> {
    let mut coming = JoinSet::new();
    for _ in 0..READERS {
        let (base, last_id) = (base.to_owned(), last_id.to_owned());
        coming.spawn(async move { Reader::connect(&base, &last_id).await });
    }
    coming.join_all().await
}

async fn place(server: &Server) -> String {
    let answer = client()
        .request(Method::POST, format!("{}/api/order/submit", server.base))
        .json(&small_order())
        .send()
        .await
        .expect("an answer");
    json_of(answer).await["orderId"]
        .as_str()
        .expect("an id")
        .to_owned()
}

async fn thousands_come_at_once_and_come_back_at_once(scheme: Scheme) {
    let limit = rlimit::increase_nofile_limit(2 * READERS as u64).expect("a limit");
    assert!(
        limit >= READERS as u64 + 1_000,
        "this test holds {READERS} connections, and may open only {limit} files: raise `ulimit -Hn`"
    );
    let folder = folder();
    let store = folder.path().join("orders.db");
    let port = free_port();
    let files = Files::write(folder.path()).settings();
    let mut settings = vec![
        ("ORDERBELL_SERVER__PORT", port.as_str()),
        ("ORDERBELL_STREAM__MAX_PER_ADMIN", "6000"),
        // In a build that isn't optimised, handshakes take their time, and so do requests behind them.
        ("ORDERBELL_SERVER__REQUEST_TIMEOUT_SECONDS", "60"),
    ];
    if scheme == Scheme::Https {
        settings.extend(files.iter().map(|(name, value)| (*name, value.as_str())));
    }
    let server = Server::start(&store, &settings).await;
    let base = server.base.clone();
    let mut there = server.stream(None).await.expect("a stream");

    let coming = tokio::spawn({
        let base = base.clone();
        async move { storm(&base, "0-").await }
    });
    // Who is there already is told of every order meanwhile.
    let mut placed = BTreeSet::new();
    let mut last_id = String::new();
    for _ in 0..20 {
        let id = place(&server).await;
        let event = there.next_order().await.expect("an event");
        assert_eq!(event.order(), id);
        last_id = event.id.expect("an id");
        placed.insert(id);
    }
    let mut readers = coming.await.expect("no panic");
    // Whoever came has the orders from before and after.
    for reader in &mut readers {
        for id in &placed {
            reader.until(&format!("\"orderId\":\"{id}\"")).await;
        }
        assert_eq!(reader.orders().len(), placed.len());
    }

    server.kill().await;
    drop(readers);
    let server = Server::start(&store, &settings).await;
    let (missed, back) = tokio::join!(place(&server), storm(&base, &last_id));
    let after = place(&server).await;
    for mut reader in back {
        reader.until(&format!("\"orderId\":\"{after}\"")).await;
        assert_eq!(
            reader.orders(),
            BTreeSet::from([missed.as_str(), after.as_str()])
        );
    }
    server.kill().await;
}
