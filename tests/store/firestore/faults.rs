//! Firestore away, cut off, frozen, emptied.

use std::time::{Duration, Instant};

use orderbell::clock::Clock;
use orderbell::firestore::{Access, FirestoreSettings, FirestoreStore};
use orderbell::orders::{Change, OrderId, SourceState};
use orderbell::store::{OrderStore as _, StoreError};
use serde_json::json;

use super::outside::{Outside, order};
use super::proxy::{Proxy, Traffic};
use super::{emulator, settings};
use crate::drafts::draft;
use crate::watcher::{Received, Watcher};

/// A store behind a proxy, and another program that writes past it.
struct Place {
    proxy: Proxy,
    store: FirestoreStore,
    phone: Outside,
    watcher: Watcher,
}

impl Place {
    async fn new(traffic: Traffic, tune: impl FnOnce(&mut FirestoreSettings)) -> Self {
        let proxy = Proxy::new(emulator(), traffic).await;
        let mut settings = settings();
        settings.access = Access::Emulator(proxy.host());
        tune(&mut settings);
        let store = FirestoreStore::start(settings.clone(), Clock::system());
        Self {
            watcher: Watcher::new(&store),
            phone: Outside::new(&settings),
            proxy,
            store,
        }
    }

    async fn write(&self, id: &str, status: &str) {
        let timestamp = json!({"integerValue": "1771842312000"});
        self.phone
            .put(&format!("orders/{id}"), &order(status, &timestamp))
            .await;
    }

    async fn source(&self, what: &str, wanted: impl Fn(&SourceState) -> bool) -> Received {
        self.watcher
            .until(what, |received| {
                received.source.as_ref().is_some_and(&wanted)
            })
            .await
    }
}

fn is_away(state: &SourceState) -> bool {
    matches!(state, SourceState::Away { .. })
}

/// Number of events about an order, after the first snapshot.
fn times(received: &Received, id: &str) -> usize {
    let is = |change: &&Change| match change {
        Change::Upsert(order) => order.id.as_str() == id,
        Change::Remove { id: removed, .. } => removed.as_str() == id,
    };
    received.changes.iter().filter(is).count()
}

#[tokio::test]
async fn it_starts_with_firestore_away_and_comes_up_by_itself() {
    let place = Place::new(Traffic::Refused, |_| {}).await;
    place.source("away", is_away).await;
    let refused = place.store.submit(draft("u1"), None).await;
    let Err(StoreError::Unavailable { retry_after, .. }) = refused else {
        panic!("unavailable: {refused:?}")
    };
    assert!(retry_after > Duration::ZERO);
    place.proxy.set(Traffic::Open);
    place.watcher.live().await;
    assert_eq!(
        place
            .store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        1
    );
}

#[tokio::test]
async fn what_changes_during_a_cut_arrives_once() {
    let place = Place::new(Traffic::Open, |_| {}).await;
    for id in ["stays", "changes", "goes"] {
        place.write(id, "PENDING").await;
    }
    place
        .watcher
        .until("the first orders", |received| received.orders.len() == 3)
        .await;
    place.watcher.live().await;
    let before = place.watcher.now();

    place.proxy.set(Traffic::Refused);
    place.source("away", is_away).await;
    place.write("changes", "CONFIRMED").await;
    place.write("comes", "PENDING").await;
    place.phone.delete("orders/goes").await;
    place.write("short", "PENDING").await;
    place.phone.delete("orders/short").await;
    place.proxy.set(Traffic::Open);
    let healed = Instant::now();
    place
        .source("live", |state| *state == SourceState::Live)
        .await;
    place
        .watcher
        .until("the removal", |received| received.is_removed("goes"))
        .await;
    let received = place
        .watcher
        .until("the new one", |received| received.status("comes").is_some())
        .await;
    println!("recovered from a refusal in {:?}", healed.elapsed());
    assert_eq!(received.status("changes"), Some("CONFIRMED"));
    for (id, expected) in [
        ("stays", 0),
        ("changes", 1),
        ("goes", 1),
        ("comes", 1),
        ("short", 0),
    ] {
        assert_eq!(
            times(&received, id) - times(&before, id),
            expected,
            "{id}: {:?}",
            received.changes
        );
    }
    assert_eq!(received.initial, 1);
}

#[tokio::test]
async fn cuts_between_writes_lose_nothing_and_repeat_nothing() {
    let place = Place::new(Traffic::Open, |_| {}).await;
    place.watcher.live().await;
    for n in 0..6 {
        place.write(&format!("before{n}"), "PENDING").await;
        place.proxy.cut();
        place.write(&format!("after{n}"), "PENDING").await;
    }
    let received = place
        .watcher
        .until("all orders", |received| received.orders.len() == 12)
        .await;
    assert_eq!(received.changes.len(), 12, "each of them once");
}

#[tokio::test]
async fn a_frozen_line_is_noticed_and_healed() {
    let place = Place::new(Traffic::Open, |settings| {
        settings.silence = Duration::from_secs(3);
    })
    .await;
    place.watcher.live().await;
    place.proxy.set(Traffic::Frozen);
    let frozen = Instant::now();
    place.write("meanwhile", "PENDING").await;
    // How soon is a matter of the listener's state machine, whose tests own the clock.
    place.source("away", is_away).await;
    assert!(place.watcher.now().status("meanwhile").is_none());
    place.proxy.set(Traffic::Open);
    let healed = Instant::now();
    let received = place
        .watcher
        .until("the order", |received| {
            received.status("meanwhile").is_some()
        })
        .await;
    println!(
        "noticed after {:?}, recovered in {:?}",
        healed - frozen,
        healed.elapsed()
    );
    assert_eq!(times(&received, "meanwhile"), 1);
}

#[tokio::test]
async fn a_submit_whose_answer_is_lost_is_placed_once() {
    let place = Place::new(Traffic::Open, |_| {}).await;
    place.watcher.live().await;
    place.store.submit(draft("u1"), None).await.expect("placed");
    // Cut again and again while submits are on their way.
    let cutting = async {
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            place.proxy.cut();
        }
    };
    let submitting = async {
        let mut answers = Vec::new();
        for _ in 0..30 {
            answers.push(place.store.submit(draft("u1"), None).await);
        }
        answers
    };
    let ((), answers) = tokio::join!(cutting, submitting);
    let mut placed: Vec<u64> = Vec::new();
    for answer in answers {
        match answer {
            Ok(answer) => placed.push(answer.number),
            Err(StoreError::Unavailable { .. }) => {}
            Err(other) => panic!("known to be placed or not: {other:?}"),
        }
    }
    let last = place
        .store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .number;
    assert!(placed.is_sorted_by(|a, b| a < b));
    // Every number that was given out was answered: none is placed twice, none is placed and refused.
    assert_eq!(placed, (2..last).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_emulator_that_restarts_empty_takes_the_orders_along() {
    let place = Place::new(Traffic::Open, |_| {}).await;
    for n in 1..=3 {
        assert_eq!(
            place
                .store
                .submit(draft("u1"), None)
                .await
                .expect("placed")
                .number,
            n
        );
    }
    place
        .watcher
        .until("three orders", |received| received.orders.len() == 3)
        .await;
    place.watcher.live().await;
    place.proxy.set(Traffic::Refused);
    place.phone.clear().await;
    place.source("away", is_away).await;
    place.proxy.set(Traffic::Open);
    place
        .watcher
        .until("three removals", |received| {
            received.orders.is_empty() && received.removed.len() == 3
        })
        .await;
    assert_eq!(
        place
            .store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        1
    );
    let received = place
        .watcher
        .until("the new first order", |received| {
            received.status("ORD1").is_some()
        })
        .await;
    assert!(
        received.orders[&OrderId::sequential(1)].updated_micros
            > received.removed[&OrderId::sequential(1)]
    );
}
