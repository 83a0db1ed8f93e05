use std::task::{Context, Poll, Waker};

use serde_json::Map;
use shuttle::sync::Barrier;
use shuttle::thread;

use super::*;
use crate::clock::Clock;
use crate::hub::{HubSettings, Options, Start, Subscriber};
use crate::orders::{Change, HeldOrder, Order, OrderId, Snapshot, WatchEvent, WindowLimits};

/// Schedules that each test tries.
const SCHEDULES: usize = 1_000;
/// Orders that are created in a race: more than the relay's backlog holds.
const ORDERS: u64 = 6;
const READERS: usize = 2;

fn hub() -> Arc<Hub> {
    let settings = HubSettings {
        window: WindowLimits {
            orders: 50,
            open: 50,
            bytes: 1 << 20,
        },
        heartbeat: Duration::from_secs(30),
        retry: Duration::from_secs(2),
        max_age: Duration::from_secs(3_600),
    };
    Hub::new(settings, Clock::from_fn(|| 1_000_000))
}

fn snapshot(number: Option<u64>) -> WatchEvent {
    let order = |number| {
        Change::Upsert(Arc::new(HeldOrder::from(&Order {
            id: OrderId::sequential(number),
            fields: Map::new(),
            created_micros: number,
            updated_micros: number,
        })))
    };
    WatchEvent::Snapshot(Snapshot {
        initial: number.is_none(),
        complete_after: Some(Position::beginning()),
        changes: number.map(order).into_iter().collect(),
        ..Snapshot::default()
    })
}

/// A relay whose signals the test takes in by hand, instead of in a task.
struct ManualRelay {
    relay: Relay,
    signals: broadcast::Receiver<Signal>,
}

impl ManualRelay {
    fn new(hub: &Arc<Hub>) -> Self {
        let signals = hub.read().relays.as_ref().map(broadcast::Sender::subscribe);
        let shared = Rc::new(Shared {
            slots: RefCell::default(),
            listeners: RefCell::default(),
            closed: Cell::new(false),
        });
        Self {
            relay: Relay {
                hub: Arc::clone(hub),
                shared,
            },
            signals: signals.expect("an open hub"),
        }
    }

    /// Everything that `subscriber` can get now, as text.
    fn read(&mut self, subscriber: &mut Subscriber) -> String {
        let mut text = String::new();
        loop {
            self.relay.shared.push_all(&mut self.signals);
            let chunk = subscriber.poll_chunk(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(chunk) = chunk else {
                return text;
            };
            let chunk = chunk.expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }
}

/// Where the stream starts, and the orders that it tells of.
fn told(text: &str) -> (Position, Vec<Position>) {
    let cursor = |block: &str| {
        let id = block.lines().find_map(|line| line.strip_prefix("id: "));
        id.expect("an id").parse().expect("a cursor")
    };
    let mut blocks = text.split("\n\n").filter(|block| !block.is_empty());
    let start = cursor(blocks.next().expect("a first block"));
    let events = blocks.filter(|block| block.contains("event: new_order"));
    (start, events.map(cursor).collect())
}

fn race(start: &Start) {
    let hub = hub();
    hub.take(snapshot(None));
    let is_written = Arc::new(Barrier::new(READERS + 1));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (hub, start) = (Arc::clone(&hub), start.clone());
            let is_written = Arc::clone(&is_written);
            thread::spawn(move || {
                let mut relay = ManualRelay::new(&hub);
                let mut subscriber =
                    Subscriber::new(relay.relay.clone(), start, Options::default());
                let mut text = relay.read(&mut subscriber);
                text += &relay.read(&mut subscriber);
                is_written.wait();
                text + &relay.read(&mut subscriber)
            })
        })
        .collect();
    for number in 1..=ORDERS {
        hub.take(snapshot(Some(number)));
    }
    is_written.wait();
    for reader in readers {
        let (start, events) = told(&reader.join().expect("no panic"));
        let all = (1..=ORDERS).map(|number| Position::new(number, &OrderId::sequential(number)));
        let expected: Vec<_> = all.filter(|position| *position > start).collect();
        assert_eq!(events, expected, "after {start}");
    }
}

/// Streams need a runtime for their timers, which never run out here.
fn check(start: &Start) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _context = runtime.enter();
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    let scheduler = shuttle::scheduler::RandomScheduler::new(SCHEDULES);
    let start = start.clone();
    shuttle::Runner::new(scheduler, config).run(move || race(&start));
}

#[test]
fn model_a_new_reader_gets_every_later_order_once() {
    check(&Start::Now);
}

#[test]
fn model_a_returning_reader_gets_every_order_once() {
    check(&Start::After(Position::beginning()));
}
