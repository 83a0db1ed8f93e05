//! Look-ups of accounts against a scripted server whose watch lags behind. Needs no emulator.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentChange, TargetChange, Value};
use firestore::gcloud_sdk::prost_types::Timestamp;
use orderbell::clock::Clock;
use orderbell::firestore::{Access, FirestoreSettings, FirestoreStore};
use orderbell::store::AccountStore;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::server::{Listen, Server};

/// When everything that the store writes is committed.
const COMMIT: i64 = 100;

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

fn document(target: i32, path: &str, fields: &[(&str, &str)]) -> ResponseType {
    let text = |text: &str| Value {
        value_type: Some(ValueType::StringValue(text.to_owned())),
    };
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), text(value)));
    ResponseType::DocumentChange(DocumentChange {
        document: Some(Document {
            name: format!("projects/shop/databases/(default)/documents/{path}"),
            fields: HashMap::from_iter(fields),
            update_time: Some(at(1)),
            ..Document::default()
        }),
        target_ids: vec![target],
        removed_target_ids: Vec::new(),
    })
}

fn target(kind: TargetChangeType, target_ids: Vec<i32>, read_time: Option<i64>) -> ResponseType {
    ResponseType::TargetChange(TargetChange {
        target_change_type: kind.into(),
        target_ids,
        read_time: read_time.map(at),
        ..TargetChange::default()
    })
}

fn consistent(seconds: i64) -> ResponseType {
    target(TargetChangeType::NoChange, Vec::new(), Some(seconds))
}

async fn wait_for(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..400 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it has not come: {what}");
}

/// A store whose watch has delivered one admin, one session and one token. The server has none of them: what is found was in
/// memory.
async fn open() -> (FirestoreStore, Listen, Server) {
    open_trusting(std::time::Duration::from_secs(40)).await
}

async fn open_trusting(trust: std::time::Duration) -> (FirestoreStore, Listen, Server) {
    let mut server = Server::start(at(COMMIT));
    let access = Access::Emulator(server.host.clone());
    let settings = FirestoreSettings {
        trust,
        ..FirestoreSettings::new("shop", access)
    };
    let store = FirestoreStore::start(settings, Clock::system());
    store.watch_accounts();
    let listen = server.listen().await;
    assert!(!store.answers_from_memory());
    let digest = "07".repeat(32);
    listen.say([
        document(
            1,
            "admins/ana",
            &[("email", "ana@shop.example"), ("password", "hash")],
        ),
        document(
            2,
            &format!("orderbell_sessions/{digest}"),
            &[("id", "s"), ("adminId", "ana")],
        ),
        document(
            3,
            &format!("orderbell_tokens/{digest}"),
            &[("id", "t"), ("adminId", "ana")],
        ),
        target(TargetChangeType::Current, vec![1, 2, 3], None),
        consistent(50),
    ]);
    wait_for("the watch", async || store.answers_from_memory()).await;
    (store, listen, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_are_answered_from_memory() {
    let (store, listen, _server) = open().await;
    let ana = store.admin_by_id("ana").await.expect("answers");
    assert_eq!(ana.expect("there").email, "ana@shop.example");
    assert!(store.admin_by_id("ben").await.expect("answers").is_none());
    let by_email = store.admin_by_email("ANA@shop.example").await;
    assert!(by_email.expect("answers").is_some());
    assert_eq!(store.admins().await.expect("answers").len(), 1);
    let session = store.session(&[7; 32]).await.expect("answers");
    assert_eq!(session.expect("there").admin_id, "ana");
    let token = store.token(&[7; 32]).await.expect("answers");
    assert_eq!(token.expect("there").admin_id.as_deref(), Some("ana"));
    assert!(store.token(&[8; 32]).await.expect("answers").is_none());
    assert_eq!(store.usage().reads, 3, "those that the watch has received");
    // It may have begun on another instance a moment ago.
    assert!(store.session(&[8; 32]).await.expect("answers").is_none());
    assert_eq!(store.usage().reads, 4);

    let generation = store.generation();
    drop(listen);
    wait_for("the end of the watch", async || {
        !store.answers_from_memory()
    })
    .await;
    assert!(generation.is_some() && store.generation().is_none());
    assert!(store.admin_by_id("ana").await.expect("answers").is_none());
    assert_eq!(store.usage().reads, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_just_written_is_not_looked_up_in_memory() {
    let (store, listen, _server) = open().await;
    let disabled = store.set_admin_disabled("ana", false).await;
    disabled.expect("set");
    store.end_session("s").await.expect("ended");
    for seconds in [50, COMMIT - 1] {
        listen.say([consistent(seconds)]);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        // The server's answers, not memory's.
        assert!(store.admin_by_id("ana").await.expect("answers").is_none());
        assert!(store.session(&[7; 32]).await.expect("answers").is_none());
        assert!(store.token(&[7; 32]).await.expect("answers").is_some());
    }
    listen.say([consistent(COMMIT)]);
    wait_for("the watch", async || {
        store.admin_by_id("ana").await.expect("answers").is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_silent_for_too_long_is_not_trusted() {
    let (store, listen, _server) = open_trusting(std::time::Duration::from_millis(400)).await;
    wait_for("the end of trust", async || !store.answers_from_memory()).await;
    assert!(store.generation().is_none());
    // The server's answer: there is no such admin any more.
    assert!(store.admin_by_id("ana").await.expect("answers").is_none());
    let reads = store.usage().reads;
    let mut registry = Registry::default();
    store.register(&mut registry);
    let mut metrics = String::new();
    encode(&mut metrics, &registry).expect("text");
    let counted = "firestore_silent_watch_lookups_total 1\n";
    assert!(metrics.contains(counted), "{metrics}");
    // It may have waited in a buffer, ahead of a change.
    listen.say([target(TargetChangeType::NoChange, vec![1], None)]);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!store.answers_from_memory());
    listen.say([consistent(51)]);
    wait_for("a sign of life", async || store.answers_from_memory()).await;
    assert!(store.admin_by_id("ana").await.expect("answers").is_some());
    assert_eq!(store.usage().reads, reads, "and nothing was read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_gives_signs_of_life_is_trusted() {
    let (store, listen, _server) = open_trusting(std::time::Duration::from_secs(2)).await;
    for _ in 0..12 {
        // What Google's servers send every 30 seconds.
        listen.say([target(TargetChangeType::NoChange, vec![1], None)]);
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        assert!(store.answers_from_memory());
    }
}
