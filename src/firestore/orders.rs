use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Write};

use super::connection::{commit_micros, delete, patch, unchanged};
use super::document::to_order;
use super::fault::{Fault, FaultKind};
use super::usage::{Cause, FREE_READS, FREE_WRITES};
use super::{FirestoreStore, REMOVALS_COLLECTION, REMOVED_AT, removals, value};
use crate::orders::{
    HeldOrder, ListPage, ListQuery, Order, OrderDraft, OrderId, OrderPatch, WindowLimits,
};
use crate::store::{IdempotencyKey, OrderStore, Placed, StoreError, Usage, WatchSink};

/// How long removal records are kept, in milliseconds.
const REMOVALS_KEPT: u64 = 90 * 24 * 3_600 * 1_000;
/// Maximum attempts at a change, when others change the order at the same time or the outcome is unknown.
const ATTEMPTS: u32 = 8;

/// Maximum time for a page of a list, which may take many queries.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

#[async_trait]
impl OrderStore for FirestoreStore {
    async fn submit(
        &self,
        draft: OrderDraft,
        key: Option<IdempotencyKey>,
    ) -> Result<Placed, StoreError> {
        self.place(draft, key).await
    }

    async fn change(&self, id: &OrderId, patch: OrderPatch, by: &str) -> Result<Order, StoreError> {
        let sent = Sent::default();
        self.in_time(&sent, self.try_change(id, &patch, by, &sent))
            .await
    }

    async fn remove(&self, id: &OrderId, by: &str) -> Result<(), StoreError> {
        let sent = Sent::default();
        self.in_time(&sent, self.try_remove(id, by, &sent)).await?;
        self.sweep_removals();
        Ok(())
    }

    async fn get(&self, id: &OrderId) -> Result<Option<Order>, StoreError> {
        let document = self
            .connection
            .get_one(self.connection.order_name(id), Cause::Lookup)
            .await
            .map_err(Fault::into_error)?;
        document
            .map(|document| to_order(&document).map_err(|error| StoreError::Internal(error.into())))
            .transpose()
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let listed = tokio::time::timeout(LIST_TIMEOUT, self.list_orders(query)).await;
        let (orders, next) = listed
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

/// An order as it was read before it is changed.
struct ReadOrder {
    document: Document,
    order: Order,
    /// Read time by the store's clock: times in change records must be comparable with the store's own.
    millis: u64,
}

/// Whether a commit of unknown outcome was sent.
#[derive(Default)]
struct Sent(AtomicBool);

impl Sent {
    fn set(&self, is_sent: bool) {
        self.0.store(is_sent, Ordering::Relaxed);
    }
}

impl FirestoreStore {
    /// Ends a write at its deadline: with the error for 504 if it may have been done, with that for 503 if nothing was sent.
    async fn in_time<T>(
        &self,
        sent: &Sent,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let deadline = self.connection.settings().write_deadline;
        match tokio::time::timeout(deadline, write).await {
            Ok(result) => result,
            Err(_) if sent.0.load(Ordering::Relaxed) => {
                Err(given_up(Some("no answer in time".to_owned())))
            }
            Err(_) => Err(Fault::transient("Firestore doesn't answer in time").into_error()),
        }
    }

    async fn try_change(
        &self,
        id: &OrderId,
        patch: &OrderPatch,
        by: &str,
        sent: &Sent,
    ) -> Result<Order, StoreError> {
        let mut unsure = None;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let read = match self.find(id).await {
                Ok(found) => found.ok_or(StoreError::NotFound)?,
                Err(fault) => {
                    retry(fault, &mut unsure)?;
                    continue;
                }
            };
            let Some((write, changed)) = self.changing(&read, patch, by, unsure.is_some())? else {
                return Ok(read.order);
            };
            sent.set(true);
            match self.connection.commit(vec![write]).await {
                Ok(response) => {
                    return Ok(Order {
                        updated_micros: commit_micros(&response),
                        ..changed
                    });
                }
                Err(fault) => retry(fault, &mut unsure)?,
            }
            sent.set(unsure.is_some());
        }
        Err(given_up(unsure))
    }

    async fn try_remove(&self, id: &OrderId, by: &str, sent: &Sent) -> Result<(), StoreError> {
        let mut unsure = None;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let document = match self
                .connection
                .get_one(self.connection.order_name(id), Cause::Write)
                .await
            {
                Ok(Some(document)) => document,
                // Removed by our own commit or by another writer: the order is gone either way.
                Ok(None) if unsure.is_some() => return Ok(()),
                Ok(None) => return Err(StoreError::NotFound),
                Err(fault) => {
                    retry(fault, &mut unsure)?;
                    continue;
                }
            };
            let record = self.connection.name(REMOVALS_COLLECTION, id.as_str());
            let writes = vec![
                delete(document.name.clone(), Some(unchanged(Some(&document)))),
                removals::by_admin(record, by, &document),
            ];
            sent.set(true);
            match self.connection.commit(writes).await {
                Ok(_) => return Ok(()),
                Err(fault) => retry(fault, &mut unsure)?,
            }
            sent.set(unsure.is_some());
        }
        Err(given_up(unsure))
    }

    /// Starts the removal of a few old removal records, if it is due. Doesn't wait for it.
    fn sweep_removals(&self) {
        let (sweep, connection) = (Arc::clone(&self.sweep), Arc::clone(&self.connection));
        let before = self.clock.millis().saturating_sub(REMOVALS_KEPT);
        let sweeping = async move {
            sweep
                .run(&connection, REMOVALS_COLLECTION, REMOVED_AT, before)
                .await;
        };
        tokio::spawn(self.stopping.clone().run_until_cancelled_owned(sweeping));
    }

    async fn find(&self, id: &OrderId) -> Result<Option<ReadOrder>, Fault> {
        let (document, time) = self
            .connection
            .get_timed(self.connection.order_name(id), Cause::Write)
            .await?;
        Ok(document.and_then(|document| {
            let order = to_order(&document).ok()?;
            Some(ReadOrder {
                document,
                order,
                millis: time.map_or_else(|| self.clock.millis(), |micros| micros / 1_000),
            })
        }))
    }

    /// The write that makes the change, and the order after it; `None` if there is nothing to change.
    ///
    /// Writes only the fields that change: the others may hold values that JSON can't.
    fn changing(
        &self,
        read: &ReadOrder,
        change: &OrderPatch,
        by: &str,
        unsure: bool,
    ) -> Result<Option<(Write, Order)>, StoreError> {
        let ReadOrder {
            document,
            order,
            millis,
        } = read;
        let patched = order.patched(change, by, *millis);
        // After a lost answer, an order that already is as requested was changed by our own commit.
        if unsure && matches!(patched, Ok(None)) {
            return Ok(None);
        }
        if change
            .expected_status
            .as_ref()
            .is_some_and(|expected| expected != order.status())
        {
            return Err(StoreError::Conflict(Box::new(order.clone())));
        }
        let Some(fields) = patched.map_err(StoreError::Invalid)? else {
            return Ok(None);
        };
        let changed = fields
            .iter()
            .filter(|(name, value)| order.fields.get(*name) != Some(value));
        let removed = order
            .fields
            .keys()
            .filter(|name| !fields.contains_key(*name));
        let mask: Vec<&str> = changed
            .clone()
            .map(|(name, _)| name)
            .chain(removed)
            .map(String::as_str)
            .collect();
        let values = changed
            .map(|(name, value)| {
                let before = document.fields.get(name);
                (name.clone(), value::updated(before, value))
            })
            .collect();
        let write = patch(
            document.name.clone(),
            values,
            &mask,
            unchanged(Some(document)),
        );
        Ok(Some((
            write,
            Order {
                fields,
                ..order.clone()
            },
        )))
    }
}

/// `Ok` to try again: after a conflict, or while a commit's outcome is unknown. Otherwise the fault as an error.
fn retry(fault: Fault, unsure: &mut Option<String>) -> Result<(), StoreError> {
    if fault.maybe_done {
        *unsure = Some(fault.message);
    } else if fault.kind != FaultKind::Conflict && unsure.is_none() {
        return Err(fault.into_error());
    }
    Ok(())
}

fn given_up(unsure: Option<String>) -> StoreError {
    match unsure {
        Some(reason) => StoreError::OutcomeUnknown {
            reason: format!("the order may have been changed: {reason}"),
        },
        None => Fault::transient("too many others change this order").into_error(),
    }
}

async fn pause(attempt: u32) {
    if attempt > 0 {
        let longest = 50 * u64::from(attempt * attempt);
        tokio::time::sleep(Duration::from_millis(rand::random_range(
            longest / 4..longest,
        )))
        .await;
    }
}
