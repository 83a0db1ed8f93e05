//! The listener's loop against a scripted server: what the emulator never does. Needs no emulator.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::listen_request::TargetChange as Asked;
use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target::ResumeType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{
    Document, DocumentChange, DocumentDelete, ExistenceFilter, TargetChange, Value,
};
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::Code;
use orderbell::clock::Clock;
use orderbell::firestore::{Access, FirestoreSettings, FirestoreStore};
use orderbell::orders::{OrderId, SourceState};

use super::server::{Listen, Server};
use crate::watcher::Watcher;

const BASE: i64 = 1_771_842_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp {
        seconds: BASE + seconds,
        nanos: 0,
    }
}

fn name(id: &str) -> String {
    format!("projects/shop/databases/(default)/documents/orders/{id}")
}

/// An order of this id, last changed at this second.
fn changed(id: &str, seconds: i64) -> ResponseType {
    let timestamp = Value {
        value_type: Some(ValueType::IntegerValue(BASE * 1_000)),
    };
    ResponseType::DocumentChange(DocumentChange {
        document: Some(Document {
            name: name(id),
            fields: HashMap::from([("timestamp".to_owned(), timestamp)]),
            create_time: Some(at(0)),
            update_time: Some(at(seconds)),
        }),
        target_ids: vec![1],
        removed_target_ids: Vec::new(),
    })
}

fn current() -> ResponseType {
    ResponseType::TargetChange(TargetChange {
        target_change_type: TargetChangeType::Current.into(),
        target_ids: vec![1, 2, 3, 4],
        ..TargetChange::default()
    })
}

fn consistent(seconds: i64) -> ResponseType {
    ResponseType::TargetChange(TargetChange {
        resume_token: format!("token {seconds}").into_bytes(),
        read_time: Some(at(seconds)),
        ..TargetChange::default()
    })
}

/// The tokens of a stream's targets, empty where there is none.
fn tokens(listen: &Listen) -> Vec<String> {
    let token = |asked: &Option<Asked>| match asked {
        Some(Asked::AddTarget(target)) => match &target.resume_type {
            Some(ResumeType::ResumeToken(token)) => String::from_utf8_lossy(token).into_owned(),
            _ => String::new(),
        },
        other => panic!("targets are added: {other:?}"),
    };
    listen
        .requests
        .iter()
        .map(|request| token(&request.target_change))
        .collect()
}

fn start() -> (Server, FirestoreStore, Watcher) {
    let server = Server::start(at(50));
    let mut settings = FirestoreSettings::new("shop", Access::Emulator(server.host.clone()));
    settings.resume = true;
    let store = FirestoreStore::start(settings, Clock::system());
    let watcher = Watcher::new(&store);
    (server, store, watcher)
}

#[tokio::test]
async fn changes_come_one_by_one_and_go_on_after_the_last() {
    let (mut server, store, watcher) = start();
    let listen = server.listen().await;
    assert_eq!(tokens(&listen), ["", "", "", ""]);
    listen.say([changed("a", 1), changed("b", 2), current(), consistent(10)]);
    assert_eq!(watcher.live().await.orders.len(), 2);
    listen.say([changed("b", 11), consistent(12)]);
    watcher
        .until("one change", |received| received.changes.len() == 1)
        .await;

    // The next stream begins at the last consistent point, so it repeats what came after that on the lost one.
    listen.say([changed("a", 13)]);
    drop(listen);
    let listen = server.listen().await;
    assert_eq!(tokens(&listen), ["token 12"; 4]);
    listen.say([changed("a", 13), current(), consistent(14)]);
    let received = watcher
        .until("the other change", |received| received.changes.len() == 2)
        .await;
    assert_eq!(received.initial, 1);
    assert_eq!(received.source, Some(SourceState::Live));
    // Two at first, three changes, and the one that came twice.
    assert_eq!(store.usage().reads, 5);
}

#[tokio::test]
async fn counts_that_differ_are_asked_for_again_and_the_missing_one_is_recorded() {
    let (mut server, _store, watcher) = start();
    let listen = server.listen().await;
    listen.say([changed("a", 1), changed("b", 2), current(), consistent(10)]);
    watcher.live().await;
    let count = ExistenceFilter {
        target_id: 1,
        count: 1,
        unchanged_names: None,
    };
    listen.say([ResponseType::Filter(count), consistent(11)]);
    let listen = server.listen().await;
    assert_eq!(tokens(&listen), ["", "", "", ""]);
    listen.say([changed("b", 2), current(), consistent(12)]);
    // The loop looks "a" up, doesn't find it, and records its removal at the server's time.
    while server.commits().is_empty() {
        tokio::task::yield_now().await;
    }
    listen.say([consistent(51)]);
    let received = watcher
        .until("the removal", |received| received.is_removed("a"))
        .await;
    assert_eq!(received.changes.len(), 1);
    assert_eq!(
        received.removed.values().next().copied(),
        Some(u64::try_from(BASE + 50).expect("fits") * 1_000_000)
    );
    assert_eq!(server.commits().len(), 1);
}

/// Two orders are looked up together, and Firestore refuses the record of one of them for good.
#[tokio::test]
async fn a_record_that_is_refused_for_good_holds_up_no_other_and_is_not_repeated() {
    let (mut server, _store, watcher) = start();
    server.refuse_writes_of("bad");
    let listen = server.listen().await;
    listen.say([
        changed("bad", 1),
        changed("good", 2),
        current(),
        consistent(10),
    ]);
    watcher.live().await;
    let gone = |id: &str| {
        ResponseType::DocumentDelete(DocumentDelete {
            document: name(id),
            removed_target_ids: vec![1],
            read_time: None,
        })
    };
    listen.say([gone("bad"), gone("good"), consistent(60)]);
    let received = watcher
        .until("both removals", |received| {
            received.is_removed("bad") && received.is_removed("good")
        })
        .await;
    let micros = |seconds: i64| u64::try_from(BASE + seconds).expect("fits") * 1_000_000;
    let removed = |id: &str| received.removed[&OrderId::parse(id).expect("an id")];
    assert_eq!(removed("good"), micros(50), "when its record was committed");
    assert_eq!(removed("bad"), micros(60), "when it was noticed");
    // Both together, then each alone.
    assert_eq!(server.commits().len(), 3);
}

#[tokio::test]
async fn a_removal_is_told_even_while_the_stream_is_lost() {
    let (mut server, _store, watcher) = start();
    let listen = server.listen().await;
    listen.say([changed("a", 1), current(), consistent(10)]);
    watcher.live().await;
    let gone = DocumentDelete {
        document: name("a"),
        removed_target_ids: vec![1],
        read_time: None,
    };
    listen.say([ResponseType::DocumentDelete(gone), consistent(60)]);
    watcher
        .until("the removal", |received| received.is_removed("a"))
        .await;
    listen.fail(Code::Unavailable);
    let listen = server.listen().await;
    assert_eq!(tokens(&listen), ["token 60"; 4]);
    listen.say([current(), consistent(61), changed("b", 62), consistent(63)]);
    let received = watcher
        .until("the next order", |received| received.status("b").is_some())
        .await;
    assert_eq!(received.changes.len(), 2);
}

#[tokio::test]
async fn a_refused_token_is_dropped() {
    let (mut server, _store, watcher) = start();
    let listen = server.listen().await;
    listen.say([changed("a", 1), current(), consistent(10)]);
    watcher.live().await;
    drop(listen);
    let listen = server.listen().await;
    assert_eq!(tokens(&listen), ["token 10"; 4]);
    listen.fail(Code::InvalidArgument);
    let listen = server.listen().await;
    assert_eq!(tokens(&listen), ["", "", "", ""]);
    listen.say([changed("a", 1), changed("b", 11), current(), consistent(12)]);
    let received = watcher
        .until("the new order", |received| received.status("b").is_some())
        .await;
    assert_eq!(received.changes.len(), 1);
}

#[tokio::test]
async fn a_permanent_error_says_what_to_do_and_a_passing_one_passes() {
    let (mut server, _store, watcher) = start();
    let listen = server.listen().await;
    listen.say([current(), consistent(10)]);
    watcher.live().await;
    server.refuse(Some(Code::Internal));
    listen.fail(Code::Unavailable);
    watcher
        .until("away", |received| {
            matches!(received.source, Some(SourceState::Away { .. }))
        })
        .await;
    server.refuse(None);
    let listen = server.listen().await;
    listen.say([current(), consistent(11)]);
    watcher
        .until("live", |received| {
            received.source == Some(SourceState::Live)
        })
        .await;
    listen.fail(Code::PermissionDenied);
    let failed = |state: &Option<SourceState>| matches!(state, Some(SourceState::Failed { message }) if message.contains("roles/datastore.user"));
    watcher
        .until("what to do", |received| failed(&received.source))
        .await;
}
