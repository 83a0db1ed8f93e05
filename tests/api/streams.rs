use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::app::{Scheme, TOKEN, TestApp, eventually, over_http_and_https, refusal};
use crate::sockets::connect;
use crate::sse::Stream;

over_http_and_https!(
    a_stream_tells_of_what_happens_after_it_was_opened,
    a_reader_that_comes_back_is_told_what_it_missed,
    a_position_that_means_nothing_ends_in_a_reset,
    silence_is_filled_with_heartbeats,
    one_address_has_a_share_of_the_streams,
    clients_of_http_1_0_get_the_stream_as_it_is,
    there_are_as_many_streams_as_there_may_be,
    each_door_has_its_own_key,
    stopping_says_bye,
    a_filtered_reader_is_told_when_an_order_leaves_its_set,
    a_batch_carries_what_came_in_its_time,
    a_gzip_stream_is_readable_event_by_event,
);

const ADMIN: &str = "/api/admin/stream/orders";

async fn a_stream_tells_of_what_happens_after_it_was_opened(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    app.submit().await;
    let (start, mut stream) = app.stream_at("").await;
    assert!(
        start.as_deref().is_some_and(|id| id.ends_with("-ORD1")),
        "{start:?}"
    );
    app.submit().await;
    app.put("ORD1", &json!({"status": "CONFIRMED"})).await;
    app.put("ORD2", &json!({"acknowledged": true})).await;
    app.delete("ORD1").await;
    let mut last = start.expect("an id");
    for (name, order) in [
        ("new_order", "ORD2"),
        ("order_update", "ORD1"),
        ("order_update", "ORD2"),
        ("order_removed", "ORD1"),
    ] {
        let event = stream.next().await.expect("an event");
        assert_eq!((event.name.as_str(), event.order()), (name, order));
        let id = event.id.expect("an id");
        // Microseconds have sixteen digits for some centuries, so that texts compare as numbers do.
        assert!(id > last, "{id} after {last}");
        last = id;
    }
    app.stop().await;
}

async fn a_reader_that_comes_back_is_told_what_it_missed(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    let (start, stream) = app.stream_at("").await;
    drop(stream);
    app.submit().await;
    app.submit().await;
    app.put("ORD1", &json!({"status": "CONFIRMED"})).await;
    let start = start.expect("an id");
    let expected = [("new_order", "ORD2"), ("new_order", "ORD1")]
        .map(|(name, order)| (name.to_owned(), order.to_owned()));

    let (_, mut by_query) = app.stream_at(&format!("?since={start}")).await;
    assert_eq!(by_query.orders(2).await, expected);
    let request = app
        .request(Method::GET, ADMIN)
        .header("last-event-id", &start);
    let mut by_header = Stream::connected(request).await.1;
    let first = by_header.next_order().await.expect("an event");
    assert_eq!(first.order(), "ORD2");

    // The address is that of the first connection: what the header says is newer.
    let request = app
        .request(Method::GET, &format!("{ADMIN}?since={start}"))
        .header("last-event-id", first.id.expect("an id"));
    let mut both = Stream::connected(request).await.1;
    // ORD1 was created before ORD2, at which this reader stands: to its position it isn't new.
    assert_eq!(
        both.orders(1).await,
        [("order_update".to_owned(), "ORD1".to_owned())]
    );
    app.submit().await;
    assert_eq!(
        both.orders(1).await,
        [("new_order".to_owned(), "ORD3".to_owned())]
    );
    app.stop().await;
}

async fn a_position_that_means_nothing_ends_in_a_reset(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[("ORDERBELL_STORE__WINDOW", "2")]).await;
    let (start, _) = app.stream_at("").await;
    for _ in 0..4 {
        app.submit_finished().await;
    }
    let long = "9".repeat(10_000);
    let ids: [&[u8]; 8] = [
        start.as_deref().expect("an id").as_bytes(),
        b"garbage",
        b"-1-ORD1",
        b"99999999999999999-ORD1",
        b"1771842312123456-%FF",
        b"\xff\xfe",
        b"1771842312123456",
        long.as_bytes(),
    ];
    for id in ids {
        let request = app.request(Method::GET, ADMIN).header("last-event-id", id);
        let (connected, mut stream) = Stream::connected(request).await;
        let event = stream.next().await.expect("an event");
        assert_eq!(
            event.name,
            "reset",
            "{}",
            String::from_utf8_lossy(&id[..id.len().min(40)])
        );
        assert!(event.data["reason"].is_string());
        assert!(connected.is_some_and(|id| id.ends_with("-ORD4")));
    }
    let request = app.request(Method::GET, ADMIN).header("last-event-id", "");
    let (_, mut stream) = Stream::connected(request).await;
    app.submit().await;
    assert_eq!(
        stream.next().await.map(|event| event.name),
        Some("new_order".to_owned())
    );
    app.stop().await;
}

async fn silence_is_filled_with_heartbeats(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[("ORDERBELL_STREAM__HEARTBEAT_SECONDS", "1")]).await;
    let mut response = app
        .request(Method::GET, ADMIN)
        .send()
        .await
        .expect("an answer");
    let mut text = String::new();
    while !text.contains("heartbeat\"") && text.matches("event: heartbeat").count() < 2 {
        let chunk = tokio::time::timeout(Duration::from_secs(10), response.chunk())
            .await
            .expect("in time");
        text.push_str(&String::from_utf8_lossy(
            &chunk.expect("open").expect("open"),
        ));
    }
    assert!(
        text.starts_with("retry: 2000\nid: 0-\ndata: {\"type\":\"connected\"}\n\n"),
        "{text}"
    );
    assert!(
        text.contains("\n: heartbeat\nevent: heartbeat\nid: 0-\ndata: {\"serverTime\":"),
        "{text}"
    );
    app.stop().await;
}

async fn one_address_has_a_share_of_the_streams(scheme: Scheme) {
    let app = TestApp::start_over(
        scheme,
        &[
            ("ORDERBELL_STREAM__MAX_PER_ADDRESS", "2"),
            ("ORDERBELL_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
        ],
    )
    .await;
    let from = |address: &str| {
        app.request(Method::GET, ADMIN)
            .header("x-forwarded-for", address)
    };
    let _first = Stream::connected(from("203.0.113.7")).await;
    let second = Stream::connected(from("203.0.113.7")).await;
    let answer = from("203.0.113.7").send().await.expect("an answer");
    assert!(answer.headers().contains_key("retry-after"));
    let body = refusal(answer, 429).await;
    assert_eq!(body["code"], "TOO_MANY_STREAMS");
    let _another = Stream::connected(from("203.0.113.8")).await;
    drop(second);
    eventually("a place", || async {
        from("203.0.113.7")
            .send()
            .await
            .expect("an answer")
            .status()
            == 200
    })
    .await;
    // Who comes from this machine is a proxy, or the shop itself.
    let _local: Vec<_> = [app.stream().await, app.stream().await, app.stream().await].into();
    app.stop().await;
}

async fn clients_of_http_1_0_get_the_stream_as_it_is(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    let mut socket = connect(&app.base).await;
    let request = format!("GET {ADMIN} HTTP/1.0\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let (mut answer, mut buffer) = (String::new(), vec![0; 4_096]);
    while !answer.contains("connected") {
        let length = socket.read(&mut buffer).await.expect("an answer");
        assert!(length > 0, "{answer}");
        answer.push_str(std::str::from_utf8(&buffer[..length]).expect("text"));
    }
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.0 200 OK"), "{head}");
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert!(body.starts_with("retry: "), "{body}");
    app.stop().await;
    answer.clear();
    socket.read_to_string(&mut answer).await.expect("an end");
    assert!(answer.contains("\nevent: bye\n"), "{answer}");
    assert!(answer.ends_with("\n\n"), "{answer}");
}

async fn there_are_as_many_streams_as_there_may_be(scheme: Scheme) {
    let app = TestApp::start_over(
        scheme,
        &[
            ("ORDERBELL_STREAM__MAX_CONNECTIONS", "3"),
            ("ORDERBELL_STREAM__MAX_PER_ADMIN", "2"),
        ],
    )
    .await;
    let _first = app.stream().await;
    let second = app.stream().await;
    let answer = app
        .request(Method::GET, ADMIN)
        .send()
        .await
        .expect("an answer");
    assert!(answer.headers().contains_key("retry-after"));
    refusal(answer, 429).await;

    let cookie = app.sign_in().await;
    let dashboard = || {
        app.bare(Method::GET, "/api/stream-orders")
            .header("cookie", &cookie)
    };
    let _third = Stream::connected(dashboard()).await;
    let answer = dashboard().send().await.expect("an answer");
    assert!(answer.headers().contains_key("retry-after"));
    refusal(answer, 503).await;

    drop(second);
    eventually("the place of a closed stream", || async {
        app.metric("orderbell_streams_open{kind=\"api\"}").await == 1.0
    })
    .await;
    app.stream().await;
    app.stop().await;
}

async fn each_door_has_its_own_key(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    let cookie = app.sign_in().await;
    for (path, request) in [
        (ADMIN, app.bare(Method::GET, ADMIN)),
        (
            ADMIN,
            app.bare(Method::GET, ADMIN).header("cookie", &cookie),
        ),
        (ADMIN, app.bare(Method::GET, ADMIN).bearer_auth("wrong")),
        (
            "/api/stream-orders",
            app.bare(Method::GET, "/api/stream-orders"),
        ),
        (
            "/api/stream-orders",
            app.bare(Method::GET, "/api/stream-orders")
                .bearer_auth(TOKEN),
        ),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 401, "{path}");
        refusal(answer, 401).await;
    }
    app.stop().await;
}

async fn stopping_says_bye(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(app.stream().await);
    }
    let ((), rests) = tokio::join!(app.stop(), async {
        let mut rests = Vec::new();
        for stream in streams {
            rests.push(stream.rest().await);
        }
        rests
    });
    for rest in rests {
        assert_eq!(rest.last().map(|event| event.name.as_str()), Some("bye"));
    }
}

async fn a_filtered_reader_is_told_when_an_order_leaves_its_set(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    let (start, mut live) = app.stream_at("?status=PENDING,CONFIRMED").await;
    app.submit().await;
    app.submit().await;
    for status in ["CONFIRMED", "DELIVERED", "COMPLETED"] {
        app.put("ORD1", &json!({"status": status})).await;
    }
    app.put("ORD1", &json!({"status": "PENDING"})).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let event = live.next_order().await.expect("an event");
        seen.push(format!(
            "{} {} {}",
            event.name,
            event.order(),
            event.data["status"].as_str().unwrap_or_default()
        ));
    }
    let expected = [
        "new_order ORD1 PENDING",
        "new_order ORD2 PENDING",
        "order_update ORD1 CONFIRMED",
        "order_update ORD1 DELIVERED",
        "order_update ORD1 PENDING",
    ];
    assert_eq!(seen, expected);

    app.put("ORD2", &json!({"status": "CANCELLED"})).await;
    let (_, mut late) = app
        .stream_at(&format!(
            "?status=CANCELLED&since={}",
            start.expect("an id")
        ))
        .await;
    assert_eq!(
        late.orders(1).await,
        [("new_order".to_owned(), "ORD2".to_owned())]
    );
    for (bad, field) in [
        ("status=LOST", "status"),
        ("batch=49", "batch"),
        ("batch=60001", "batch"),
        ("batch=soon", "batch"),
    ] {
        let answer = app
            .request(Method::GET, &format!("{ADMIN}?{bad}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(refusal(answer, 400).await["details"][0]["field"], field);
    }
    let recent = app.get("/api/admin/orders/recent?status=PENDING").await;
    assert_eq!(recent["orders"].as_array().map(Vec::len), Some(1));
    app.stop().await;
}

async fn a_batch_carries_what_came_in_its_time(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    let (start, mut stream) = app.stream_at("?batch=300").await;
    for _ in 0..5 {
        app.submit().await;
    }
    app.put("ORD2", &json!({"status": "CONFIRMED"})).await;
    let mut entries = Vec::new();
    let mut batches = 0;
    while entries.len() < 5 {
        let batch = stream.next().await.expect("a batch");
        assert_eq!(batch.name, "batch");
        batches += 1;
        let gathered = batch.data.as_array().expect("an array").clone();
        assert_eq!(
            gathered.last().map(|last| &last["id"]),
            batch.id.map(serde_json::Value::from).as_ref()
        );
        entries.extend(gathered);
    }
    assert!(batches <= 3, "{batches} batches");
    assert!(
        entries
            .iter()
            .all(|entry| entry["event"] == "new_order" || entry["event"] == "order_update")
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry["data"]["orderId"] == entry["data"]["id"])
    );
    let (_, mut again) = app
        .stream_at(&format!("?batch=50&since={}", start.expect("an id")))
        .await;
    let replay = again.next().await.expect("a batch");
    assert_eq!(
        (replay.name.as_str(), replay.data.as_array().map(Vec::len)),
        ("batch", Some(5))
    );
    app.stop().await;
}

/// Each event can be read when it has come, with nothing behind it.
async fn a_gzip_stream_is_readable_event_by_event(scheme: Scheme) {
    let app = TestApp::start_over(scheme, &[]).await;
    let request = app
        .request(Method::GET, ADMIN)
        .header("accept-encoding", "gzip");
    let mut response = request.send().await.expect("an answer");
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let mut body = Vec::new();
    let mut inflate = flate2::Decompress::new(false);
    for number in 0..4 {
        let wanted = if number == 0 {
            "\"connected\"".to_owned()
        } else {
            format!("\"orderId\":\"{}\"", app.submit().await)
        };
        let mut text = Vec::with_capacity(8_192);
        while !String::from_utf8_lossy(&text).contains(&wanted) {
            let chunk = tokio::time::timeout(Duration::from_secs(10), response.chunk())
                .await
                .expect("in time");
            body.extend_from_slice(&chunk.expect("open").expect("open"));
            let taken = 10 + usize::try_from(inflate.total_in()).expect("small");
            inflate
                .decompress_vec(&body[taken..], &mut text, flate2::FlushDecompress::Sync)
                .expect("deflate");
        }
        assert!(text.ends_with(b"\n\n"));
    }
    let (_, rest) = tokio::join!(app.stop(), response.bytes());
    body.extend_from_slice(&rest.expect("the end"));
    let mut whole = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*body), &mut whole)
        .expect("a whole gzip stream");
    assert!(
        whole.contains("\"ORD3\"") && whole.contains("event: bye"),
        "{whole}"
    );
}
