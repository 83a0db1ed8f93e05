//! Others write to the same database: phones, scripts, and other instances.

use std::collections::BTreeSet;
use std::sync::Arc;

use orderbell::clock::Clock;
use orderbell::firestore::{FirestoreSettings, FirestoreStore};
use orderbell::orders::{Card, OrderId, OrderPatch, Position};
use orderbell::store::{
    AccountStore as _, IdempotencyKey, NewSession, OrderStore as _, Session, SessionKind,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::outside::{Outside, order};
use super::settings;
use crate::drafts::{draft, to_status};
use crate::watcher::{Received, Watcher};

fn start(settings: &FirestoreSettings) -> FirestoreStore {
    FirestoreStore::start(settings.clone(), Clock::system())
}

fn millis(n: u64) -> Value {
    json!({"integerValue": (1_771_842_312_000 + n).to_string()})
}

#[tokio::test]
async fn orders_of_every_kind_arrive_change_and_go() {
    let settings = settings();
    let (store, phone) = (start(&settings), Outside::new(&settings));
    phone.put("orders/old", &order("PENDING", &millis(0))).await;
    let watcher = Watcher::new(&store);
    let received = watcher.live().await;
    assert_eq!(received.status("old"), Some("PENDING"));
    assert!(received.changes.is_empty(), "what was there isn't new");

    phone
        .put("orders/whole", &order("PENDING", &millis(1)))
        .await;
    phone
        .put(
            "orders/double",
            &order("PENDING", &json!({"doubleValue": 1_771_842_312_000.5})),
        )
        .await;
    phone
        .put(
            "orders/time",
            &order(
                "PENDING",
                &json!({"timestampValue": "2026-02-23T10:25:12.345678Z"}),
            ),
        )
        .await;
    let received = watcher
        .until("three orders", |received| received.orders.len() == 4)
        .await;
    let time = &received.orders[&OrderId::parse("time").expect("an id")];
    assert_eq!(time.placed_micros, 1_771_842_312_345_000);

    for id in ["whole", "double", "time", "old"] {
        phone
            .set(&format!("orders/{id}"), "status", "CANCELLED")
            .await;
        watcher
            .until(id, |received| received.status(id) == Some("CANCELLED"))
            .await;
    }
    for id in ["whole", "double", "time", "old"] {
        phone.delete(&format!("orders/{id}")).await;
        watcher.until(id, |received| received.is_removed(id)).await;
    }
    // One event for each: three new ones, four changes, four removals.
    assert_eq!(
        watcher.now().changes.len(),
        11,
        "{:?}",
        watcher.now().changes
    );
}

#[tokio::test]
async fn every_document_of_the_fixtures_is_shown() {
    let settings = settings();
    let (store, phone) = (start(&settings), Outside::new(&settings));
    let fixtures: Vec<Value> =
        serde_json::from_str(include_str!("../../fixtures/documents.json")).expect("JSON");
    for fixture in &fixtures {
        phone
            .put(
                &format!("orders/{}", fixture["id"].as_str().expect("an id")),
                &fixture["fields"],
            )
            .await;
    }
    let watcher = Watcher::new(&store);
    let received = watcher.live().await;
    let shown: BTreeSet<_> = received.orders.keys().map(OrderId::as_str).collect();
    let expected: BTreeSet<_> = fixtures
        .iter()
        .filter_map(|fixture| fixture["id"].as_str())
        .collect();
    assert_eq!(shown, expected, "also ORD10, which is open and has no time");
    assert_eq!(store.unreadable(), 0);
    let census = store.census().await.expect("counted");
    assert_eq!((census.documents, census.without_time), (11, 1));
    // An order without a timestamp is in no list, but can be read by its id.
    let without = store
        .get(&OrderId::parse("ORD10").expect("an id"))
        .await
        .expect("answers")
        .expect("there");
    assert_eq!(without.total_amount(), Some(9.0));
}

#[tokio::test]
async fn a_change_leaves_what_json_cannot_hold_as_it_is() {
    let settings = settings();
    let (store, phone) = (start(&settings), Outside::new(&settings));
    let fixtures: Vec<Value> =
        serde_json::from_str(include_str!("../../fixtures/documents.json")).expect("JSON");
    let odd = fixtures
        .iter()
        .find(|fixture| fixture["id"] == "ORD7")
        .expect("there");
    let mut fields = odd["fields"].clone();
    fields["driver"] = json!({"referenceValue": format!("projects/{}/databases/(default)/documents/drivers/d1", settings.project_id)});
    fields["a.b`c"] = json!({"doubleValue": "NaN"});
    phone.put("orders/ORD7", &fields).await;
    let id = OrderId::sequential(7);
    store
        .change(&id, to_status("CONFIRMED"), "Ana")
        .await
        .expect("changed");
    let after = phone.get("orders/ORD7").await;
    for name in [
        "signature",
        "driver",
        "deliveryLocation",
        "expires",
        "a.b`c",
        "timestamp",
    ] {
        assert_eq!(after["fields"][name], fields[name], "{name}");
    }
    assert_eq!(after["fields"]["status"]["stringValue"], "CONFIRMED");
}

#[tokio::test]
async fn numbers_go_on_from_the_counter_that_others_use() {
    let settings = settings();
    let (store, script) = (start(&settings), Outside::new(&settings));
    script
        .put(
            "system/counters",
            &json!({"orderCounter": {"integerValue": "41"}, "other": {"stringValue": "kept"}}),
        )
        .await;
    assert_eq!(
        store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        42
    );
    let counters = script.get("system/counters").await;
    assert_eq!(counters["fields"]["orderCounter"]["integerValue"], "42");
    assert_eq!(counters["fields"]["other"]["stringValue"], "kept");
    // Another program counts in between, and one writes orders without counting.
    script
        .put(
            "system/counters",
            &json!({"orderCounter": {"doubleValue": 50.0}}),
        )
        .await;
    for number in 51..55 {
        script
            .put(
                &format!("orders/ORD{number}"),
                &order("PENDING", &millis(number)),
            )
            .await;
    }
    assert_eq!(
        store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        55
    );
    assert_eq!(
        store
            .submit(draft("u1"), None)
            .await
            .expect("placed")
            .number,
        56
    );
}

/// Positions of the changes that were received.
fn positions(received: &Received) -> Vec<Position> {
    received
        .changes
        .iter()
        .map(orderbell::orders::Change::position)
        .collect()
}

#[tokio::test]
async fn two_instances_deliver_the_same_at_the_same_positions() {
    let settings = settings();
    let (one, two) = (start(&settings), start(&settings));
    let phone = Outside::new(&settings);
    let watchers = [Watcher::new(&one), Watcher::new(&two)];
    for watcher in &watchers {
        watcher.live().await;
    }
    let both = async |what: &str, wanted: &(dyn Fn(&Received) -> bool + Sync)| {
        for watcher in &watchers {
            watcher.until(what, wanted).await;
        }
    };
    let id = one
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    both("the order", &|received| received.status("ORD1").is_some()).await;
    two.change(&id, to_status("CONFIRMED"), "Ana")
        .await
        .expect("changed");
    both("the change", &|received| {
        received.status("ORD1") == Some("CONFIRMED")
    })
    .await;
    phone.put("orders/p1", &order("PENDING", &millis(1))).await;
    both("the phone's", &|received| received.status("p1").is_some()).await;
    phone.delete("orders/p1").await;
    both("its removal", &|received| received.is_removed("p1")).await;
    one.remove(&id, "Ana").await.expect("removed");
    both("the removal", &|received| received.is_removed("ORD1")).await;
    let [first, second] = [watchers[0].now(), watchers[1].now()];
    assert_eq!(positions(&first), positions(&second));
    assert_eq!(first.changes.len(), 5);
    // And the same for an instance that starts afterwards.
    let third = start(&settings);
    let later = Watcher::new(&third).live().await;
    assert_eq!(later.removed, first.removed);
}

#[tokio::test]
async fn two_instances_share_numbers_keys_and_sessions() {
    let settings = settings();
    let instances = [Arc::new(start(&settings)), Arc::new(start(&settings))];
    let mut submits = JoinSet::new();
    for n in 0..50 {
        let store = Arc::clone(&instances[n % 2]);
        submits.spawn(async move {
            store
                .submit(draft("u1"), None)
                .await
                .expect("placed")
                .number
        });
    }
    let numbers: BTreeSet<u64> = submits.join_all().await.into_iter().collect();
    assert_eq!(numbers, (1..=50).collect());

    let key = Some(IdempotencyKey::new("the same", "u1", &json!({})));
    let (first, second) = tokio::join!(
        instances[0].submit(draft("u1"), key.clone()),
        instances[1].submit(draft("u1"), key)
    );
    assert_eq!(first.expect("placed"), second.expect("answered"));

    let session = Session {
        id: "s1".to_owned(),
        admin_id: "a1".to_owned(),
        client: "test".to_owned(),
        kind: SessionKind::Browser,
        password: Some([2; 32]),
        created_at: 1,
        seen_at: 1,
        expires_at: 9,
    };
    let new = NewSession {
        session: session.clone(),
        digest: [1; 32],
    };
    instances[0].begin_session(new).await.expect("begun");
    assert_eq!(
        instances[1].session(&[1; 32]).await.expect("answers"),
        Some(session)
    );
}

/// Who is named on the card of the order, and whether the status may be another program's.
async fn named(store: &FirestoreStore, id: &OrderId) -> (Option<String>, bool) {
    let order = store.get(id).await.expect("an answer").expect("an order");
    let card = Card::from(&order);
    (card.changed_by, card.changed_elsewhere)
}

#[tokio::test]
async fn nobody_is_named_for_a_status_that_another_program_has_set() {
    let settings = settings();
    // A clock that is wrong doesn't matter: times are compared with Firestore's own.
    let store = FirestoreStore::start(settings.clone(), Clock::from_fn(|| 1_000_000));
    let phone = Outside::new(&settings);
    let placed = store.submit(draft("u1"), None).await.expect("placed");
    let (id, path) = (
        placed.order_id.clone(),
        format!("orders/{}", placed.order_id),
    );
    let elsewhere = (None, true);
    let change = async |body: Value| {
        let patch = OrderPatch::parse(body).expect("a good change");
        store.change(&id, patch, "Sara").await.expect("changed")
    };
    change(json!({"status": "CONFIRMED"})).await;
    assert_eq!(named(&store, &id).await, (Some("Sara".to_owned()), false));
    phone.set(&path, "status", "CANCELLED").await;
    assert_eq!(named(&store, &id).await, elsewhere);
    change(json!({"acknowledged": true})).await;
    assert_eq!(named(&store, &id).await, elsewhere);
    change(json!({"status": "CONFIRMED"})).await;
    assert_eq!(named(&store, &id).await, (Some("Sara".to_owned()), false));

    // Sara's entry is from long ago; since then it was cancelled and confirmed by others.
    let mut fields = order("CONFIRMED", &millis(0));
    fields["statusHistory"] = json!({"arrayValue": {"values": [{"mapValue": {"fields": {
        "status": {"stringValue": "CONFIRMED"}, "at": {"integerValue": "1771842312000"}, "by": {"stringValue": "Sara"}}}}]}});
    phone.put("orders/again", &fields).await;
    let again = OrderId::parse("again").expect("an id");
    phone.set("orders/again", "position", "moved").await;
    assert_eq!(named(&store, &again).await, elsewhere);
    let note = OrderPatch::parse(json!({"staffNote": "x"})).expect("a good change");
    store.change(&again, note, "Sara").await.expect("changed");
    assert_eq!(named(&store, &again).await, elsewhere);
}

#[tokio::test]
async fn a_change_writes_its_own_fields_and_no_other() {
    let settings = settings();
    let (store, phone) = (start(&settings), Outside::new(&settings));
    let mut fields = order("ON_WAY", &millis(0));
    let position = json!({"geoPointValue": {"latitude": 36.7, "longitude": 3.0}});
    fields["driverPosition"] = position.clone();
    fields["bytes"] = json!({"bytesValue": "AAECAw=="});
    phone.put("orders/A", &fields).await;
    let id = OrderId::parse("A").expect("an id");
    // Several changes at once, and another program beside them: nothing is lost.
    let mut changes = JoinSet::new();
    let store = Arc::new(store);
    for body in [
        json!({"staffNote": "ring twice"}),
        json!({"driverId": "d1", "driverName": "Sami"}),
        json!({"readyAt": 1_771_842_312_000_u64}),
        json!({"acknowledged": true}),
    ] {
        let patch = OrderPatch::parse(body).expect("a good change");
        let (store, id) = (Arc::clone(&store), id.clone());
        changes.spawn(async move { store.change(&id, patch, "Ana").await.map(drop) });
    }
    phone.set("orders/A", "gate", "open").await;
    for result in changes.join_all().await {
        result.expect("changed");
    }
    let kept = phone.get("orders/A").await["fields"].clone();
    assert_eq!(kept["driverPosition"], position);
    assert_eq!(kept["bytes"], fields["bytes"]);
    assert_eq!(kept["gate"], json!({"stringValue": "open"}));
    assert_eq!(kept["staffNote"], json!({"stringValue": "ring twice"}));
    assert_eq!(kept["driverName"], json!({"stringValue": "Sami"}));
    assert_eq!(kept["readyAt"], json!({"integerValue": "1771842312000"}));
    assert_eq!(kept["acknowledged"], json!({"booleanValue": true}));
}

/// A runtime whose tasks run only while a caller blocks on it.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn calls_go_on_while_the_thread_that_connected_is_busy() {
    let settings = settings();
    let first = runtime();
    let id = OrderId::parse("none").expect("an id");
    let store = first.block_on(async {
        let store = start(&settings);
        assert!(store.get(&id).await.expect("an answer").is_none());
        store
    });
    // The first thread is busy with other things from now on.
    runtime().block_on(async {
        assert!(store.get(&id).await.expect("an answer").is_none());
    });
    drop(store);
}
