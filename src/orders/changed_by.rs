//! Who has set an order's status, as far as its document proves it.
//!
//! This server adds an entry `{status, at, by}` to `statusHistory` with each status that it sets. Other programs write to the
//! same documents and set `status` alone. The last entry may therefore tell of an earlier status, or of an earlier time at which
//! the order had the same status. It is trusted only where the document's last write was this server's: the store's time of that
//! write is the entry's `at`, or `historyCheckedAt` where the write changed other fields of an order whose last entry was trusted.
//! After another program's write, documents don't tell whether it has set the status: nobody is named.

use serde_json::Value;

use super::{Order, Status};

/// The last changes of the status by this server: an array of `{status, at, by}`.
pub(super) const STATUS_HISTORY: &str = "statusHistory";
/// Time of this server's last write that did not change the status and found the last entry trustworthy, in milliseconds.
pub(super) const HISTORY_CHECKED_AT: &str = "historyCheckedAt";
/// How far the recorded time of a write may be from the time at which the store has committed it, in milliseconds.
///
/// Firestore tells the time of a commit only afterwards, so the time of the read just before it is recorded.
const SAME_WRITE_MILLIS: u64 = 3_000;

/// Who has set the status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangedBy<'a> {
    /// It is as it was when the order was placed.
    Nobody,
    /// The admin of this name.
    Admin(&'a str),
    /// Another program, or it can't be told.
    Elsewhere,
}

/// Who has set the order's status.
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

/// Whether the last entry of the history is the one that set the order's status.
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
