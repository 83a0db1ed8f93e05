//! Submits have a deadline, and what they answer then is true.

use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::prost_types::Timestamp;
use orderbell::clock::Clock;
use orderbell::firestore::{Access, FirestoreSettings, FirestoreStore};
use orderbell::orders::{ListQuery, OrderId};
use orderbell::store::{IdempotencyKey, OrderStore as _, Placed, StoreError};
use serde_json::json;
use tokio::task::JoinSet;

use super::proxy::{Proxy, Traffic};
use super::server::{OnCommit, Server};
use super::{emulator, settings};
use crate::drafts::{draft, to_status};
use crate::watcher::Watcher;

/// Far longer than a test waits: what answers all the same doesn't wait for it.
const NEVER: Duration = Duration::from_secs(3_600);

async fn start(tune: impl FnOnce(&mut FirestoreSettings)) -> (Proxy, FirestoreStore) {
    let proxy = Proxy::new(emulator(), Traffic::Open).await;
    let mut settings = settings();
    settings.access = Access::Emulator(proxy.host());
    tune(&mut settings);
    (proxy, FirestoreStore::start(settings, Clock::system()))
}

fn key() -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new("k", "u1", &json!({})))
}

/// Submits until the store, which has just been reached again, takes it.
async fn until_placed(store: &FirestoreStore, key: Option<IdempotencyKey>) -> Placed {
    for _ in 0..40 {
        match store.submit(draft("u1"), key.clone()).await {
            Ok(placed) => return placed,
            Err(StoreError::Unavailable { .. } | StoreError::OutcomeUnknown { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("the store isn't reached again")
}

#[tokio::test]
async fn an_order_whose_answer_does_not_come_is_found_by_its_key() {
    let (proxy, store) =
        start(|settings| settings.write_deadline = Duration::from_millis(700)).await;
    let watcher = Watcher::new(&store);
    watcher.live().await;
    // The next commit needs no look before it.
    assert_eq!(
        store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        1
    );
    proxy.set(Traffic::Mute);
    let unknown = store.submit(draft("u1"), key()).await;
    assert!(
        matches!(unknown, Err(StoreError::OutcomeUnknown { .. })),
        "{unknown:?}"
    );
    // While the outcome is looked for, others get their own turn and their own answer.
    let next = store.submit(draft("u2"), None).await;
    assert!(
        matches!(next, Err(StoreError::Unavailable { .. })),
        "{next:?}"
    );
    proxy.set(Traffic::Open);
    let again = until_placed(&store, key()).await;
    assert_eq!(again.number, 2);
    watcher
        .until("both orders", |received| received.orders.len() == 2)
        .await;
    assert!(
        store
            .get(&OrderId::sequential(3))
            .await
            .expect("answers")
            .is_none()
    );
}

#[tokio::test]
async fn others_get_their_turn_while_an_outcome_is_looked_for() {
    let server = Server::start(Timestamp::default());
    server.on_commits(OnCommit::FailAndHoldReads);
    let mut settings = FirestoreSettings::new("shop", Access::Emulator(server.host.clone()));
    settings.write_deadline = Duration::from_millis(700);
    let store = FirestoreStore::start(settings, Clock::system());
    for commits in 1..=3 {
        server.answer_reads();
        let unknown = store.submit(draft("u1"), None).await;
        assert!(
            matches!(unknown, Err(StoreError::OutcomeUnknown { .. })),
            "{unknown:?}"
        );
        // Each has had a turn of its own: its commit was sent.
        assert_eq!(server.commits().len(), commits);
    }
}

#[tokio::test]
async fn an_order_that_was_never_sent_is_refused_and_not_placed() {
    let (proxy, store) =
        start(|settings| settings.write_deadline = Duration::from_millis(700)).await;
    assert_eq!(
        store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        1
    );
    // No listener, so that the submit begins with a read, which isn't answered.
    proxy.set(Traffic::Frozen);
    for _ in 0..2 {
        let refused = store.submit(draft("u1"), key()).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable { .. })),
            "{refused:?}"
        );
    }
    proxy.set(Traffic::Open);
    assert_eq!(until_placed(&store, None).await.number, 2);
}

#[tokio::test]
async fn more_submits_than_may_wait_are_refused_at_once() {
    let (proxy, store) = start(|settings| settings.write_deadline = NEVER).await;
    let store = Arc::new(store);
    proxy.set(Traffic::Frozen);
    let mut submits = JoinSet::new();
    for _ in 0..210 {
        let store = Arc::clone(&store);
        submits.spawn(async move { store.submit(draft("u1"), None).await });
    }
    for _ in 0..10 {
        let refused = submits.join_next().await.expect("a submit");
        let Ok(Err(StoreError::Unavailable { reason, .. })) = refused else {
            panic!("refused: {refused:?}")
        };
        assert!(reason.contains("too many"), "{reason}");
    }
    assert_eq!(submits.len(), 200);
    proxy.set(Traffic::Open);
    while let Some(placed) = submits.join_next().await {
        placed.expect("no panic").expect("placed in the end");
    }
}

/// The scripted server takes queries, and answers none.
#[tokio::test]
async fn a_list_has_a_deadline_of_its_own() {
    let server = Server::start(Timestamp::default());
    let mut settings = FirestoreSettings::new("shop", Access::Emulator(server.host.clone()));
    settings.list_deadline = Duration::from_millis(700);
    let store = FirestoreStore::start(settings, Clock::system());
    let query = ListQuery::newest(10);
    let listed = store.list(&query).await.expect("answered");
    assert!(listed.orders.is_empty() && listed.next.is_none());
    server.hold_queries();
    let refused = store.list(&query).await;
    let Err(StoreError::Unavailable { reason, .. }) = refused else {
        panic!("refused: {refused:?}")
    };
    assert!(reason.contains("a list"), "{reason}");
}

#[tokio::test]
async fn changes_and_removals_have_the_same_deadline() {
    let (proxy, store) =
        start(|settings| settings.write_deadline = Duration::from_millis(700)).await;
    let watcher = Watcher::new(&store);
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    // Neither the order nor anything else can be read.
    proxy.set(Traffic::Frozen);
    let change = store.change(&id, to_status("CONFIRMED"), "Ana").await;
    let removal = store.remove(&id, "Ana").await;
    for refused in [change.map(drop), removal] {
        assert!(
            matches!(refused, Err(StoreError::Unavailable { .. })),
            "{refused:?}"
        );
    }
    proxy.set(Traffic::Open);
    watcher
        .until("the order as it was", |received| {
            received.status("ORD1") == Some("PENDING")
        })
        .await;
}

/// The scripted server answers reads, and no commit.
#[tokio::test]
async fn a_change_whose_commit_is_not_answered_has_an_unknown_outcome() {
    let server = Server::start(Timestamp::default());
    let name = "projects/shop/databases/(default)/documents/orders/ORD1";
    server.keep(Document {
        name: name.to_owned(),
        update_time: Some(Timestamp::default()),
        ..Document::default()
    });
    server.on_commits(OnCommit::Hold);
    let mut settings = FirestoreSettings::new("shop", Access::Emulator(server.host.clone()));
    settings.write_deadline = Duration::from_millis(700);
    let store = FirestoreStore::start(settings, Clock::system());
    let id = OrderId::sequential(1);
    let change = store.change(&id, to_status("CONFIRMED"), "Ana").await;
    let removal = store.remove(&id, "Ana").await;
    let submit = store.submit(draft("u1"), None).await;
    for unknown in [change.map(drop), removal, submit.map(drop)] {
        assert!(
            matches!(unknown, Err(StoreError::OutcomeUnknown { .. })),
            "{unknown:?}"
        );
    }
    assert_eq!(server.commits().len(), 3);
}
