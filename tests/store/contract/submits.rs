//! Numbers and idempotency keys.

use std::collections::HashSet;
use std::sync::Arc;

use orderbell::orders::OrderId;
use orderbell::store::{IdempotencyKey, StoreError};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Store, order};
use crate::drafts::draft;

pub(crate) async fn submits_are_numbered(store: Arc<impl Store>) {
    for number in 1..=3 {
        let placed = store.submit(draft("u1"), None).await.expect("placed");
        assert_eq!(
            (placed.number, placed.order_id.as_str()),
            (number, format!("ORD{number}").as_str())
        );
    }
    let found = order(&*store, &OrderId::sequential(2)).await;
    assert_eq!(found.fields["orderId"], json!("ORD2"));
    assert_eq!(found.fields["userId"], json!("u1"));
    assert_eq!(found.status(), "PENDING");
    assert_eq!(
        found.fields["unknown"],
        json!({"kept": [1, null, {"as": "it is"}]})
    );
    assert!(
        found.fields["timestamp"].is_i64() || found.fields["timestamp"].is_u64(),
        "{:?}",
        found.fields
    );
    assert_eq!(found.created_micros, found.updated_micros);
    assert!(
        store
            .get(&OrderId::sequential(4))
            .await
            .expect("the store answers")
            .is_none()
    );
}

pub(crate) async fn fifty_at_once_are_numbered_one_to_fifty(store: Arc<impl Store>) {
    let mut submits = JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(&store);
        submits.spawn(async move {
            store
                .submit(draft("u1"), None)
                .await
                .expect("placed")
                .number
        });
    }
    let mut numbers = submits.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
}

fn key(text: &str, user: &str, body: &Value) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(text, user, body))
}

pub(crate) async fn a_repeated_key_places_nothing_new(store: Arc<impl Store>) {
    let key = |text| key(text, "u1", &json!({"a": 1}));
    let submit = async |text| {
        let placed = store.submit(draft("u1"), key(text)).await;
        placed.expect("placed")
    };
    let first = submit("a/b?c").await;
    assert_eq!(submit("a/b?c").await, first);
    assert_eq!(submit("other").await.number, 2);

    let mut repeats = JoinSet::new();
    for _ in 0..10 {
        let (store, key) = (Arc::clone(&store), key("same"));
        repeats.spawn(async move {
            store
                .submit(draft("u1"), key)
                .await
                .expect("answered")
                .number
        });
    }
    assert_eq!(
        HashSet::from_iter(repeats.join_all().await),
        HashSet::from([3])
    );
    assert_eq!(
        store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        4
    );
}

pub(crate) async fn a_key_counts_for_one_user_and_one_body(store: Arc<impl Store>) {
    let body = json!({"order": {"totalAmount": 1, "note": "a"}});
    let first = store
        .submit(draft("a/b"), key("c", "a/b", &body))
        .await
        .expect("placed");
    for other in [
        key("c", "a", &body),
        key("c", "b", &body),
        key(
            "c",
            "a/b",
            &json!({"order": {"totalAmount": 1, "note": "b"}}),
        ),
    ] {
        let refused = store.submit(draft("a"), other).await;
        assert!(matches!(refused, Err(StoreError::KeyReused)), "{refused:?}");
    }
    // No other split of user and key means the same.
    for (user, text) in [("a", "b/c"), ("", "a/b/c"), ("a/b/c", "")] {
        let placed = store
            .submit(draft("a"), key(text, user, &body))
            .await
            .expect("placed");
        assert_ne!(placed, first);
    }
    let again = store.submit(draft("a/b"), key("c", "a/b", &body)).await;
    assert_eq!(again.expect("answered"), first);
}
