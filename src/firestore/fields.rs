//! Fields of documents that this program writes, by type.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::Value;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;

use super::value;
use crate::store::Digest;

/// The fields of a document.
pub(super) type Fields = HashMap<String, Value>;

/// A text field; empty if it has another type.
pub(super) fn text_of(fields: &Fields, name: &str) -> String {
    match fields.get(name).and_then(|value| value.value_type.as_ref()) {
        Some(ValueType::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

/// A whole number; 0 if the field has another type. Some writers know doubles only.
pub(super) fn number_of(fields: &Fields, name: &str) -> u64 {
    match fields.get(name).and_then(|value| value.value_type.as_ref()) {
        Some(ValueType::IntegerValue(number)) => u64::try_from(*number).unwrap_or_default(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturating is meant"
        )]
        Some(ValueType::DoubleValue(number)) => *number as u64,
        _ => 0,
    }
}

/// Bytes; `None` if the field has another type.
pub(super) fn bytes_of<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    match fields.get(name)?.value_type.as_ref()? {
        ValueType::BytesValue(bytes) => Some(bytes),
        _ => None,
    }
}

/// A digest as a value.
pub(super) fn bytes(digest: &Digest) -> Value {
    value::wire(ValueType::BytesValue(digest.to_vec()))
}

/// A Timestamp in milliseconds; 0 if the field has another type.
pub(super) fn time_of(fields: &Fields, name: &str) -> u64 {
    match fields.get(name).and_then(|value| value.value_type.as_ref()) {
        Some(ValueType::TimestampValue(time)) => value::micros(time) / 1_000,
        _ => 0,
    }
}

/// A flag; `false` if the field has another type.
pub(super) fn flag_of(fields: &Fields, name: &str) -> bool {
    let value = fields.get(name).and_then(|value| value.value_type.as_ref());
    matches!(value, Some(ValueType::BooleanValue(true)))
}

/// A time in milliseconds as a Timestamp, the type that Firestore's TTL policies need.
pub(super) fn time(millis: u64) -> Value {
    value::wire(ValueType::TimestampValue(value::time_from_millis(millis)))
}

/// Named values as a document's fields.
pub(super) fn fields<const N: usize>(values: [(&str, Value); N]) -> Fields {
    values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
