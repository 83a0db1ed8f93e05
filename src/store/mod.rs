//! The port that stores implement.
//!
//! A store keeps orders, durable, with commit times of its own; it tells of every change, whoever made it, through
//! [`OrderStore::watch`]. It also keeps who may sign in ([`AccountStore`]), so that sessions and tokens are known to every
//! instance on the same store.

mod accounts;
mod error;
mod idempotency;
#[cfg(test)]
pub(crate) mod story;
#[cfg(test)]
mod tests;

pub use accounts::{
    AccountStore, Admin, Digest, FcmToken, MAX_SESSIONS, NewAdmin, NewPassword, NewSession,
    PasswordScheme, Session, SessionKind, SessionUse, Token, USED_AGAIN_BONUS,
};
use async_trait::async_trait;
pub use error::StoreError;
pub use idempotency::{IDEMPOTENCY_HOURS, IDEMPOTENCY_MILLIS, IdempotencyKey};
use rand::distr::{Alphanumeric, SampleString as _};

use crate::orders::{
    ListPage, ListQuery, Order, OrderDraft, OrderId, OrderPatch, WatchEvent, WindowLimits,
};

/// Where orders are kept.
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
    /// Places an order: numbers it, sets `orderId`, `status` and `timestamp`, and answers when it is durable.
    ///
    /// A repeated key answers with the order placed first, within [`IDEMPOTENCY_HOURS`]; [`StoreError::KeyReused`] when it
    /// was used for another submit.
    async fn submit(
        &self,
        draft: OrderDraft,
        key: Option<IdempotencyKey>,
    ) -> Result<Placed, StoreError>;

    /// Changes an order in the name of `by`, and answers with the order as it is then.
    ///
    /// [`StoreError::Conflict`] when `expected_status` doesn't hold, [`StoreError::Invalid`] when a field doesn't fit the order.
    async fn change(&self, id: &OrderId, patch: OrderPatch, by: &str) -> Result<Order, StoreError>;

    /// Removes an order, and records who did it and when.
    async fn remove(&self, id: &OrderId, by: &str) -> Result<(), StoreError>;

    /// One order, also from outside of the window.
    async fn get(&self, id: &OrderId) -> Result<Option<Order>, StoreError>;

    /// A page of the orders from newest to oldest by [`Order::placed_micros`], then by id descending.
    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError>;

    /// Starts the watch: `sink` is called first with one snapshot of the newest orders and of all open ones, as many as `window`
    /// says (and the newest removals), then with every change as it is committed, in order and one at a time. It must not block.
    ///
    /// A store that commits in this process calls `sink` before it answers the writer, so that whoever has placed an
    /// order finds it in the next poll.
    fn watch(&self, window: WindowLimits, sink: WatchSink);

    /// Has the watch deliver the open orders once more, as many as its window holds. Called when some were left out, because
    /// there were too many, and there is room now. A store that does so by itself has nothing to do.
    fn deliver_open_orders(&self) {}

    /// What the store bills this process for today; `None` where it costs nothing.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// Waits until the store can't go on at all, and says why. The process ends then.
    async fn ended(&self) -> anyhow::Error;
}

/// Where a watch delivers.
pub type WatchSink = Box<dyn FnMut(WatchEvent) + Send>;

/// Documents that a store has billed today, and how many of them are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Documents read.
    pub reads: u64,
    /// Documents written.
    pub writes: u64,
    /// Reads that are free on each day.
    pub read_limit: u64,
    /// Writes that are free on each day.
    pub write_limit: u64,
}

/// A submit that has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order's id.
    pub order_id: OrderId,
    /// Its sequential number.
    pub number: u64,
}

/// A random handle of 20 letters and digits (119 bits), as Firestore gives its documents.
pub fn random_id() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 20)
}

/// A random secret of 43 letters and digits (256 bits).
pub fn random_secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 43)
}
