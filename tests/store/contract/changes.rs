//! Changes and removals of orders.

use std::sync::Arc;

use orderbell::orders::{Card, Order, OrderId, OrderPatch};
use orderbell::store::StoreError;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Store, order};
use crate::drafts::{draft, patch, to_status};

pub(crate) async fn a_change_touches_what_it_says(store: Arc<impl Store>) {
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    let before = order(&*store, &id).await;
    let expecting = |expected: &str| OrderPatch {
        expected_status: Some(expected.to_owned()),
        ..to_status("CONFIRMED")
    };
    let refused = store.change(&id, expecting("DELIVERED"), "Ana").await;
    let Err(StoreError::Conflict(now)) = refused else {
        panic!("a conflict: {refused:?}")
    };
    assert_eq!(now.status(), "PENDING");

    let changed = store
        .change(&id, expecting("PENDING"), "Ana")
        .await
        .expect("changed");
    assert_eq!(changed, order(&*store, &id).await);
    assert!(changed.updated_micros > before.updated_micros);
    assert_eq!(changed.created_micros, before.created_micros);
    assert_eq!(changed.status(), "CONFIRMED");
    assert_eq!(changed.fields["updatedBy"], json!("Ana"));
    for field in [
        "unknown",
        "items",
        "totalAmount",
        "timestamp",
        "userId",
        "orderId",
    ] {
        assert_eq!(changed.fields[field], before.fields[field], "{field}");
    }

    let again = store
        .change(&id, to_status("CONFIRMED"), "Ben")
        .await
        .expect("nothing to do");
    assert_eq!(again, changed);

    let missing = store
        .change(&OrderId::sequential(9), to_status("CONFIRMED"), "Ana")
        .await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
}

pub(crate) async fn an_acknowledgement_is_recorded_and_can_be_taken_back(store: Arc<impl Store>) {
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    let seen = OrderPatch {
        acknowledged: Some(true),
        ..OrderPatch::default()
    };
    let seen = store.change(&id, seen, "Ben").await.expect("changed");
    assert!(seen.acknowledged());
    assert_eq!(seen.fields["acknowledgedBy"], json!("Ben"));
    let unseen = OrderPatch {
        acknowledged: Some(false),
        ..OrderPatch::default()
    };
    let unseen = store.change(&id, unseen, "Ben").await.expect("changed");
    assert!(!unseen.fields.contains_key("acknowledgedBy"));
    assert_eq!(unseen, order(&*store, &id).await);
}

pub(crate) async fn one_of_several_that_expect_the_same_status_changes_it(store: Arc<impl Store>) {
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    let mut takers = JoinSet::new();
    for _ in 0..5 {
        let (store, id) = (Arc::clone(&store), id.clone());
        let take = OrderPatch {
            expected_status: Some("PENDING".to_owned()),
            ..to_status("ON_WAY")
        };
        takers.spawn(async move { store.change(&id, take, "Ana").await.is_ok() });
    }
    let taken = takers
        .join_all()
        .await
        .into_iter()
        .filter(|taken| *taken)
        .count();
    assert_eq!(taken, 1);
}

pub(crate) async fn what_admins_write_is_kept_until_null_removes_it(store: Arc<impl Store>) {
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    let change = async |body: Value| {
        let changed = store.change(&id, patch(body), "Ana").await;
        let changed = changed.expect("changed");
        assert_eq!(changed, order(&*store, &id).await);
        changed
    };
    let before = change(json!({"status": "CANCELLED"})).await;
    for (name, value) in [
        ("readyAt", json!(1_771_842_312_000_u64)),
        ("cancelReason", json!("OUT_OF_STOCK")),
        ("cancelNote", json!("no tomatoes\nuntil Monday")),
        ("staffNote", json!("ring twice")),
        ("driverId", json!("d-1")),
        ("driverName", json!("Sami")),
        ("itemsDone", json!([0])),
    ] {
        let with = change(json!({ name: value })).await;
        assert_eq!(with.fields[name], value);
        assert_eq!(with.fields["updatedBy"], json!("Ana"));
        assert_eq!(with.fields["statusHistory"], before.fields["statusHistory"]);
        assert!(with.updated_micros > before.updated_micros);
        let again = change(json!({ name: value })).await;
        assert_eq!(again, with, "nothing to do");
        let without = change(json!({ name: null })).await;
        assert!(!without.fields.contains_key(name), "{name}");
        let rest = |order: &Order| {
            let mut fields = order.fields.clone();
            fields.retain(|name, _| name != "historyCheckedAt");
            fields
        };
        assert_eq!(rest(&without), rest(&before), "{name}");
        let again = change(json!({ name: null })).await;
        assert_eq!(again, without, "nothing to do");
    }
    let all = json!({"status": "ON_WAY", "acknowledged": true, "staffNote": "x", "driverId": "d-1", "driverName": "Sami"});
    let all = change(all).await;
    assert_eq!(all.status(), "ON_WAY");
    assert_eq!(all.fields["driverName"], json!("Sami"));
}

pub(crate) async fn a_field_has_to_fit_the_order_as_it_is(store: Arc<impl Store>) {
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    let before = order(&*store, &id).await;
    for (body, field) in [
        (
            json!({"acknowledged": true, "itemsDone": [0, 1]}),
            "itemsDone",
        ),
        (
            json!({"acknowledged": true, "cancelReason": "CLOSED"}),
            "cancelReason",
        ),
        (
            json!({"status": "CONFIRMED", "cancelReason": "CLOSED"}),
            "cancelReason",
        ),
        (
            json!({"acknowledged": true, "cancelNote": "x"}),
            "cancelNote",
        ),
    ] {
        let refused = store.change(&id, patch(body), "Ana").await;
        let Err(StoreError::Invalid(error)) = refused else {
            panic!("a refusal: {refused:?}")
        };
        assert_eq!(error.field, field);
    }
    assert_eq!(order(&*store, &id).await, before, "nothing was changed");
    // An order that has changed meanwhile is the more useful answer.
    let stale = json!({"expectedStatus": "CANCELLED", "cancelReason": "CLOSED"});
    let refused = store.change(&id, patch(stale), "Ana").await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );

    let reason = json!({"status": "CANCELLED", "cancelReason": "CLOSED", "cancelNote": "x"});
    let cancelled = store.change(&id, patch(reason), "Ana").await;
    assert_eq!(
        cancelled.expect("changed").fields["cancelReason"],
        json!("CLOSED")
    );
    let other = patch(json!({"cancelReason": "OTHER"}));
    let cancelled = store.change(&id, other, "Ana").await.expect("changed");
    assert_eq!(cancelled.fields["cancelReason"], json!("OTHER"));
    let back = store.change(&id, to_status("PENDING"), "Ana").await;
    let back = back.expect("changed").fields;
    assert!(!back.contains_key("cancelReason") && !back.contains_key("cancelNote"));
}

pub(crate) async fn the_author_of_a_status_is_recorded(store: Arc<impl Store>) {
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    let named = |order: &Order| {
        let card = Card::from(order);
        (card.changed_by, card.changed_elsewhere)
    };
    assert_eq!(named(&order(&*store, &id).await), (None, false));
    for (body, by, name) in [
        (json!({"acknowledged": true}), "Ben", None),
        (json!({"status": "CONFIRMED"}), "Ana", Some("Ana")),
        (json!({"acknowledged": false}), "Ben", Some("Ana")),
        (json!({"staffNote": "x"}), "Ben", Some("Ana")),
        (
            json!({"status": "ON_WAY", "driverName": "Sami"}),
            "Ben",
            Some("Ben"),
        ),
        (json!({"driverName": null}), "Ana", Some("Ben")),
    ] {
        let changed = store.change(&id, patch(body.clone()), by).await;
        let expected = (name.map(str::to_owned), false);
        assert_eq!(named(&changed.expect("changed")), expected, "{body}");
        assert_eq!(named(&order(&*store, &id).await), expected, "{body}");
    }
}

pub(crate) async fn a_removed_order_is_gone(store: Arc<impl Store>) {
    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    store.remove(&id, "Ana").await.expect("removed");
    assert!(store.get(&id).await.expect("the store answers").is_none());
    let again = store.remove(&id, "Ana").await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    assert_eq!(
        store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        2
    );
}
