//! Changes of orders.

use firestore::gcloud_sdk::google::firestore::v1::{Document, Write};
use serde_json::{Map, Value};

use super::attempts::{ATTEMPTS, Sent, given_up, in_time, pause, retry};
use crate::clock::Clock;
use crate::firestore::database::Database;
use crate::firestore::document::to_order;
use crate::firestore::fault::Fault;
use crate::firestore::usage::Cause;
use crate::firestore::value;
use crate::firestore::writes::{commit_micros, patch, unchanged};
use crate::orders::{Order, OrderId, OrderPatch};
use crate::store::StoreError;

/// An order as it was read before it is changed.
struct ReadOrder {
    document: Document,
    order: Order,
    /// Read time by the store's clock: times in change records must be comparable with the store's own.
    millis: u64,
}

/// See [`OrderStore::change`](crate::store::OrderStore::change).
pub(super) async fn change(
    database: &Database,
    clock: &Clock,
    id: &OrderId,
    patch: &OrderPatch,
    by: &str,
) -> Result<Order, StoreError> {
    let sent = Sent::default();
    let changing = try_change(database, clock, id, patch, by, &sent);
    in_time(database.settings().write_deadline, &sent, changing).await
}

async fn try_change(
    database: &Database,
    clock: &Clock,
    id: &OrderId,
    patch: &OrderPatch,
    by: &str,
    sent: &Sent,
) -> Result<Order, StoreError> {
    let mut unsure = None;
    for attempt in 0..ATTEMPTS {
        pause(attempt).await;
        let read = match find(database, clock, id).await {
            Ok(found) => found.ok_or(StoreError::NotFound)?,
            Err(fault) => {
                retry(fault, &mut unsure)?;
                continue;
            }
        };
        let Some((write, changed)) = write_of(&read, patch, by, unsure.is_some())? else {
            return Ok(read.order);
        };
        sent.set(true);
        match database.commit(vec![write]).await {
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

async fn find(
    database: &Database,
    clock: &Clock,
    id: &OrderId,
) -> Result<Option<ReadOrder>, Fault> {
    let name = database.order_name(id);
    let (document, time) = database.get_timed(name, Cause::Write).await?;
    Ok(document.and_then(|document| {
        let order = to_order(&document).ok()?;
        Some(ReadOrder {
            document,
            order,
            millis: time.map_or_else(|| clock.millis(), |micros| micros / 1_000),
        })
    }))
}

/// The write that makes a change, and the order after it; `None` if there is nothing to change.
fn write_of(
    read: &ReadOrder,
    change: &OrderPatch,
    by: &str,
    unsure: bool,
) -> Result<Option<(Write, Order)>, StoreError> {
    let order = &read.order;
    let patched = order.patched(change, by, read.millis);
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
    let write = write_fields(&read.document, &order.fields, &fields);
    let changed = Order {
        fields,
        ..order.clone()
    };
    Ok(Some((write, changed)))
}

/// Writes only the fields that differ: the others may hold values that JSON can't.
fn write_fields(
    document: &Document,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Write {
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value));
    let removed = before.keys().filter(|name| !after.contains_key(*name));
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
    patch(
        document.name.clone(),
        values,
        &mask,
        unchanged(Some(document)),
    )
}
