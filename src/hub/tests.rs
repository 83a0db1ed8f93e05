//! The hub against a simple model: whatever happens in whatever order, a reader that follows the events knows what is.

mod list;
mod model;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::task::LocalSet;
use tokio_util::codec::Decoder as _;

use super::*;
use crate::orders::{
    Change, FORGOTTEN_AFTER_MICROS, HeldOrder, ListQuery, Order, OrderId, Search, is_finished,
    json_line,
};

const START: u64 = 1_771_842_000_000_000;

fn hub_with(window: usize) -> (Arc<Hub>, Arc<AtomicU64>) {
    hub_within(WindowLimits {
        orders: window,
        open: 0,
        bytes: 1 << 20,
    })
}

fn hub_within(window: WindowLimits) -> (Arc<Hub>, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(START));
    let clock = Arc::clone(&now);
    let settings = HubSettings {
        window,
        heartbeat: Duration::from_secs(30),
        retry: Duration::from_secs(2),
        max_age: Duration::from_secs(3_600),
    };
    let hub = Hub::new(
        settings,
        Clock::from_fn(move || clock.load(Ordering::Relaxed)),
    );
    (hub, now)
}

fn order(id: &str, created: u64, updated: u64, status: &str) -> Arc<HeldOrder> {
    order_placed(id, created, created, updated, status)
}

fn order_placed(id: &str, placed: u64, created: u64, updated: u64, status: &str) -> Arc<HeldOrder> {
    let mut fields = Map::new();
    fields.insert("status".to_owned(), json!(status));
    fields.insert("timestamp".to_owned(), json!(placed / 1_000));
    Arc::new(HeldOrder::from(&Order {
        id: OrderId::parse(id).expect("an id"),
        fields,
        created_micros: created,
        updated_micros: updated,
    }))
}

fn live(changes: Vec<Change>) -> WatchEvent {
    WatchEvent::Snapshot(Snapshot {
        changes,
        ..Snapshot::default()
    })
}

fn initial(changes: Vec<Change>) -> WatchEvent {
    WatchEvent::Snapshot(Snapshot {
        changes,
        initial: true,
        ..Snapshot::default()
    })
}

fn position(micros: u64, id: &str) -> Position {
    Position::new(micros, &OrderId::parse(id).expect("an id"))
}

/// A block as a client sees it, by a parser that isn't ours.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

fn parse(bytes: &[u8]) -> Vec<Event> {
    let mut bytes = BytesMut::from(bytes);
    let mut decoder = russe::Decoder::default();
    let mut events = Vec::new();
    while let Some(event) = decoder
        .decode(&mut bytes)
        .expect("the rules of server-sent events")
    {
        if let russe::Event::Message(message) = event {
            events.push(Event {
                name: message
                    .event
                    .map_or_else(|| "message".to_owned(), |name| name.to_string()),
                id: message.id.map(|id| id.to_string()),
                data: serde_json::from_str(&message.data).expect("JSON"),
            });
        }
    }
    assert!(
        bytes.is_empty(),
        "an unfinished block was handed over: {bytes:?}"
    );
    events
}

fn subscribe(relay: &Relay, start: Start) -> Subscriber {
    Subscriber::new(relay.clone(), start, Options::default())
}

/// Lets the relay's task run, and gather what comes close together.
async fn settle() {
    // Time stands still until every task waits.
    tokio::time::sleep(relay::COALESCE_WINDOW * 2).await;
}

/// The next chunk, if there is one now; `Err` when the stream is over.
async fn chunk(subscriber: &mut Subscriber) -> Result<Option<Bytes>, ()> {
    settle().await;
    poll_fn(|cx| {
        Poll::Ready(match subscriber.poll_chunk(cx) {
            Poll::Pending => Ok(None),
            Poll::Ready(Some(chunk)) => Ok(Some(chunk)),
            Poll::Ready(None) => Err(()),
        })
    })
    .await
}

/// Everything that is there now.
async fn drain(subscriber: &mut Subscriber) -> Vec<Event> {
    let mut events = Vec::new();
    while let Ok(Some(chunk)) = chunk(subscriber).await {
        events.extend(parse(&chunk));
    }
    events
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

#[test]
fn what_was_there_at_the_start_is_not_new() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut early = subscribe(&relay, Start::Now);
        let events = drain(&mut early).await;
        assert_eq!(names(&events), ["message", "source"]);
        assert_eq!(events[0].id, None);

        hub.take(initial(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        hub.take(WatchEvent::Source(SourceState::Live));
        assert_eq!(names(&drain(&mut early).await), ["source"]);
        hub.take(live(vec![Change::Upsert(order(
            "B",
            START + 5,
            START + 5,
            "PENDING",
        ))]));
        assert_eq!(names(&drain(&mut early).await), ["new_order"]);
    });
}

#[test]
fn what_comes_right_after_the_start_is_told_to_those_who_waited_for_it() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut early = subscribe(&relay, Start::Now);
        drain(&mut early).await;
        let upsert = |id, micros| Change::Upsert(order(id, micros, micros, "PENDING"));
        hub.take(initial(vec![upsert("A", START)]));
        hub.take(live(vec![upsert("B", START + 5)]));
        hub.take(live(vec![upsert("C", START + 6)]));
        assert_eq!(names(&drain(&mut early).await), ["new_order", "new_order"]);
    });
}

#[test]
fn a_reader_that_waits_for_the_start_with_a_cursor_is_caught_up() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut early = subscribe(&relay, Start::After(position(START, "A")));
        drain(&mut early).await;
        hub.take(initial(vec![
            Change::Upsert(order("A", START, START, "PENDING")),
            Change::Upsert(order("B", START - 9, START + 1, "CONFIRMED")),
            Change::Upsert(order("C", START + 2, START + 2, "PENDING")),
        ]));
        assert_eq!(
            names(&drain(&mut early).await),
            ["order_update", "new_order"]
        );
    });
}

#[test]
fn positions_that_mean_nothing_end_in_one_reset() {
    run(async {
        let (hub, _) = hub_with(2);
        let relay = Relay::start(Arc::clone(&hub));
        let orders = ["A", "B", "C", "D"].into_iter().zip(1..);
        hub.take(initial(Vec::new()));
        for (id, n) in orders {
            hub.take(live(vec![Change::Upsert(order(
                id,
                START + n * 1_000,
                START + n * 1_000,
                "PENDING",
            ))]));
        }
        hub.take(WatchEvent::Source(SourceState::Live));
        settle().await;
        let starts = [
            Start::Unreadable,
            Start::After(position(START + 1_500, "A")),
            Start::After(Position::beginning()),
            Start::After(position(START + 3_600_000_000, "Z")),
        ];
        for start in starts {
            let mut lost = subscribe(&relay, start.clone());
            let events = drain(&mut lost).await;
            assert_eq!(names(&events), ["message", "reset"], "{start:?}");
            assert_eq!(events[0].id.as_deref(), Some("1771842000004000-D"));
        }
        let mut known = subscribe(&relay, Start::After(position(START + 2_000, "B")));
        assert_eq!(
            names(&drain(&mut known).await),
            ["message", "new_order", "new_order"]
        );
    });
}

#[test]
fn a_reader_ahead_of_this_instance_is_told_what_comes_after_its_position() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        hub.take(WatchEvent::Source(SourceState::Live));
        settle().await;
        let mut ahead = subscribe(&relay, Start::After(position(START + 10, "C")));
        hub.take(live(vec![
            Change::Upsert(order("B", START + 5, START + 5, "PENDING")),
            Change::Upsert(order("C", START + 10, START + 10, "PENDING")),
            Change::Upsert(order("D", START + 12, START + 12, "PENDING")),
        ]));
        let events = drain(&mut ahead).await;
        assert_eq!(names(&events), ["message", "new_order"]);
        assert_eq!(events[1].data["id"], "D");
    });
}

#[test]
fn a_late_change_is_placed_after_the_head_and_an_old_state_is_refused() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(vec![Change::Upsert(order(
            "A",
            START,
            START,
            "CONFIRMED",
        ))]));
        hub.take(WatchEvent::Source(SourceState::Live));
        settle().await;
        let mut reader = subscribe(&relay, Start::Now);
        hub.take(live(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        hub.take(live(vec![Change::Upsert(order(
            "B",
            START - 7,
            START - 7,
            "PENDING",
        ))]));
        let events = drain(&mut reader).await;
        assert_eq!(names(&events), ["message", "new_order"]);
        assert_eq!(events[1].id.as_deref(), Some("1771842000000001-B"));
        hub.take(live(vec![Change::Upsert(order(
            "B",
            START - 7,
            START + 9,
            "CONFIRMED",
        ))]));
        assert_eq!(names(&drain(&mut reader).await), ["order_update"]);
    });
}

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

struct Panics;

impl Listener for Panics {
    fn notify(&self) {
        panic!("on purpose");
    }
}

#[test]
fn a_relay_that_panics_is_a_failure_of_the_hub() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut reader = subscribe(&relay, Start::Now);
        drain(&mut reader).await;
        let panics: Rc<dyn Listener> = Rc::new(Panics);
        reader.listen(Rc::downgrade(&panics));
        hub.take(initial(Vec::new()));
        assert_eq!(hub.failed().await.to_string(), "a relay has panicked");
    });
}

/// Lets another listener register and deregister when it is notified.
struct Subscribes {
    relay: Relay,
    other: RefCell<Option<Subscriber>>,
    notified: Cell<usize>,
}

impl Listener for Subscribes {
    fn notify(&self) {
        self.notified.set(self.notified.get() + 1);
        let mut other = subscribe(&self.relay, Start::Now);
        let panics: Rc<dyn Listener> = Rc::new(Panics);
        other.listen(Rc::downgrade(&panics));
        // Its listener is dropped without being deregistered.
        *self.other.borrow_mut() = Some(other);
    }
}

#[test]
fn listeners_come_and_go_while_others_are_notified() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut reader = subscribe(&relay, Start::Now);
        let listener = Rc::new(Subscribes {
            relay: relay.clone(),
            other: RefCell::default(),
            notified: Cell::new(0),
        });
        let weak: std::rc::Weak<dyn Listener> = Rc::downgrade(&listener) as _;
        reader.listen(weak);
        hub.take(initial(Vec::new()));
        settle().await;
        hub.take(live(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        settle().await;
        assert_eq!(listener.notified.get(), 2);
    });
}

#[test]
fn polls_are_cut_short_without_a_gap() {
    let (hub, _) = hub_with(10);
    hub.take(initial(
        (0..5)
            .map(|n| Change::Upsert(order(&format!("O{n}"), START + n, START + n, "PENDING")))
            .collect(),
    ));
    let mut cursor = Position::beginning();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let recent = hub.since(&cursor, 2, None);
        seen.extend(recent.items.iter().map(|item| item.id().to_string()));
        cursor = recent.cursor;
    }
    assert_eq!(seen, ["O0", "O1", "O2", "O3", "O4"]);
    assert_eq!(Some(cursor), hub.head());
}

#[test]
fn a_full_window_is_listed_from_memory_and_tells_where_the_next_page_begins() {
    let (hub, _) = hub_with(4);
    let finished = |n: u64| order(&format!("O{n}"), START + n, START + n, "DELIVERED");
    let all_orders = Search::default();
    let held = |limit| {
        let (items, next) = hub.list_held(&ListQuery::newest(limit), &all_orders)?;
        Some((ids(&items), next))
    };
    assert_eq!(held(4), None, "before the watch has begun");
    hub.take(initial(
        (0..4).map(|n| Change::Upsert(finished(n))).collect(),
    ));
    let oldest = position(START, "O0");
    let all = ["O3", "O2", "O1", "O0"].map(str::to_owned).to_vec();
    assert_eq!(held(9), Some((all.clone(), Some(oldest.clone()))));
    let (items, next) = hub
        .list(&ListQuery::newest(4), &all_orders)
        .expect("a page");
    assert_eq!((ids(&items), next), (all, Some(oldest.clone())));
    assert!(hub.list(&ListQuery::newest(5), &all_orders).is_none());
    let removed = |n: u64| Change::Remove {
        id: OrderId::parse(&format!("O{n}")).expect("an id"),
        micros: START + 10 + n,
    };
    hub.take(live(vec![removed(3), removed(2)]));
    let left = ["O1", "O0"].map(str::to_owned).to_vec();
    assert_eq!(held(9), Some((left, Some(oldest))));
    hub.take(live(vec![removed(1)]));
    assert_eq!(held(9), None, "too few are left to stand for the window");
}

fn ids(items: &[Arc<Item>]) -> Vec<String> {
    items.iter().map(|item| item.id().to_string()).collect()
}

proptest! {
    #[test]
    fn any_text_survives_encoding_and_parsing(id in "[^/]{1,40}", name: String, status: String, micros in 1..u64::MAX / 2) {
        prop_assume!(OrderId::parse(&id).is_ok());
        let mut fields = Map::new();
        fields.insert("customerName".to_owned(), json!(name));
        fields.insert("status".to_owned(), json!(status));
        let order = Order {
            id: OrderId::parse(&id).expect("assumed"),
            fields,
            created_micros: micros,
            updated_micros: micros,
        };
        let events = parse(&frame::event("new_order", &order.position(), &json_line(&order.summary())));
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(events[0].id.as_ref().and_then(|id| id.parse().ok()), Some(order.position()));
        prop_assert_eq!(&events[0].data["id"], &json!(id));
        prop_assert_eq!(&events[0].data["status"], &json!(status));
        let expected = if name.trim().is_empty() { String::new() } else { name };
        prop_assert_eq!(&events[0].data["customerName"], &json!(expected));
        let removed = parse(&frame::event("order_removed", &order.position(), &frame::removed(&order.id)));
        prop_assert_eq!(&removed[0].data["orderId"], &json!(id));
    }
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
