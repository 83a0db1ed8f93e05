//! A change of an order: parsing its body, and applying it to the fields.

mod apply;
mod details;

use serde_json::{Map, Value};

pub use details::{CancelReason, Details};

use super::{FieldError, Order, Status};

/// An admin's change. At least one of `status`, `acknowledged` and `details` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderPatch {
    /// The status to set.
    pub status: Option<Status>,
    /// Whether the order is acknowledged.
    pub acknowledged: Option<bool>,
    /// The change is refused unless the order has this status.
    pub expected_status: Option<String>,
    /// Further fields to set or to remove.
    pub details: Details,
    /// Order ids in the body, if any: field names and values.
    pub ids: Vec<(&'static str, Value)>,
}

impl OrderPatch {
    /// Parses the body of a change. The error names the first field that is unknown or has a bad value.
    ///
    /// `null` means "no change" for `status`, `acknowledged` and `expectedStatus`; it removes any other field.
    /// The body may contain the order's `id` and `orderId`, as programs send that return what they have read.
    pub fn parse(body: Value) -> Result<Self, FieldError> {
        let Value::Object(body) = body else {
            return Err(FieldError::new("body", "must be a JSON object"));
        };
        let patch = Self::of_fields(body)?;
        if patch.status.is_none() && patch.acknowledged.is_none() && patch.details.is_empty() {
            return Err(FieldError::new(
                "status",
                "is missing: a change needs `status`, `acknowledged` or another field to change",
            ));
        }
        Ok(patch)
    }

    fn of_fields(body: Map<String, Value>) -> Result<Self, FieldError> {
        let mut patch = Self::default();
        for (name, value) in body {
            match (name.as_str(), value) {
                ("status" | "acknowledged" | "expectedStatus", Value::Null) => {}
                ("status", value) => {
                    let status = text("status", value)?.parse::<Status>();
                    let status =
                        status.map_err(|error| FieldError::new("status", error.to_string()))?;
                    patch.status = Some(status);
                }
                ("acknowledged", Value::Bool(acknowledged)) => {
                    patch.acknowledged = Some(acknowledged);
                }
                ("acknowledged", _) => {
                    return Err(FieldError::new("acknowledged", "must be true or false"));
                }
                ("expectedStatus", value) => {
                    patch.expected_status = Some(text("expectedStatus", value)?);
                }
                ("id", value) => patch.ids.push(("id", value)),
                ("orderId", value) => patch.ids.push(("orderId", value)),
                (_, value) => patch.details.read(&name, value)?,
            }
        }
        Ok(patch)
    }

    /// Checks that ids in the body match this order: its document id, or the `orderId` in its document.
    pub(super) fn check_ids(&self, order: &Order) -> Result<(), FieldError> {
        for (name, value) in &self.ids {
            let is_of_order = value.as_str() == Some(order.id.as_str())
                || order.fields.get(*name) == Some(value)
                || value.as_str() == Some(&order.order_id());
            if !is_of_order {
                return Err(FieldError::new(*name, "must be the order's, or absent"));
            }
        }
        Ok(())
    }
}

fn text(name: &str, value: Value) -> Result<String, FieldError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(FieldError::new(name, "must be text")),
    }
}

#[cfg(test)]
mod tests;
