//! Orders: the calls of the port, and the listener.

mod attempts;
mod change;
mod list;
pub(super) mod listener;
pub(super) mod numbering;
mod removals;
mod remove;

use std::sync::Arc;

use async_trait::async_trait;

use super::FirestoreStore;
use super::document::to_order;
use super::fault::Fault;
use super::usage::{Cause, FREE_READS, FREE_WRITES};
use crate::orders::{
    HeldOrder, ListPage, ListQuery, Order, OrderDraft, OrderId, OrderPatch, WindowLimits,
};
use crate::store::{IdempotencyKey, OrderStore, Placed, StoreError, Usage, WatchSink};
use removals::{REMOVALS_COLLECTION, REMOVED_AT};

/// How long removal records are kept, in milliseconds.
const REMOVALS_KEPT: u64 = 90 * 24 * 3_600 * 1_000;

#[async_trait]
impl OrderStore for FirestoreStore {
    async fn submit(
        &self,
        draft: OrderDraft,
        key: Option<IdempotencyKey>,
    ) -> Result<Placed, StoreError> {
        self.numbering.place(draft, key, &self.stopping).await
    }

    async fn change(&self, id: &OrderId, patch: OrderPatch, by: &str) -> Result<Order, StoreError> {
        change::change(&self.database, &self.clock, id, &patch, by).await
    }

    async fn remove(&self, id: &OrderId, by: &str) -> Result<(), StoreError> {
        remove::remove(&self.database, id, by).await?;
        self.sweep_removals();
        Ok(())
    }

    async fn get(&self, id: &OrderId) -> Result<Option<Order>, StoreError> {
        let name = self.database.order_name(id);
        let document = self.database.get_one(name, Cause::Lookup).await;
        document
            .map_err(Fault::into_error)?
            .map(|document| to_order(&document).map_err(|error| StoreError::Internal(error.into())))
            .transpose()
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let listing = list::list(&self.database, query, self.clock.millis());
        let deadline = self.database.settings().list_deadline;
        let (orders, next) = tokio::time::timeout(deadline, listing)
            .await
            .unwrap_or_else(|_| Err(Fault::timed_out("a list")))
            .map_err(Fault::into_error)?;
        Ok(ListPage {
            orders: orders.iter().map(HeldOrder::from).collect(),
            next,
        })
    }

    fn watch(&self, window: WindowLimits, sink: WatchSink) {
        self.listen(window, sink);
    }

    fn deliver_open_orders(&self) {
        self.repeat.notify_one();
    }

    fn usage(&self) -> Option<Usage> {
        let today = self.meter.today();
        Some(Usage {
            reads: today.reads,
            writes: today.writes,
            read_limit: FREE_READS,
            write_limit: FREE_WRITES,
        })
    }

    async fn ended(&self) -> anyhow::Error {
        self.listener_ended().await
    }
}

impl FirestoreStore {
    /// Starts the removal of a few old removal records, if it is due. Doesn't wait for it.
    fn sweep_removals(&self) {
        let (sweep, database) = (Arc::clone(&self.sweep), Arc::clone(&self.database));
        let before = self.clock.millis().saturating_sub(REMOVALS_KEPT);
        let sweeping = async move {
            sweep
                .run(&database, REMOVALS_COLLECTION, REMOVED_AT, before)
                .await;
        };
        tokio::spawn(self.stopping.clone().run_until_cancelled_owned(sweeping));
    }
}
