//! Who set an order's status, if its document proves it.
//!
//! This server adds an entry `{status, at, by}` to `statusHistory` with each status that it sets. Other programs write to the
//! same documents and set only `status`, so the last entry may be outdated: of another status, or of an earlier time with the
//! same status. It is trusted only if this server made the document's last write: the store's time of that write is the entry's
//! `at`, or `historyCheckedAt` if the write changed other fields of an order whose last entry was trusted. After another
//! program's write, the author is unknown.

use serde_json::Value;

use super::{Order, Status};

/// The last changes of the status by this server: an array of `{status, at, by}`.
pub(super) const STATUS_HISTORY: &str = "statusHistory";
/// Time of this server's last write that kept the status and found the last entry trustworthy, in milliseconds.
pub(super) const HISTORY_CHECKED_AT: &str = "historyCheckedAt";
/// Maximum difference between the recorded time of a write and the store's commit time, in milliseconds.
///
/// Firestore returns a commit time only afterwards, so the time of the read just before it is recorded.
const SAME_WRITE_MILLIS: u64 = 3_000;

/// Author of an order's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangedBy<'a> {
    /// Unchanged since the order was placed.
    Nobody,
    /// The admin with this name.
    Admin(&'a str),
    /// Another program, or unknown.
    Elsewhere,
}

/// The author of the order's status.
pub(super) fn changed_by(order: &Order) -> ChangedBy<'_> {
    match last_entry(order) {
        Some(entry) if is_current(entry, order) => match entry.get("by").and_then(Value::as_str) {
            Some(name) if !name.trim().is_empty() => ChangedBy::Admin(name),
            _ => ChangedBy::Elsewhere,
        },
        Some(_) => ChangedBy::Elsewhere,
        None if order.status() == Status::PENDING.as_str()
            || order.created_micros == order.updated_micros =>
        {
            ChangedBy::Nobody
        }
        None => ChangedBy::Elsewhere,
    }
}

/// Whether the last history entry set the current status.
pub(super) fn is_history_current(order: &Order) -> bool {
    last_entry(order).is_some_and(|entry| is_current(entry, order))
}

fn last_entry(order: &Order) -> Option<&Value> {
    order.fields.get(STATUS_HISTORY)?.as_array()?.last()
}

fn is_current(entry: &Value, order: &Order) -> bool {
    let Some(set_at) = entry.get("at").and_then(Value::as_u64) else {
        return false;
    };
    let checked_at = order.fields.get(HISTORY_CHECKED_AT).and_then(Value::as_u64);
    let last_write = set_at.max(checked_at.unwrap_or_default());
    entry.get("status").and_then(Value::as_str) == Some(order.status())
        && last_write.abs_diff(order.updated_micros / 1_000) <= SAME_WRITE_MILLIS
}

#[cfg(test)]
mod tests;
