//! Tests specific to this store; the contract tests cover the rest.

mod growth;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::orders::{
    Change, DraftLimits, ListQuery, OrderDraft, Snapshot, WatchEvent, WindowLimits,
};
use crate::store::{IdempotencyKey, OrderStore as _, Placed};

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
    now: Arc<AtomicU64>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            path: folder.path().join("shop/orders.db"),
            _folder: folder,
            now: Arc::new(AtomicU64::new(1_771_842_000_000_000)),
        }
    }

    fn open(&self) -> EmbeddedStore {
        let now = Arc::clone(&self.now);
        EmbeddedStore::open(
            &self.path,
            Clock::from_fn(move || now.load(Ordering::Relaxed)),
        )
        .expect("the store opens")
    }
}

fn window(orders: usize, open: usize) -> WindowLimits {
    WindowLimits {
        orders,
        open,
        bytes: 1 << 20,
    }
}

fn draft() -> OrderDraft {
    let body = json!({"userId": "u", "order": {"items": [{"name": "a", "quantity": 1}], "totalAmount": 1}});
    OrderDraft::parse(body, DraftLimits { max_items: 5 }).expect("a good draft")
}

async fn submit(store: &EmbeddedStore, key: Option<&str>) -> Placed {
    store
        .submit(
            draft(),
            key.map(|key| IdempotencyKey::new(key, "u", &json!({}))),
        )
        .await
        .expect("placed")
}

async fn newest(store: &EmbeddedStore) -> Vec<crate::orders::HeldOrder> {
    let all = ListQuery::newest(1_000);
    store.list(&all).await.expect("listed").orders
}

fn watch(store: &EmbeddedStore) -> Arc<Mutex<Vec<Snapshot>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    store.watch(
        window(100, 100),
        Box::new(move |event| {
            if let WatchEvent::Snapshot(snapshot) = event {
                sink.lock().expect("not poisoned").push(snapshot);
            }
        }),
    );
    seen
}

#[tokio::test]
async fn commit_times_increase_over_backward_steps_and_restarts() {
    let place = Place::new();
    let mut times = Vec::new();
    for start in 0..3 {
        let store = place.open();
        for step in 0..5 {
            submit(&store, None).await;
            if step == 2 {
                place.now.fetch_sub(3_600_000_000, Ordering::Relaxed);
            }
        }
        let known = newest(&store).await;
        times = known
            .iter()
            .rev()
            .map(|order| order.created_micros)
            .collect();
        assert_eq!(times.len(), (start + 1) * 5);
    }
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[tokio::test]
async fn a_removed_orders_commit_time_is_not_given_again() {
    let place = Place::new();
    let last = {
        let store = place.open();
        let seen = watch(&store);
        let placed = submit(&store, None).await;
        store
            .remove(&placed.order_id, "Ana")
            .await
            .expect("removed");
        let snapshots = seen.lock().expect("not poisoned").clone();
        snapshots.last().expect("a snapshot").changes[0].position()
    };
    place.now.fetch_sub(60_000_000, Ordering::Relaxed);
    let store = place.open();
    let seen = watch(&store);
    submit(&store, None).await;
    let snapshots = seen.lock().expect("not poisoned").clone();
    assert!(matches!(snapshots[0].changes[..], [Change::Remove { .. }]));
    assert_eq!(snapshots[0].changes[0].position(), last);
    assert!(snapshots[1].changes[0].position() > last);
}

#[tokio::test]
async fn numbers_and_keys_go_on_after_a_restart() {
    let place = Place::new();
    let first = submit(&place.open(), Some("key")).await;
    let store = place.open();
    assert_eq!(submit(&store, Some("key")).await, first);
    assert_eq!(submit(&store, None).await.number, 2);
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let store = place.open();
    submit(&store, None).await;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = format!("{}{suffix}", place.path.display());
        let mode = std::fs::metadata(&path)
            .expect("the file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
}

#[tokio::test]
async fn a_lock_file_that_is_open_to_all_is_closed() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    drop(place.open());
    let lock = format!("{}.lock", place.path.display());
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&lock, open).expect("set");
    let _store = place.open();
    let mode = std::fs::metadata(&lock)
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_second_server_on_the_file_is_refused_and_commands_are_not() {
    let place = Place::new();
    let store = place.open();
    let refused = EmbeddedStore::open(&place.path, Clock::system())
        .err()
        .expect("refused");
    assert!(
        refused.to_string().contains("another orderbell process"),
        "{refused}"
    );
    let accounts =
        EmbeddedStore::open_for_accounts(&place.path, Clock::system()).expect("opened beside");
    drop(accounts);
    submit(&store, None).await;
    drop(store);
    place.open();
}

#[tokio::test]
async fn many_writes_share_a_commit_and_fail_alone() {
    let place = Place::new();
    let store = place.open();
    let seen = watch(&store);
    let missing = crate::orders::OrderId::sequential(999);
    let submits = (0..200).map(|_| store.submit(draft(), None));
    let (placed, removed) = tokio::join!(join_all(submits), store.remove(&missing, "Ana"));
    assert!(matches!(removed, Err(StoreError::NotFound)));
    let mut numbers: Vec<_> = placed
        .into_iter()
        .map(|placed| placed.expect("placed").number)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
    let snapshots = seen.lock().expect("not poisoned").clone();
    let changes: usize = snapshots
        .iter()
        .map(|snapshot| snapshot.changes.len())
        .sum();
    assert_eq!(changes, 200);
    assert!(
        snapshots.len() < 100,
        "{} commits for 200 orders",
        snapshots.len()
    );
    for snapshot in &snapshots {
        assert!(
            snapshot
                .changes
                .windows(2)
                .all(|pair| pair[0].position() < pair[1].position())
        );
    }
}

/// Polls all futures concurrently on this task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, output) in &mut waiting {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(done) => *output = Some(done),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    waiting
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

#[tokio::test]
async fn a_writer_that_panics_is_the_end_and_says_so() {
    let place = Place::new();
    let store = place.open();
    store.watch(
        window(10, 10),
        Box::new(|event| {
            assert!(
                !matches!(event, WatchEvent::Snapshot(snapshot) if !snapshot.initial),
                "on purpose"
            );
        }),
    );
    let refused = store.submit(draft(), None).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })));
    assert!(store.ended().await.to_string().contains("panicked"));
}
