//! One story for every store: what whoever uses the port relies on.
//!
//! Compiled into the crate's own tests, where the embedded store tells it, and into those that need an emulator.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use orderbell::orders::{
    Card, Change, DraftLimits, HeldOrder, ListQuery, Order, OrderDraft, OrderId, OrderPatch,
    Position, SourceState, WatchEvent, WindowLimits,
};
use orderbell::store::{
    AccountStore, IdempotencyKey, MAX_SESSIONS, NewAdmin, NewPassword, NewSession, OrderStore,
    Session, SessionKind, SessionUse, StoreError, Token,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Far more than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a test of every chapter, each on a fresh store from `$open`, an async function. To be called where this module is
/// known as `story`.
macro_rules! tell {
    ($open:path) => {
        story::tell!(@ $open: submits_are_numbered, fifty_at_once_are_numbered_one_to_fifty,
            a_repeated_key_places_nothing_new, a_key_counts_for_one_user_and_one_body,
            a_change_touches_what_it_says, what_admins_write_is_kept_until_null_removes_it,
            a_field_has_to_fit_the_order_as_it_is, whoever_sets_the_status_is_named, a_removed_order_is_gone,
            a_list_is_paged_from_newest_to_oldest, a_watch_tells_the_state_and_every_change,
            a_removal_is_known_to_a_later_watch, admins_are_found_and_disabled, sessions_begin_and_end,
            an_admin_has_so_many_sessions, tokens_are_kept_until_revoked, a_secret_is_made_once,
            open_orders_are_watched_however_old, a_list_ends_where_the_store_says_so,
            a_list_can_be_of_a_time, a_password_is_replaced_along_with_its_session,
            a_session_in_use_gets_a_fingerprint, a_session_in_use_outlasts_those_that_are_never_used_again,
            each_kind_of_sessions_has_a_number_of_its_own, the_token_of_a_phone_is_kept);
    };
    (@ $open:path: $($chapter:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $chapter() {
                let (store, _kept) = $open().await;
                story::$chapter(std::sync::Arc::new(store)).await;
            }
        )+
    };
}
pub(crate) use tell;

// By its path: other crates include this file by its path, too, and would look for the module elsewhere.
#[path = "account_story.rs"]
mod accounts;
pub(crate) use accounts::*;

/// What every store does.
pub(crate) trait Store: OrderStore + AccountStore + 'static {}
impl<T: OrderStore + AccountStore + 'static> Store for T {}

/// A submit's body with something that no reader knows.
pub(crate) fn draft(user: &str) -> OrderDraft {
    draft_with(user, &json!({}))
}

fn draft_with(user: &str, more: &Value) -> OrderDraft {
    let mut order = json!({
        "items": [{"productName": "Tomato", "productPrice": "$2.50", "quantity": 1.5}],
        "totalAmount": 7.5,
        "unknown": {"kept": [1, null, {"as": "it is"}]},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        order[name] = value.clone();
    }
    OrderDraft::parse(
        json!({"userId": user, "order": order}),
        DraftLimits { max_items: 10 },
    )
    .expect("a valid order")
}

/// A change of the status, whatever it is now.
pub(crate) fn to_status(status: &str) -> OrderPatch {
    OrderPatch {
        status: Some(status.parse().expect("a status")),
        ..OrderPatch::default()
    }
}

async fn order(store: &impl Store, id: &OrderId) -> Order {
    store
        .get(id)
        .await
        .expect("the store answers")
        .expect("the order is there")
}

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

    let missing = store
        .change(&OrderId::sequential(9), to_status("CONFIRMED"), "Ana")
        .await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");

    // Of several who say "I take it" at once, one does.
    let mut takers = JoinSet::new();
    for _ in 0..5 {
        let (store, id) = (Arc::clone(&store), id.clone());
        let take = OrderPatch {
            expected_status: Some("CONFIRMED".to_owned()),
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

fn patch(body: Value) -> OrderPatch {
    OrderPatch::parse(body).expect("a good change")
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

pub(crate) async fn whoever_sets_the_status_is_named(store: Arc<impl Store>) {
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

pub(crate) async fn a_list_is_paged_from_newest_to_oldest(store: Arc<impl Store>) {
    for number in 1..=7 {
        store.submit(draft("u1"), None).await.expect("placed");
        if number % 2 == 0 {
            store
                .change(&OrderId::sequential(number), to_status("CONFIRMED"), "Ana")
                .await
                .expect("changed");
        }
    }
    let all = pages(&*store, &[]).await;
    assert_eq!(
        all,
        ["ORD7", "ORD6", "ORD5", "ORD4", "ORD3", "ORD2", "ORD1"]
    );
    assert_eq!(
        pages(&*store, &["CONFIRMED"]).await,
        ["ORD6", "ORD4", "ORD2"]
    );
    assert_eq!(pages(&*store, &["CONFIRMED", "PENDING"]).await, all);
    assert_eq!(pages(&*store, &["DELIVERED"]).await, Vec::<String>::new());
}

/// Also where the last page is full.
pub(crate) async fn a_list_ends_where_the_store_says_so(store: Arc<impl Store>) {
    let nothing = store.list(&ListQuery::newest(3)).await.expect("listed");
    assert!(nothing.orders.is_empty() && nothing.next.is_none());
    for number in 1..=4 {
        store.submit(draft("u1"), None).await.expect("placed");
        if number > 2 {
            let id = OrderId::sequential(number);
            let delivered = to_status("DELIVERED");
            store.change(&id, delivered, "Ana").await.expect("changed");
        }
    }
    let page = async |statuses: &[&str], limit| {
        let query = ListQuery {
            statuses: statuses.iter().map(|status| (*status).to_owned()).collect(),
            ..ListQuery::newest(limit)
        };
        let page = store.list(&query).await.expect("listed");
        let last = page.orders.last().expect("an order");
        let last = Position::new(last.placed_micros, &last.id);
        (page.orders.len(), page.next.map(|next| next == last))
    };
    assert_eq!(page(&[], 3).await, (3, Some(true)));
    assert_eq!(page(&[], 4).await, (4, None));
    assert_eq!(page(&[], 5).await, (4, None));
    assert_eq!(page(&["DELIVERED"], 1).await, (1, Some(true)));
    assert_eq!(page(&["DELIVERED"], 2).await, (2, None));
}

/// The beginning of a time belongs to it, its end doesn't.
pub(crate) async fn a_list_can_be_of_a_time(store: Arc<impl Store>) {
    for number in 1..=7 {
        store.submit(draft("u1"), None).await.expect("placed");
        if number % 2 == 0 {
            store
                .change(&OrderId::sequential(number), to_status("CONFIRMED"), "Ana")
                .await
                .expect("changed");
        }
    }
    let page = store.list(&ListQuery::newest(9)).await.expect("listed");
    let orders = page.orders;
    let time = |number: u64| {
        let mut orders = orders.iter();
        let order = orders.find(|order| order.id == OrderId::sequential(number));
        order.expect("listed").placed_micros
    };
    let names = |numbers: &[u64]| -> Vec<String> {
        let names = numbers.iter().map(|number| format!("ORD{number}"));
        names.collect()
    };
    for from in 1..=7 {
        for to in from..=7 {
            let all: Vec<u64> = (from..to).rev().collect();
            let placed = time(from)..time(to);
            assert_eq!(
                pages_of(&*store, &[], placed.clone()).await,
                names(&all),
                "{placed:?}"
            );
            let even: Vec<u64> = all.into_iter().filter(|number| number % 2 == 0).collect();
            assert_eq!(
                pages_of(&*store, &["CONFIRMED"], placed).await,
                names(&even)
            );
        }
    }
    for (placed, numbers) in [
        (time(3)..time(3) + 1, &[3][..]),
        (time(6)..u64::MAX, &[7, 6]),
        (0..time(2) + 1, &[2, 1]),
        (time(7) + 1..u64::MAX, &[]),
        (0..time(1), &[]),
    ] {
        assert_eq!(pages_of(&*store, &[], placed).await, names(numbers));
    }
}

async fn pages(store: &impl Store, statuses: &[&str]) -> Vec<String> {
    pages_of(store, statuses, 0..u64::MAX).await
}

async fn pages_of(store: &impl Store, statuses: &[&str], placed: Range<u64>) -> Vec<String> {
    let mut query = ListQuery {
        statuses: statuses.iter().map(|status| (*status).to_owned()).collect(),
        placed,
        ..ListQuery::newest(3)
    };
    let mut ids = Vec::new();
    for _ in 0..10 {
        let page = store.list(&query).await.expect("the store answers");
        assert!(page.orders.len() <= query.limit);
        ids.extend(page.orders.iter().map(|order| order.id.to_string()));
        let Some(next) = page.next else {
            return ids;
        };
        assert!(query.before.is_none_or(|before| next < before), "{next}");
        for order in &page.orders {
            assert!(Position::new(order.placed_micros, &order.id) >= next);
        }
        query.before = Some(next);
    }
    panic!("pages without end: {ids:?}")
}

/// What somebody who watches has been told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) orders: BTreeMap<OrderId, Arc<HeldOrder>>,
    pub(crate) removed: BTreeMap<OrderId, u64>,
    /// Every change after the first snapshot.
    pub(crate) changes: Vec<Change>,
    pub(crate) initial: usize,
    pub(crate) source: Option<SourceState>,
}

/// So many of the newest orders, and so many open ones beside them.
pub(crate) fn window(orders: usize, open: usize) -> WindowLimits {
    WindowLimits {
        orders,
        open,
        bytes: 64 << 20,
    }
}

/// The whole document that is held.
pub(crate) fn document(held: &HeldOrder) -> Value {
    let document = held.document().expect("a document in memory");
    serde_json::from_slice(&document).expect("JSON")
}

/// Watches a store.
pub(crate) struct Watcher(watch::Receiver<Told>);

impl Watcher {
    pub(crate) fn new(store: &(impl OrderStore + ?Sized)) -> Self {
        Self::with_window(store, window(100, 100))
    }

    pub(crate) fn with_window(store: &(impl OrderStore + ?Sized), window: WindowLimits) -> Self {
        let (sender, receiver) = watch::channel(Told::default());
        store.watch(
            window,
            Box::new(move |event| sender.send_modify(|told| told.take(event))),
        );
        Self(receiver)
    }

    pub(crate) fn now(&self) -> Told {
        self.0.borrow().clone()
    }

    /// Waits until what was told is as `wanted`.
    pub(crate) async fn until(&self, what: &str, mut wanted: impl FnMut(&Told) -> bool) -> Told {
        let mut told = self.0.clone();
        if let Ok(Ok(told)) =
            tokio::time::timeout(PATIENCE, told.wait_for(|told| wanted(told))).await
        {
            return told.clone();
        }
        panic!("not told in time: {what}; {:?}", self.now())
    }

    pub(crate) async fn live(&self) -> Told {
        self.until("live", |told| {
            told.initial == 1 && told.source == Some(SourceState::Live)
        })
        .await
    }
}

impl Told {
    fn take(&mut self, event: WatchEvent) {
        let snapshot = match event {
            WatchEvent::Source(state) => {
                self.source = Some(state);
                return;
            }
            WatchEvent::Snapshot(snapshot) => snapshot,
        };
        assert!(
            snapshot.changes.is_sorted_by_key(Change::position),
            "{snapshot:?}"
        );
        self.initial += usize::from(snapshot.initial);
        for change in &snapshot.changes {
            match change {
                Change::Upsert(order) => {
                    self.orders.insert(order.id.clone(), Arc::clone(order));
                }
                Change::Remove { id, micros } => {
                    self.orders.remove(id);
                    self.removed.insert(id.clone(), *micros);
                }
            }
        }
        if !snapshot.initial {
            self.changes.extend(snapshot.changes);
        }
    }

    /// Status of an order that was told of and not removed.
    pub(crate) fn status(&self, id: &str) -> Option<&str> {
        self.orders
            .get(&OrderId::parse(id).ok()?)
            .map(|order| order.status())
    }

    pub(crate) fn is_removed(&self, id: &str) -> bool {
        OrderId::parse(id).is_ok_and(|id| self.removed.contains_key(&id))
    }
}

pub(crate) async fn a_watch_tells_the_state_and_every_change(store: Arc<impl Store>) {
    for _ in 0..2 {
        store.submit(draft("u1"), None).await.expect("placed");
    }
    let watcher = Watcher::new(&*store);
    let told = watcher.live().await;
    assert_eq!(told.orders.len(), 2);
    assert!(told.changes.is_empty(), "{told:?}");

    let id = store
        .submit(draft("u1"), None)
        .await
        .expect("placed")
        .order_id;
    let told = watcher
        .until("the new order", |told| told.status("ORD3").is_some())
        .await;
    let placed = Arc::clone(&told.orders[&id]);
    assert_eq!(document(&placed), order(&*store, &id).await.whole());

    let changed = store
        .change(&id, to_status("CONFIRMED"), "Ana")
        .await
        .expect("changed");
    let told = watcher
        .until("the change", |told| {
            told.status("ORD3") == Some("CONFIRMED")
        })
        .await;
    assert_eq!(document(&told.orders[&id]), changed.whole());
    assert!(changed.position() > placed.position());

    store.remove(&id, "Ana").await.expect("removed");
    let told = watcher
        .until("the removal", |told| told.is_removed("ORD3"))
        .await;
    assert!(told.removed[&id] > changed.updated_micros);
    assert_eq!(told.changes.len(), 3, "{told:?}");
    assert_eq!(told.initial, 1);
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
    let told = watcher.live().await;
    for id in ["ORD1", "ORD2", "ORD3", "ORD6", "ORD7", "ORD8", "ORD9"] {
        assert!(told.status(id).is_some(), "{id} in {told:?}");
    }
    let id = OrderId::sequential(1);
    for status in ["CONFIRMED", "DELIVERED"] {
        store
            .change(&id, to_status(status), "Ana")
            .await
            .expect("changed");
        watcher
            .until(status, |told| told.status("ORD1") == Some(status))
            .await;
    }
    let id = OrderId::sequential(2);
    store.remove(&id, "Ana").await.expect("removed");
    watcher
        .until("the removal", |told| told.is_removed("ORD2"))
        .await;
    let told = watcher.now();
    assert_eq!(told.status("ORD3"), Some("PENDING"), "{told:?}");
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
    let told = first
        .until("the removal", |told| told.is_removed("ORD1"))
        .await;
    let later = Watcher::new(&*store).live().await;
    assert!(later.orders.is_empty());
    assert_eq!(
        later.removed, told.removed,
        "the same time, for a later watch as well"
    );
}

pub(crate) async fn admins_are_found_and_disabled(store: Arc<impl Store>) {
    let new = |email: &str| NewAdmin {
        email: email.to_owned(),
        name: "Ana".to_owned(),
        password_hash: "hash".to_owned(),
    };
    let ana = store
        .add_admin(new("Ana@shop.example"))
        .await
        .expect("added");
    assert_eq!(
        store.admin_by_id(&ana.id).await.expect("answers"),
        Some(ana.clone())
    );
    assert_eq!(
        store
            .admin_by_email("ana@SHOP.example")
            .await
            .expect("answers"),
        Some(ana.clone())
    );
    assert_eq!(
        store
            .admin_by_email("ben@shop.example")
            .await
            .expect("answers"),
        None
    );
    assert_eq!(store.admin_by_id("nobody").await.expect("answers"), None);
    assert_eq!(store.admin_by_id("no/body").await.expect("answers"), None);
    let twice = store.add_admin(new("ANA@shop.example")).await;
    assert!(matches!(twice, Err(StoreError::Exists)), "{twice:?}");
    let ben = store
        .add_admin(new("ben@shop.example"))
        .await
        .expect("added");
    assert_eq!(
        store.admins().await.expect("answers"),
        [ana.clone(), ben.clone()]
    );

    let other = |hash: &str| NewPassword {
        hash: hash.to_owned(),
        replaces: None,
        session: None,
    };
    assert!(
        store
            .set_password(&ana.id, other("other"))
            .await
            .expect("set")
    );
    for (id, secret) in [(&ana.id, 1), (&ben.id, 2)] {
        store
            .begin_session(session(id, &format!("s{secret}"), secret, 10_000))
            .await
            .expect("begun");
    }
    store.set_admin_disabled(&ana.id, true).await.expect("set");
    let found = store
        .admin_by_id(&ana.id)
        .await
        .expect("answers")
        .expect("there");
    assert_eq!(
        (found.disabled, found.password_hash.as_str()),
        (true, "other")
    );
    assert_eq!(store.session(&[1; 32]).await.expect("answers"), None);
    assert!(store.session(&[2; 32]).await.expect("answers").is_some());
    store.set_admin_disabled(&ana.id, false).await.expect("set");
    assert!(
        !store
            .admin_by_id(&ana.id)
            .await
            .expect("answers")
            .expect("there")
            .disabled
    );
    let missing = store.set_admin_disabled("nobody", true).await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
}

fn used(seen_at: u64, expires_at: u64) -> SessionUse {
    SessionUse {
        seen_at,
        expires_at,
        password: None,
    }
}

fn session(admin_id: &str, id: &str, digest: u8, expires_at: u64) -> NewSession {
    NewSession {
        session: Session {
            id: id.to_owned(),
            admin_id: admin_id.to_owned(),
            client: "test".to_owned(),
            kind: SessionKind::Browser,
            password: None,
            created_at: 1_000 + u64::from(digest),
            seen_at: 1_000 + u64::from(digest),
            expires_at,
        },
        digest: [digest; 32],
    }
}

async fn add_ana(store: &impl Store) -> String {
    let ana = NewAdmin {
        email: "ana@shop.example".to_owned(),
        name: "Ana".to_owned(),
        password_hash: "hash".to_owned(),
    };
    store.add_admin(ana).await.expect("added").id
}

pub(crate) async fn sessions_begin_and_end(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    for digest in 1..=3 {
        store
            .begin_session(session(&ana, &format!("s{digest}"), digest, 50_000))
            .await
            .expect("begun");
    }
    let second = store
        .session(&[2; 32])
        .await
        .expect("answers")
        .expect("there");
    assert_eq!(second, session(&ana, "s2", 2, 50_000).session);
    assert_eq!(store.session(&[9; 32]).await.expect("answers"), None);

    store
        .touch_session("s2", used(20_000, 60_000))
        .await
        .expect("touched");
    let second = store
        .session(&[2; 32])
        .await
        .expect("answers")
        .expect("there");
    assert_eq!((second.seen_at, second.expires_at), (20_000, 60_000));

    store.end_session("s1").await.expect("ended");
    store.end_session("s1").await.expect("no error");
    store
        .touch_session("s1", used(20_000, 60_000))
        .await
        .expect("no error");
    assert_eq!(store.session(&[1; 32]).await.expect("answers"), None);

    let ids = |sessions: Vec<Session>| {
        sessions
            .into_iter()
            .map(|session| session.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(store.sessions(&ana).await.expect("answers")),
        ["s3", "s2"]
    );
    assert_eq!(
        store.end_sessions(&ana, Some("s2")).await.expect("ended"),
        1
    );
    assert_eq!(ids(store.sessions(&ana).await.expect("answers")), ["s2"]);

    // A new one takes the expired ones along.
    let mut late = session(&ana, "s4", 4, 90_000);
    late.session.created_at = 60_001;
    store.begin_session(late).await.expect("begun");
    assert_eq!(ids(store.sessions(&ana).await.expect("answers")), ["s4"]);
    assert_eq!(store.end_sessions(&ana, None).await.expect("ended"), 1);
    assert_eq!(store.end_sessions(&ana, None).await.expect("ended"), 0);
}

pub(crate) async fn an_admin_has_so_many_sessions(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    let ben = NewAdmin {
        email: "ben@shop.example".to_owned(),
        name: "Ben".to_owned(),
        password_hash: "hash".to_owned(),
    };
    let ben = store.add_admin(ben).await.expect("added").id;
    let begin = async |admin: &str, number: u8| {
        let new = session(admin, &format!("s{number}"), number, 90_000);
        store.begin_session(new).await.expect("begun");
    };
    begin(&ben, 200).await;
    let most = u8::try_from(MAX_SESSIONS).expect("a small number");
    for number in 1..=most {
        begin(&ana, number).await;
    }
    // The oldest, but in use.
    store
        .touch_session("s1", used(20_000, 90_000))
        .await
        .expect("touched");
    for number in most + 1..=most + 2 {
        begin(&ana, number).await;
    }
    let kept = store.sessions(&ana).await.expect("answers");
    let mut kept: Vec<u8> = kept
        .iter()
        .map(|session| session.id[1..].parse().expect("a number"))
        .collect();
    kept.sort_unstable();
    let expected: Vec<u8> = [1].into_iter().chain(4..=most + 2).collect();
    assert_eq!(kept, expected);
    assert_eq!(store.sessions(&ben).await.expect("answers").len(), 1);
}

pub(crate) async fn tokens_are_kept_until_revoked(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    let token = |n: u8| Token {
        id: format!("t{n}"),
        name: format!("till {n}"),
        admin_id: (n == 2).then(|| ana.clone()),
        created_at: 1_000 + u64::from(n),
        used_at: None,
    };
    for n in [2, 1] {
        store.add_token(token(n), [n; 32]).await.expect("added");
    }
    assert_eq!(
        store.token(&[1; 32]).await.expect("answers"),
        Some(token(1))
    );
    assert_eq!(store.token(&[3; 32]).await.expect("answers"), None);
    assert_eq!(store.tokens().await.expect("answers"), [token(1), token(2)]);
    store.touch_token("t1", 7_000).await.expect("touched");
    assert_eq!(
        store
            .token(&[1; 32])
            .await
            .expect("answers")
            .expect("there")
            .used_at,
        Some(7_000)
    );
    store.revoke_token("t1").await.expect("revoked");
    assert_eq!(store.token(&[1; 32]).await.expect("answers"), None);
    store.touch_token("t1", 8_000).await.expect("no error");
    let again = store.revoke_token("t1").await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    assert_eq!(store.tokens().await.expect("answers"), [token(2)]);
}

pub(crate) async fn a_secret_is_made_once(store: Arc<impl Store>) {
    let mut makers = JoinSet::new();
    for n in 0..4 {
        let store = Arc::clone(&store);
        makers.spawn(async move {
            store
                .secret("session", &format!("fresh {n}"))
                .await
                .expect("made")
        });
    }
    let made: HashSet<String> = makers.join_all().await.into_iter().collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(store.secret("other", "x").await.expect("made"), "x");
    assert_eq!(store.secret("other", "y").await.expect("kept"), "x");
}
