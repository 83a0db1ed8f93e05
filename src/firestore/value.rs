//! Converts values of documents to JSON and back. This never fails: no value makes a document unreadable.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue, Value as Wire};
use firestore::gcloud_sdk::prost_types::Timestamp;
use serde_json::{Map, Number, Value, json};
use std::collections::HashMap;

/// The fields of a document or map as JSON, sorted by name: the wire doesn't keep an order.
pub(super) fn fields_to_json(fields: &HashMap<String, Wire>) -> Map<String, Value> {
    let mut names: Vec<_> = fields.keys().collect();
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| (name.clone(), to_json(&fields[name])))
        .collect()
}

/// One value as JSON. Values that JSON can't hold become text: not-a-number and the infinities by name, bytes in Base64,
/// Timestamps in RFC 3339 with every digit, references as the path below the database.
pub(super) fn to_json(value: &Wire) -> Value {
    match &value.value_type {
        Some(ValueType::BooleanValue(value)) => json!(value),
        Some(ValueType::IntegerValue(value)) => json!(value),
        Some(ValueType::DoubleValue(value)) => double_to_json(*value),
        Some(ValueType::TimestampValue(value)) => json!(value.to_string()),
        Some(ValueType::StringValue(value)) => json!(value),
        Some(ValueType::BytesValue(value)) => json!(BASE64.encode(value)),
        Some(ValueType::ReferenceValue(value)) => json!(below_database(value)),
        Some(ValueType::GeoPointValue(point)) => {
            json!({"latitude": double_to_json(point.latitude), "longitude": double_to_json(point.longitude)})
        }
        Some(ValueType::ArrayValue(list)) => list.values.iter().map(to_json).collect(),
        Some(ValueType::MapValue(map)) => Value::Object(fields_to_json(&map.fields)),
        // The other types occur in queries only, never in a document.
        Some(
            ValueType::NullValue(_)
            | ValueType::FieldReferenceValue(_)
            | ValueType::VariableReferenceValue(_)
            | ValueType::FunctionValue(_)
            | ValueType::PipelineValue(_),
        )
        | None => Value::Null,
    }
}

fn double_to_json(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => json!("NaN"),
        None if value > 0.0 => json!("Infinity"),
        None => json!("-Infinity"),
    }
}

fn below_database(reference: &str) -> &str {
    reference
        .split_once("/documents/")
        .map_or(reference, |(_, path)| path)
}

/// JSON as a Firestore value. An array directly inside an array, which Firestore refuses, is put into a map `{"values": […]}`;
/// whole numbers beyond 64 bits become doubles.
pub(super) fn from_json(value: &Value) -> Wire {
    wire(match value {
        Value::Null => ValueType::NullValue(0),
        Value::Bool(value) => ValueType::BooleanValue(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => ValueType::IntegerValue(whole),
            None => ValueType::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => ValueType::StringValue(text.clone()),
        Value::Array(list) => ValueType::ArrayValue(ArrayValue {
            values: list.iter().map(element_from_json).collect(),
        }),
        Value::Object(map) => ValueType::MapValue(MapValue {
            fields: fields_from_json(map),
        }),
    })
}

/// JSON as a Firestore value that replaces `before`: array elements that are unchanged in JSON keep their types.
pub(super) fn updated(before: Option<&Wire>, after: &Value) -> Wire {
    let (Some(Some(ValueType::ArrayValue(before))), Value::Array(after)) =
        (before.map(|before| &before.value_type), after)
    else {
        return from_json(after);
    };
    let mut rest = before.values.as_slice();
    let values =
        after.iter().map(
            |element| match rest.iter().position(|kept| to_json(kept) == *element) {
                Some(index) => {
                    let kept = rest[index].clone();
                    rest = &rest[index + 1..];
                    kept
                }
                None => element_from_json(element),
            },
        );
    wire(ValueType::ArrayValue(ArrayValue {
        values: values.collect(),
    }))
}

fn element_from_json(value: &Value) -> Wire {
    match value {
        Value::Array(_) => wire(ValueType::MapValue(MapValue {
            fields: HashMap::from([("values".to_owned(), from_json(value))]),
        })),
        other => from_json(other),
    }
}

/// The fields of a JSON object as Firestore values.
pub(super) fn fields_from_json(map: &Map<String, Value>) -> HashMap<String, Wire> {
    map.iter()
        .map(|(name, value)| (name.clone(), from_json(value)))
        .collect()
}

/// Wraps one typed value.
pub(super) fn wire(value: ValueType) -> Wire {
    Wire {
        value_type: Some(value),
    }
}

/// A whole number; beyond 63 bits, the largest possible one.
pub(super) fn integer(value: u64) -> Wire {
    wire(ValueType::IntegerValue(
        i64::try_from(value).unwrap_or(i64::MAX),
    ))
}

/// Text.
pub(super) fn text(value: impl Into<String>) -> Wire {
    wire(ValueType::StringValue(value.into()))
}

/// A Timestamp from milliseconds since the epoch.
pub(super) fn time_from_millis(millis: u64) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(millis / 1_000).unwrap_or(i64::MAX),
        // Below 10^9, which fits.
        nanos: i32::try_from(millis % 1_000 * 1_000_000).unwrap_or_default(),
    }
}

/// Microseconds since the epoch; times before it count as the epoch.
pub(super) fn micros(time: &Timestamp) -> u64 {
    let micros = i128::from(time.seconds) * 1_000_000 + i128::from(time.nanos) / 1_000;
    u64::try_from(micros.max(0)).unwrap_or(u64::MAX)
}

/// Milliseconds since the epoch, rounded towards the past.
pub(super) fn millis(time: &Timestamp) -> i64 {
    time.seconds
        .saturating_mul(1_000)
        .saturating_add(i64::from(time.nanos).div_euclid(1_000_000))
}

/// `name` as written in a field mask: plain names as they are, others between backticks.
pub(super) fn field_path(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if plain {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firestore::gcloud_sdk::google::r#type::LatLng;
    use proptest::prelude::*;

    #[test]
    fn what_json_cannot_hold_becomes_text() {
        let cases = [
            (ValueType::DoubleValue(f64::NAN), json!("NaN")),
            (ValueType::DoubleValue(f64::INFINITY), json!("Infinity")),
            (
                ValueType::DoubleValue(f64::NEG_INFINITY),
                json!("-Infinity"),
            ),
            (ValueType::IntegerValue(-1), json!(-1)),
            (ValueType::BytesValue(vec![0, 1, 2, 3]), json!("AAECAw==")),
            (
                ValueType::ReferenceValue(
                    "projects/p/databases/(default)/documents/drivers/d1".into(),
                ),
                json!("drivers/d1"),
            ),
            (
                ValueType::GeoPointValue(LatLng {
                    latitude: 36.7,
                    longitude: 3.0,
                }),
                json!({"latitude": 36.7, "longitude": 3.0}),
            ),
            (
                ValueType::TimestampValue(Timestamp {
                    seconds: 253_402_300_799,
                    nanos: 999_999_000,
                }),
                json!("9999-12-31T23:59:59.999999Z"),
            ),
            (ValueType::NullValue(0), Value::Null),
        ];
        for (value, expected) in cases {
            assert_eq!(to_json(&wire(value)), expected);
        }
        assert_eq!(to_json(&Wire { value_type: None }), Value::Null);
    }

    #[test]
    fn nested_arrays_are_wrapped() {
        let kept = to_json(&from_json(&json!([[1, [2]], 3])));
        assert_eq!(kept, json!([{"values": [1, {"values": [2]}]}, 3]));
    }

    #[test]
    fn times_before_and_after_the_epoch() {
        let time = |seconds, nanos| Timestamp { seconds, nanos };
        assert_eq!(millis(&time(1_771_842_312, 345_678_000)), 1_771_842_312_345);
        assert_eq!(millis(&time(-1, 999_000_000)), -1);
        assert_eq!(micros(&time(1, 2_000)), 1_000_002);
        assert_eq!(micros(&time(-1, 0)), 0);
        assert_eq!(micros(&time_from_millis(1_234)), 1_234_000);
    }

    #[test]
    fn odd_names_are_quoted_in_masks() {
        assert_eq!(field_path("statusHistory"), "statusHistory");
        assert_eq!(field_path("a.b"), "`a.b`");
        assert_eq!(field_path("1a`\\"), "`1a\\`\\\\`");
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(|value| json!(value)),
            any::<i64>().prop_map(|value| json!(value)),
            (-1e15..1e15).prop_map(|value: f64| json!(value)),
            ".{0,12}".prop_map(|value| json!(value)),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(
                    inner
                        .clone()
                        .prop_filter("no array in an array", |value| !value.is_array()),
                    0..4
                )
                .prop_map(Value::Array),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_survives_the_way_there_and_back(value in json_value()) {
            prop_assert_eq!(to_json(&from_json(&value)), value);
        }
    }
}
