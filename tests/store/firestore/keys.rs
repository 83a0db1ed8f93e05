//! Idempotency keys as documents.

use orderbell::clock::Clock;
use orderbell::firestore::FirestoreStore;
use orderbell::store::{IdempotencyKey, OrderStore as _, StoreError};
use serde_json::{Value, json};

use super::outside::Outside;
use super::settings;
use crate::drafts::draft;

const KEYS: &str = "orderbell_idempotency";

fn key(text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(text, "u1", &json!({})))
}

/// The document's path of a key.
fn path(text: &str) -> String {
    let digest = IdempotencyKey::new(text, "", &json!({})).digest();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{KEYS}/{hex}")
}

/// A key's document without a fingerprint, as earlier versions wrote it.
fn old(expires: &str) -> Value {
    json!({"orderId": {"stringValue": "ORD7"}, "number": {"integerValue": "7"}, "expiresAt": {"timestampValue": expires}})
}

#[tokio::test]
async fn expired_keys_do_not_count_and_a_few_are_removed() {
    let settings = settings();
    let (store, outside) = (
        FirestoreStore::start(settings.clone(), Clock::system()),
        Outside::new(&settings),
    );
    outside
        .put(&path("old"), &old("2026-01-01T00:00:00Z"))
        .await;
    for n in 0..5 {
        outside
            .put(&format!("{KEYS}/gone{n}"), &old("2026-01-01T00:00:00Z"))
            .await;
    }
    outside
        .put(&path("kept"), &old("2999-01-01T00:00:00Z"))
        .await;
    let placed = store.submit(draft("u1"), key("old")).await.expect("placed");
    assert_eq!(placed.number, 1);
    let again = store.submit(draft("u1"), key("old")).await;
    assert_eq!(again.expect("answered"), placed);

    // Removed after the answer.
    let names = async || {
        let listed = outside.get(KEYS).await;
        let documents = listed["documents"].as_array().cloned().unwrap_or_default();
        documents.len()
    };
    for _ in 0..1_000 {
        if names().await == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(
        names().await,
        2,
        "the key that counts, and the one just made"
    );
}

#[tokio::test]
async fn keys_from_before_there_were_fingerprints_count_for_any_body() {
    let settings = settings();
    let (store, outside) = (
        FirestoreStore::start(settings.clone(), Clock::system()),
        Outside::new(&settings),
    );
    outside
        .put(&path("key"), &old("2999-01-01T00:00:00Z"))
        .await;
    let found = store.submit(draft("u1"), key("key")).await;
    assert_eq!(found.expect("answered").number, 7);
}

#[tokio::test]
async fn a_key_of_another_instance_is_bound_as_well() {
    let settings = settings();
    let [first, second] =
        [(), ()].map(|()| FirestoreStore::start(settings.clone(), Clock::system()));
    let placed = first.submit(draft("u1"), key("k")).await.expect("placed");
    let other = IdempotencyKey::new("k", "u2", &json!({}));
    let refused = second.submit(draft("u2"), Some(other)).await;
    assert!(matches!(refused, Err(StoreError::KeyReused)), "{refused:?}");
    let again = second.submit(draft("u1"), key("k")).await;
    assert_eq!(again.expect("answered"), placed);
}

#[tokio::test]
async fn old_records_of_removals_are_removed() {
    let settings = settings();
    let (store, outside) = (
        FirestoreStore::start(settings.clone(), Clock::system()),
        Outside::new(&settings),
    );
    const REMOVALS: &str = "orderbell_removals";
    for (name, time) in [
        ("ORD900", "2026-01-01T00:00:00Z"),
        ("ORD901", "2026-02-01T00:00:00Z"),
        ("ORD902", "2999-01-01T00:00:00Z"),
    ] {
        let fields = json!({"removedAt": {"timestampValue": time}});
        outside.put(&format!("{REMOVALS}/{name}"), &fields).await;
    }
    let placed = store.submit(draft("u1"), None).await.expect("placed");
    store
        .remove(&placed.order_id, "Ana")
        .await
        .expect("removed");
    let names = async || {
        let listed = outside.get(REMOVALS).await;
        let documents = listed["documents"].as_array().cloned().unwrap_or_default();
        documents.len()
    };
    for _ in 0..1_000 {
        if names().await == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(names().await, 2, "the recent one, and the one just made");
}
