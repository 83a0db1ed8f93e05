//! The program told to stop, killed, restarted, and run out of disk.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::app::{TOKEN, client, json_of, small_order};
use crate::process::{Server, SmallDisk, folder, free_port};

/// 300 orders, a reader that is cut off six times, and one restart of the server.
pub(crate) async fn exactly_once(more: &[(&str, &str)]) {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let port = free_port();
    let settings = [&[("ORDERBELL_SERVER__PORT", port.as_str())], more].concat();
    let mut server = Server::start(&store, &settings).await;
    let base = server.base.clone();
    let submits = tokio::spawn(async move {
        let client = client();
        let mut accepted = BTreeSet::new();
        while accepted.len() < 300 {
            // While the server is away nothing is accepted; it is tried again.
            if let Ok(answer) = client
                .post(format!("{base}/api/order/submit"))
                .json(&small_order())
                .send()
                .await
                && answer.status() == StatusCode::OK
            {
                accepted.insert(
                    json_of(answer).await["orderId"]
                        .as_str()
                        .expect("an id")
                        .to_owned(),
                );
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        accepted
    });
    let mut last: Option<String> = Some("0-".to_owned());
    let mut last_seen = String::new();
    let mut seen = Vec::new();
    let mut cuts = 0;
    let mut stream = server.stream(last.as_deref()).await.expect("a stream");
    let mut restarted = false;
    while seen.len() < 300 {
        if seen.len() >= 150 && !restarted {
            restarted = true;
            server.signal("TERM");
            assert!(server.child.wait().await.expect("an end").success());
            server = Server::start(&store, &settings).await;
        }
        let Some(event) = stream.next_order().await else {
            stream = server.stream(last.as_deref()).await.expect("a stream");
            continue;
        };
        assert_eq!(event.name, "new_order");
        let id = event.id.clone().expect("an id");
        assert!(id > last_seen, "{id} after {last_seen}");
        last_seen.clone_from(&id);
        last = Some(id);
        seen.push(event.order().to_owned());
        if seen.len() % 45 == 0 && cuts < 6 {
            cuts += 1;
            stream = server.stream(last.as_deref()).await.expect("a stream");
        }
    }
    let accepted = submits.await.expect("no panic");
    assert_eq!((cuts, restarted), (6, true));
    let once: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(once.len(), seen.len(), "an order was seen twice");
    // An order whose answer was lost in the restart may have been seen as well; what was accepted must be.
    let mut rest = once;
    while !accepted.is_subset(&rest) {
        rest.insert(
            stream
                .next_order()
                .await
                .expect("the rest")
                .order()
                .to_owned(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_order_is_seen_exactly_once() {
    exactly_once(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_by_a_kill() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let mut server = Server::start(&store, &[]).await;
    let submitters: Vec<_> = (0..8)
        .map(|_| {
            let url = format!("{}/api/order/submit", server.base);
            tokio::spawn(async move {
                let client = client();
                let mut accepted = Vec::new();
                while let Ok(answer) = client.post(&url).json(&small_order()).send().await {
                    let Ok(body) = answer.json::<Value>().await else {
                        break;
                    };
                    accepted.push(body["orderNumber"].as_u64().expect("a number"));
                }
                accepted
            })
        })
        .collect();
    let mut stream = server.stream(None).await.expect("a stream");
    for _ in 0..200 {
        stream.next_order().await.expect("orders come in");
    }
    server.signal("KILL");
    server.child.wait().await.expect("an end");
    let mut accepted = Vec::new();
    for submitter in submitters {
        accepted.extend(submitter.await.expect("no panic"));
    }
    assert!(accepted.len() >= 190);
    let unique: BTreeSet<_> = accepted.iter().copied().collect();
    assert_eq!(unique.len(), accepted.len(), "a number was given twice");

    let server = Server::start(&store, &[]).await;
    for number in &unique {
        let order = server.get(&format!("/api/admin/orders/ORD{number}")).await;
        assert_eq!(order["order"]["orderId"], format!("ORD{number}"));
    }
    let answer = client()
        .post(format!("{}/api/order/submit", server.base))
        .json(&small_order())
        .send()
        .await
        .expect("an answer");
    let next = json_of(answer).await["orderNumber"]
        .as_u64()
        .expect("a number");
    assert!(Some(&next) > unique.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_hundreds_of_streams_and_one_that_is_not_read() {
    let folder = folder();
    let settings = [
        ("ORDERBELL_STREAM__MAX_PER_ADMIN", "1000"),
        ("ORDERBELL_STREAM__WRITE_TIMEOUT_SECONDS", "60"),
    ];
    let mut server = Server::start(&folder.path().join("orders.db"), &settings).await;
    let mut streams = Vec::new();
    for _ in 0..300 {
        streams.push(server.stream(None).await.expect("a stream"));
    }
    // This one reads nothing at all.
    let _stuck = crate::sockets::raw_stream(&server.base).await;
    server.signal("TERM");
    // Less than the time after which a reader that takes nothing is cut anyway.
    let ended = tokio::time::timeout(Duration::from_secs(40), server.child.wait()).await;
    let status = ended
        .expect("it doesn't wait for the readers")
        .expect("an end");
    assert_eq!(status.code(), Some(0));
    for stream in streams {
        assert_eq!(
            stream.rest().await.last().map(|event| event.name.clone()),
            Some("bye".to_owned())
        );
    }
}

/// A disk that is full: submits are refused, everything else goes on, and it recovers by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_orders_and_nothing_else() {
    let disk = SmallDisk::mount();
    let server = Server::start(&disk.path.join("orders.db"), &[]).await;
    let client = client();
    let submit = || {
        client
            .post(format!("{}/api/order/submit", server.base))
            .json(&small_order())
            .send()
    };
    assert_eq!(submit().await.expect("an answer").status(), StatusCode::OK);
    let mut stream = server.stream(Some("0-")).await.expect("a stream");
    stream.next_order().await.expect("the first order");
    let filler = disk.fill();
    let refused = loop {
        let answer = submit().await.expect("an answer");
        if answer.status() != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let recent = server.get("/api/admin/orders/recent?limit=500").await;
    let held = recent["orders"].as_array().expect("orders").len();
    assert!(held >= 1);
    assert_eq!(
        client
            .get(format!("{}/health/live", server.base))
            .send()
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    let _another = server.stream(None).await.expect("a stream");

    std::fs::remove_file(filler).expect("removed");
    crate::app::eventually("the disk is taken up again", || async {
        submit()
            .await
            .is_ok_and(|answer| answer.status() == StatusCode::OK)
    })
    .await;
    let after = server.get("/api/admin/orders/recent?limit=500").await["orders"]
        .as_array()
        .expect("orders")
        .len();
    assert_eq!(after, held + 1, "what was refused was not placed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_from_before_a_restart_is_told_of_removals() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &[]).await;
    for _ in 0..2 {
        let answer = client()
            .post(format!("{}/api/order/submit", server.base))
            .json(&small_order())
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    }
    let cursor = server.get("/api/admin/orders/recent").await["cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    let request = client()
        .request(
            Method::DELETE,
            format!("{}/api/admin/orders/ORD1", server.base),
        )
        .bearer_auth(TOKEN);
    assert_eq!(
        request.send().await.expect("an answer").status(),
        StatusCode::OK
    );
    server.kill().await;
    let server = Server::start(&store, &[]).await;
    let mut stream = server.stream(Some(&cursor)).await.expect("a stream");
    assert_eq!(
        stream.orders(1).await,
        [("order_removed".to_owned(), "ORD1".to_owned())]
    );
}
