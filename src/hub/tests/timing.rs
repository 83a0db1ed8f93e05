//! Heartbeats, coalescing, and the ends of streams.

use super::*;

#[test]
fn silence_is_filled_with_heartbeats_and_age_ends_a_stream() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        hub.take(WatchEvent::Source(SourceState::Live));
        let mut reader = subscribe(&relay, Start::Now);
        drain(&mut reader).await;

        tokio::time::advance(Duration::from_secs(20)).await;
        hub.take(live(vec![Change::Upsert(order(
            "B",
            START + 1,
            START + 1,
            "PENDING",
        ))]));
        assert_eq!(names(&drain(&mut reader).await), ["new_order"]);
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(drain(&mut reader).await.is_empty());
        tokio::time::advance(Duration::from_secs(2)).await;
        let text = chunk(&mut reader)
            .await
            .expect("open")
            .expect("a heartbeat");
        assert_eq!(
            text,
            ": heartbeat\nevent: heartbeat\nid: 1771842000000001-B\ndata: {\"serverTime\":1771842000000}\n\n"
        );
        assert!(drain(&mut reader).await.is_empty());

        tokio::time::advance(Duration::from_secs(3_700)).await;
        let last = chunk(&mut reader)
            .await
            .expect("open")
            .expect("a last block");
        assert!(last.starts_with(b"retry: "), "{last:?}");
        assert_eq!(names(&parse(&last)), ["bye"]);
        assert_eq!(chunk(&mut reader).await, Err(()));
    });
}

#[derive(Default)]
struct Wakes(AtomicU64);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn every_heartbeat_wakes_its_stream() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(Vec::new()));
        settle().await;
        let mut reader = subscribe(&relay, Start::Now);
        let wakes = Arc::<Wakes>::default();
        let waker = Arc::clone(&wakes).into();
        let mut cx = std::task::Context::from_waker(&waker);
        while reader.poll_chunk(&mut cx).is_ready() {}
        for beat in 1..4 {
            tokio::time::sleep(Duration::from_millis(30_010)).await;
            assert_eq!(wakes.0.load(Ordering::Relaxed), beat);
            let Poll::Ready(Some(chunk)) = reader.poll_chunk(&mut cx) else {
                panic!("no heartbeat");
            };
            assert_eq!(names(&parse(&chunk)), ["heartbeat"]);
            assert!(reader.poll_chunk(&mut cx).is_pending());
        }
    });
}

#[test]
fn a_lone_event_goes_on_at_once_and_what_comes_close_upon_it_together() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(Vec::new()));
        let mut subscriber = subscribe(&relay, Start::Now);
        drain(&mut subscriber).await;
        let now = tokio::time::Instant::now();
        let mut at = START;
        let mut place = || {
            at += 1;
            let placed = order(&format!("ORD{at}"), at, at, "PENDING");
            hub.take(live(vec![Change::Upsert(placed)]));
        };
        let look = async |subscriber: &mut Subscriber| {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            poll_fn(|cx| Poll::Ready(subscriber.poll_chunk(cx))).await
        };
        place();
        assert!(
            matches!(look(&mut subscriber).await, Poll::Ready(Some(chunk)) if parse(&chunk).len() == 1)
        );
        place();
        place();
        let early = look(&mut subscriber).await;
        assert_eq!(now.elapsed(), Duration::ZERO);
        assert!(early.is_pending(), "{early:?}");
        tokio::time::sleep(relay::COALESCE_WINDOW * 2).await;
        assert!(
            matches!(look(&mut subscriber).await, Poll::Ready(Some(chunk)) if parse(&chunk).len() == 2)
        );
    });
}

#[test]
fn closing_says_bye_and_ending_says_nothing() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(Vec::new()));
        let mut revoked = subscribe(&relay, Start::Now);
        let mut other = subscribe(&relay, Start::Now);
        drain(&mut revoked).await;
        drain(&mut other).await;
        assert_eq!(revoked.end(), None);
        assert_eq!(chunk(&mut revoked).await, Err(()));
        assert_eq!(chunk(&mut other).await, Ok(None));
        hub.close();
        assert_eq!(names(&drain(&mut other).await), ["bye"]);
        assert_eq!(chunk(&mut other).await, Err(()));
        let mut late = subscribe(&relay, Start::Now);
        assert_eq!(names(&drain(&mut late).await).last(), Some(&"bye"));
    });
}

#[test]
fn away_lasts_since_it_began_whatever_the_reason_is_now() {
    let (hub, now) = hub_with(10);
    let away = |message: &str| {
        WatchEvent::Source(SourceState::Away {
            message: message.to_owned(),
        })
    };
    hub.take(WatchEvent::Source(SourceState::Live));
    for (at, event) in [(5, away("cut")), (9, away("refused"))] {
        now.store(START + at * 1_000, Ordering::Relaxed);
        hub.take(event);
    }
    let source = hub.source();
    assert_eq!(source.since, START / 1_000 + 5);
    assert_eq!(
        source.state,
        SourceState::Away {
            message: "refused".to_owned()
        }
    );
}
