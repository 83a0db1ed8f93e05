//! The port that stores implement.
//!
//! A store keeps orders durably, with commit times of its own, and reports every change, including other programs', through
//! [`OrderStore::watch`]. It also keeps admins, sessions and tokens ([`AccountStore`]) and other secrets ([`SecretStore`]),
//! shared by all instances on the same store.

mod accounts;
mod error;
mod idempotency;
mod secrets;

pub use accounts::{
    AccountStore, Admin, Digest, FcmToken, MAX_SESSIONS, NewAdmin, NewPassword, NewSession,
    PasswordScheme, Session, SessionKind, SessionUse, Token, USED_AGAIN_BONUS,
};
use async_trait::async_trait;
pub use error::StoreError;
pub use idempotency::{IDEMPOTENCY_HOURS, IDEMPOTENCY_MILLIS, IdempotencyKey};
use rand::distr::{Alphanumeric, SampleString as _};
pub use secrets::SecretStore;

use crate::orders::{
    ListPage, ListQuery, Order, OrderDraft, OrderId, OrderPatch, WatchEvent, WindowLimits,
};

/// Storage of orders.
///
/// ```
/// use orderbell::clock::Clock;
/// use orderbell::embedded::EmbeddedStore;
/// use orderbell::orders::{DraftLimits, ListQuery, OrderDraft, OrderPatch};
/// use orderbell::store::OrderStore;
/// use serde_json::json;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("orders.db");
/// # runtime.block_on(async {
/// let store = EmbeddedStore::open(&file, Clock::system())?;
/// let body = json!({"userId": "u1", "order": {"totalAmount": 5, "items": [{"name": "Figs", "price": 5, "quantity": 1}]}});
/// let draft = OrderDraft::parse(body, DraftLimits { max_items: 100 })?;
/// let placed = store.submit(draft, None).await?;
/// assert_eq!(placed.order_id.as_str(), "ORD1");
///
/// let patch = OrderPatch::parse(json!({"status": "CONFIRMED", "expectedStatus": "PENDING"})).expect("a change");
/// let order = store.change(&placed.order_id, patch, "Ana").await?;
/// assert_eq!(order.status(), "CONFIRMED");
/// assert_eq!(store.list(&ListQuery::newest(10)).await?.orders.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait OrderStore: Send + Sync {
    /// Places an order: assigns its number, sets `orderId`, `status` and `timestamp`, and returns when it is durable.
    ///
    /// Within [`IDEMPOTENCY_HOURS`], a repeated key returns the order placed first; [`StoreError::KeyReused`] if it was used
    /// for another submit.
    async fn submit(
        &self,
        draft: OrderDraft,
        key: Option<IdempotencyKey>,
    ) -> Result<Placed, StoreError>;

    /// Changes an order, records `by` as the author, and returns the new state.
    ///
    /// [`StoreError::Conflict`] if `expected_status` doesn't hold, [`StoreError::Invalid`] if a field doesn't fit the order.
    async fn change(&self, id: &OrderId, patch: OrderPatch, by: &str) -> Result<Order, StoreError>;

    /// Removes an order, and records by whom and when.
    async fn remove(&self, id: &OrderId, by: &str) -> Result<(), StoreError>;

    /// One order, in or outside the window.
    async fn get(&self, id: &OrderId) -> Result<Option<Order>, StoreError>;

    /// A page of orders, newest first by [`Order::placed_micros`], then by id descending.
    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError>;

    /// Starts the watch. `sink` is called first with one snapshot of the newest orders, all open ones and the newest removals,
    /// within the limits of `window`; then with every change as it is committed, in order and one at a time. It must not block.
    ///
    /// A store that commits in this process calls `sink` before it answers the writer, so that a client finds its own order in
    /// the next poll.
    fn watch(&self, window: WindowLimits, sink: WatchSink);

    /// Makes the watch deliver the open orders again, up to the limit of its window. Called when some were left out for lack of
    /// room and there is room now. Stores that do this on their own leave it empty.
    fn deliver_open_orders(&self) {}

    /// Today's billed usage of this process; `None` if the store is free.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// Waits until the store has failed for good, and returns why. The process then ends.
    async fn ended(&self) -> anyhow::Error;
}

/// Receiver of a watch's events.
pub type WatchSink = Box<dyn FnMut(WatchEvent) + Send>;

/// Documents billed today, and the daily free quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Documents read.
    pub reads: u64,
    /// Documents written.
    pub writes: u64,
    /// Free reads per day.
    pub read_limit: u64,
    /// Free writes per day.
    pub write_limit: u64,
}

/// Result of a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order's id.
    pub order_id: OrderId,
    /// Its sequential number.
    pub number: u64,
}

/// A random id of 20 letters and digits (119 bits), like Firestore's document ids.
pub fn random_id() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 20)
}

/// A random secret of 43 letters and digits (256 bits).
pub fn random_secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 43)
}
