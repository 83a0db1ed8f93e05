//! Fields of a change other than status and acknowledgement.

use serde_json::{Value, json};

use crate::orders::{FieldError, Order, Status};

/// Maximum length of a driver's id, in characters.
const MAX_ID: usize = 128;
/// Maximum length of a driver's name, in characters.
const MAX_NAME: usize = 200;
/// Maximum length of a note, in characters.
const MAX_NOTE: usize = 1_000;
/// The years 2000 to 2099, in milliseconds: other values are in another unit, or mistakes.
const READY_AT: std::ops::RangeInclusive<u64> = 946_684_800_000..=4_102_444_799_999;
/// Maximum length of an unknown name in an error, in characters.
const MAX_SHOWN: usize = 200;

/// Names of the fields, for the error about an unknown one.
const NAMES: &str = "status, acknowledged, expectedStatus, readyAt, cancelReason, cancelNote, staffNote, driverId, driverName, \
                     itemsDone";

/// Why an order was cancelled.
pub struct CancelReason;

impl CancelReason {
    /// All reasons, as stored in documents.
    pub const ALL: [&'static str; 5] = ["OUT_OF_STOCK", "TOO_BUSY", "CLOSED", "TOO_FAR", "OTHER"];
}

/// Fields to set, or to remove if they have no value. Values have passed the checks that don't depend on the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details(Vec<(&'static str, Option<Value>)>);

impl Details {
    /// Whether there is nothing to set or to remove.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names of the fields with the values to set; `None` removes the field.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, Option<&Value>)> {
        self.0.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    /// Reads one field of a body. `null`, empty text and an empty `itemsDone` remove the field.
    pub(super) fn read(&mut self, name: &str, value: Value) -> Result<(), FieldError> {
        type Read = fn(&str, &Value) -> Result<Option<Value>, FieldError>;
        let (name, read): (&'static str, Read) = match name {
            "readyAt" => ("readyAt", ready_at),
            "cancelReason" => ("cancelReason", cancel_reason),
            "cancelNote" => ("cancelNote", |name, value| bounded(name, value, MAX_NOTE)),
            "staffNote" => ("staffNote", |name, value| bounded(name, value, MAX_NOTE)),
            "driverId" => ("driverId", |name, value| bounded(name, value, MAX_ID)),
            "driverName" => ("driverName", |name, value| bounded(name, value, MAX_NAME)),
            "itemsDone" => ("itemsDone", items_done),
            unknown => {
                let shown: String = unknown.chars().take(MAX_SHOWN).collect();
                let message = format!("is no field of a change; known are {NAMES}");
                return Err(FieldError::new(shown, message));
            }
        };
        let value = match value {
            Value::Null => None,
            value => read(name, &value)?,
        };
        self.0.push((name, value));
        Ok(())
    }

    /// Checks the values against the order: its items, and its status after the change.
    pub(super) fn check(&self, order: &Order, status: &str) -> Result<(), FieldError> {
        for (name, value) in &self.0 {
            match (*name, value) {
                ("cancelReason" | "cancelNote", Some(_))
                    if status != Status::CANCELLED.as_str() =>
                {
                    return Err(FieldError::new(
                        *name,
                        "needs an order that is cancelled, or `status` CANCELLED beside it",
                    ));
                }
                ("itemsDone", Some(Value::Array(indexes))) => {
                    let count = order.item_count() as u64;
                    // Sorted: the last one is the largest.
                    if indexes.last().and_then(Value::as_u64) >= Some(count) {
                        return Err(FieldError::new(
                            *name,
                            format!(
                                "must have indexes below {count}, the number of the order's items"
                            ),
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn ready_at(name: &str, value: &Value) -> Result<Option<Value>, FieldError> {
    match whole_number(value) {
        Some(millis) if READY_AT.contains(&millis) => Ok(Some(json!(millis))),
        _ => Err(FieldError::new(
            name,
            "must be milliseconds since 1970, in the years 2000 to 2099",
        )),
    }
}

fn cancel_reason(name: &str, value: &Value) -> Result<Option<Value>, FieldError> {
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Ok(None);
    }
    if value
        .as_str()
        .is_some_and(|reason| CancelReason::ALL.contains(&reason))
    {
        return Ok(Some(value.clone()));
    }
    Err(FieldError::new(
        name,
        format!("must be one of {}", CancelReason::ALL.join(", ")),
    ))
}

fn bounded(name: &str, value: &Value, limit: usize) -> Result<Option<Value>, FieldError> {
    let Value::String(text) = value else {
        return Err(FieldError::new(name, "must be text"));
    };
    // A text never has more characters than bytes.
    if text.len() > limit && text.chars().nth(limit).is_some() {
        return Err(FieldError::new(
            name,
            format!("must have at most {limit} characters"),
        ));
    }
    Ok((!text.trim().is_empty()).then(|| json!(text)))
}

/// Parses indexes, and sorts them ascending.
fn items_done(name: &str, value: &Value) -> Result<Option<Value>, FieldError> {
    let Value::Array(list) = value else {
        return Err(FieldError::new(name, "must be an array of indexes"));
    };
    let indexes: Option<Vec<u64>> = list.iter().map(whole_number).collect();
    let Some(mut indexes) = indexes else {
        return Err(FieldError::new(
            name,
            "must have indexes of items only: whole numbers from 0 on",
        ));
    };
    indexes.sort_unstable();
    if indexes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(FieldError::new(name, "must have each index once"));
    }
    Ok((!indexes.is_empty()).then(|| json!(indexes)))
}

/// A whole number from 0 on, written in JSON as `3` or `3.0`.
fn whole_number(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "only whole numbers below 2^53 are cast"
    )]
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
    })
}
