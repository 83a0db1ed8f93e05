//! Applies a change to an order's document.

use serde_json::{Map, Value, json};

use super::OrderPatch;
use crate::orders::changed_by::{self, HISTORY_CHECKED_AT, STATUS_HISTORY};
use crate::orders::{FieldError, Order, Status};

/// Maximum number of entries in `statusHistory`.
const HISTORY_LIMIT: usize = 50;

impl Order {
    /// The document's fields after `patch` by the admin named `by`; `None` if nothing changes.
    ///
    /// `now_millis` is the store's time. The caller has checked `expected_status`; the error names a field that doesn't fit the
    /// order. Changes only the fields of the patch and those that record author and time: `updatedBy`, `acknowledgedAt`,
    /// `acknowledgedBy`, and for the status `statusHistory` and `historyCheckedAt`. A new status removes the `cancelReason` and
    /// `cancelNote` of the previous one.
    pub fn patched(
        &self,
        patch: &OrderPatch,
        by: &str,
        now_millis: u64,
    ) -> Result<Option<Map<String, Value>>, FieldError> {
        let status_after = match patch.status {
            Some(status) => status.as_str(),
            None => self.status(),
        };
        patch.check_ids(self)?;
        patch.details.check(self, status_after)?;
        let status = patch
            .status
            .filter(|status| status.as_str() != self.status());
        let mut fields = self.fields.clone();
        if let Some(status) = status {
            set_status(&mut fields, status, by, now_millis);
        }
        if let Some(acknowledged) = patch
            .acknowledged
            .filter(|acknowledged| *acknowledged != self.acknowledged())
        {
            acknowledge(&mut fields, acknowledged, by, now_millis);
        }
        for (name, value) in patch.details.iter() {
            match value {
                Some(value) => {
                    fields.insert(name.to_owned(), value.clone());
                }
                None => remove(&mut fields, name),
            }
        }
        if fields == self.fields {
            return Ok(None);
        }
        // This write changes the time of the last change, so without this mark the history would no longer be trusted.
        if status.is_none() && changed_by::is_history_current(self) {
            fields.insert(HISTORY_CHECKED_AT.to_owned(), json!(now_millis));
        }
        fields.insert("updatedBy".to_owned(), json!(by));
        Ok(Some(fields))
    }
}

fn set_status(fields: &mut Map<String, Value>, status: Status, by: &str, now_millis: u64) {
    let mut history = match fields.get_mut(STATUS_HISTORY).map(Value::take) {
        Some(Value::Array(history)) => history,
        _ => Vec::new(),
    };
    history.push(json!({"status": status.as_str(), "at": now_millis, "by": by}));
    let excess = history.len().saturating_sub(HISTORY_LIMIT);
    history.drain(..excess);
    fields.insert("status".to_owned(), json!(status.as_str()));
    fields.insert(STATUS_HISTORY.to_owned(), Value::Array(history));
    fields.shift_remove(HISTORY_CHECKED_AT);
    // Left from an earlier cancellation if another program has reopened the order.
    fields.shift_remove("cancelReason");
    fields.shift_remove("cancelNote");
}

fn acknowledge(fields: &mut Map<String, Value>, acknowledged: bool, by: &str, now_millis: u64) {
    fields.insert("acknowledged".to_owned(), json!(acknowledged));
    if acknowledged {
        fields.insert("acknowledgedAt".to_owned(), json!(now_millis));
        fields.insert("acknowledgedBy".to_owned(), json!(by));
    } else {
        fields.shift_remove("acknowledgedAt");
        fields.shift_remove("acknowledgedBy");
    }
}

/// Removes a field. One that another program has set to `null` counts as absent.
fn remove(fields: &mut Map<String, Value>, name: &str) {
    if fields.get(name).is_some_and(|value| !value.is_null()) {
        fields.shift_remove(name);
    }
}
