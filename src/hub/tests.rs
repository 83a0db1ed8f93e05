//! Tests of the hub as streams and polls see it, and what they share.

mod encoding;
mod list;
mod listeners;
mod model;
mod polls;
mod positions;
mod timing;

use std::future::poll_fn;
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
use crate::clock::Clock;
use crate::orders::{
    Change, HeldOrder, ListQuery, Order, OrderId, Position, Search, Snapshot, SourceState,
    WatchEvent, WindowLimits,
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

fn ids(items: &[Arc<Item>]) -> Vec<String> {
    items.iter().map(|item| item.id().to_string()).collect()
}
