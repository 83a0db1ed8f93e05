//! Snapshots that a watch delivers.

use std::sync::Arc;

use orderbell::orders::{HeldOrder, OrderId};
use serde_json::Value;

use super::{Store, order};
use crate::drafts::{draft, to_status};
use crate::watcher::{Watcher, window};

/// The whole document that is held.
fn document(held: &HeldOrder) -> Value {
    let document = held.document().expect("a document in memory");
    serde_json::from_slice(&document).expect("JSON")
}

pub(crate) async fn a_watch_delivers_the_state_and_every_change(store: Arc<impl Store>) {
    for _ in 0..2 {
        store.submit(draft("u1"), None).await.expect("placed");
    }
    let watcher = Watcher::new(&*store);
    let received = watcher.live().await;
    assert_eq!(received.orders.len(), 2);
    assert!(received.changes.is_empty(), "{received:?}");

    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    let received = watcher
        .until("the new order", |received| {
            received.status("ORD3").is_some()
        })
        .await;
    let placed = Arc::clone(&received.orders[&id]);
    assert_eq!(document(&placed), order(&*store, &id).await.whole());

    let changed = store
        .change(&id, to_status("CONFIRMED"), "Ana")
        .await
        .expect("changed");
    let received = watcher
        .until("the change", |received| {
            received.status("ORD3") == Some("CONFIRMED")
        })
        .await;
    assert_eq!(document(&received.orders[&id]), changed.whole());
    assert!(changed.position() > placed.position());

    store.remove(&id, "Ana").await.expect("removed");
    let received = watcher
        .until("the removal", |received| received.is_removed("ORD3"))
        .await;
    assert!(received.removed[&id] > changed.updated_micros);
    assert_eq!(received.changes.len(), 3, "{received:?}");
    assert_eq!(received.initial, 1);
}

/// Open orders are part of the watch's first snapshot, and of its changes, however many newer orders there are.
pub(crate) async fn open_orders_are_watched_however_old(store: Arc<impl Store>) {
    for _ in 0..3 {
        store.submit(draft("u1"), None).await.expect("placed");
    }
    for _ in 0..6 {
        let id = store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .order_id;
        store
            .change(&id, to_status("DELIVERED"), "Ana")
            .await
            .expect("changed");
    }
    let watcher = Watcher::with_window(&*store, window(4, 50));
    let received = watcher.live().await;
    for id in ["ORD1", "ORD2", "ORD3", "ORD6", "ORD7", "ORD8", "ORD9"] {
        assert!(received.status(id).is_some(), "{id} in {received:?}");
    }
    let id = OrderId::sequential(1);
    for status in ["CONFIRMED", "DELIVERED"] {
        store
            .change(&id, to_status(status), "Ana")
            .await
            .expect("changed");
        watcher
            .until(status, |received| received.status("ORD1") == Some(status))
            .await;
    }
    let id = OrderId::sequential(2);
    store.remove(&id, "Ana").await.expect("removed");
    watcher
        .until("the removal", |received| received.is_removed("ORD2"))
        .await;
    let received = watcher.now();
    assert_eq!(received.status("ORD3"), Some("PENDING"), "{received:?}");
}

pub(crate) async fn a_removal_is_known_to_a_later_watch(store: Arc<impl Store>) {
    let first = Watcher::new(&*store);
    first.live().await;
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    store.remove(&id, "Ana").await.expect("removed");
    let received = first
        .until("the removal", |received| received.is_removed("ORD1"))
        .await;
    let later = Watcher::new(&*store).live().await;
    assert!(later.orders.is_empty());
    assert_eq!(
        later.removed, received.removed,
        "the same time, for a later watch as well"
    );
}
