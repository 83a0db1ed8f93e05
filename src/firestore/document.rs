//! Reads documents of the orders' collection as orders.

use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Value as Wire};
use serde_json::json;

use super::value;
use crate::orders::{InvalidOrderId, Order, OrderId};

/// Why a document can't be read as an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Its id is invalid, like the numeric ids that Datastore gave (`__id7__`).
    #[error(transparent)]
    Id(#[from] InvalidOrderId),
    /// It has no commit time; Firestore always sends that of stored documents.
    #[error("it has no commit time")]
    Time,
}

/// Reads a document as an order. A Timestamp in the field `timestamp` becomes whole milliseconds, so that orders of all writers
/// sort alike; every other field is kept as it is.
pub(super) fn to_order(document: &Document) -> Result<Order, Unreadable> {
    let id = OrderId::parse(id_of(&document.name))?;
    let updated = document.update_time.as_ref().ok_or(Unreadable::Time)?;
    let created = document.create_time.as_ref().unwrap_or(updated);
    let mut fields = value::fields_to_json(&document.fields);
    if let Some(Wire {
        value_type: Some(ValueType::TimestampValue(time)),
    }) = document.fields.get("timestamp")
    {
        fields.insert("timestamp".to_owned(), json!(value::millis(time)));
    }
    Ok(Order {
        id,
        fields,
        created_micros: value::micros(created),
        updated_micros: value::micros(updated),
    })
}

/// The id of a document: the last part of its name.
pub(super) fn id_of(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, id)| id)
}

/// Sort key of a document in a target: the field `timestamp`, in milliseconds.
///
/// `None` if the field is missing or has a type that neither target includes.
pub(super) fn rank(document: &Document) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this era fit; beyond it, nearly is enough"
    )]
    match &document.fields.get("timestamp")?.value_type {
        Some(ValueType::IntegerValue(millis)) => Some(*millis as f64),
        Some(ValueType::DoubleValue(millis)) if !millis.is_nan() => Some(*millis),
        Some(ValueType::TimestampValue(time)) => {
            Some(time.seconds as f64 * 1e3 + f64::from(time.nanos) / 1e6)
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use base64::Engine as _;
    use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
    use firestore::gcloud_sdk::google::r#type::LatLng;
    use firestore::gcloud_sdk::prost_types::Timestamp;
    use serde_json::{Map, Value};
    use std::collections::HashMap;

    /// A value of the REST encoding as the wire carries it.
    pub(crate) fn from_rest(value: &Value) -> Wire {
        let Some((kind, inner)) = value.as_object().and_then(|map| map.iter().next()) else {
            panic!("a typed value is an object with one entry: {value}")
        };
        let word = || inner.as_str().map(str::to_owned).unwrap_or_default();
        value::wire(match kind.as_str() {
            "stringValue" => ValueType::StringValue(word()),
            "integerValue" => ValueType::IntegerValue(word().parse().expect("a whole number")),
            "doubleValue" => ValueType::DoubleValue(match inner {
                Value::String(name) => name.parse().expect("NaN or an infinity"),
                number => number.as_f64().expect("a number"),
            }),
            "booleanValue" => ValueType::BooleanValue(inner == &json!(true)),
            "nullValue" => ValueType::NullValue(0),
            "timestampValue" => {
                ValueType::TimestampValue(word().parse::<Timestamp>().expect("RFC 3339"))
            }
            "bytesValue" => ValueType::BytesValue(
                base64::engine::general_purpose::STANDARD
                    .decode(word())
                    .expect("Base64"),
            ),
            "referenceValue" => ValueType::ReferenceValue(word()),
            "geoPointValue" => ValueType::GeoPointValue(LatLng {
                latitude: inner["latitude"].as_f64().expect("degrees"),
                longitude: inner["longitude"].as_f64().expect("degrees"),
            }),
            "arrayValue" => ValueType::ArrayValue(ArrayValue {
                values: inner["values"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(from_rest)
                    .collect(),
            }),
            "mapValue" => ValueType::MapValue(MapValue {
                fields: rest_fields(&inner["fields"]),
            }),
            other => panic!("unknown type {other}"),
        })
    }

    pub(crate) fn rest_fields(fields: &Value) -> HashMap<String, Wire> {
        let none = Map::new();
        let fields = fields.as_object().unwrap_or(&none);
        fields
            .iter()
            .map(|(name, value)| (name.clone(), from_rest(value)))
            .collect()
    }

    /// The documents that real writers have left behind.
    pub(crate) fn fixtures() -> Vec<Document> {
        let fixtures: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/documents.json"))
                .expect("JSON");
        let at = |seconds| {
            Some(Timestamp {
                seconds,
                nanos: 123_456_000,
            })
        };
        let read = |entry: &Value| Document {
            name: format!(
                "projects/p/databases/(default)/documents/orders/{}",
                entry["id"].as_str().expect("an id")
            ),
            fields: rest_fields(&entry["fields"]),
            create_time: at(1_771_842_400),
            update_time: at(1_771_842_500),
        };
        fixtures
            .as_array()
            .into_iter()
            .flatten()
            .map(read)
            .collect()
    }

    #[test]
    fn every_fixture_is_an_order_that_can_be_shown() {
        let orders: Vec<Order> = fixtures()
            .iter()
            .map(|document| to_order(document).expect("an order"))
            .collect();
        assert_eq!(orders.len(), 11);
        for order in &orders {
            let _ = (
                order.summary(),
                crate::orders::Card::from(order),
                order.whole(),
            );
            assert_eq!(order.updated_micros, 1_771_842_500_123_456);
            assert_eq!(order.created_micros, 1_771_842_400_123_456);
        }
        let by_id = |id: &str| {
            orders
                .iter()
                .find(|order| order.id.as_str() == id)
                .expect("there")
        };
        assert_eq!(
            by_id("9fJk2LmQpRsT0uVwXyZa").timestamp_millis(),
            Some(1_771_842_312_345)
        );
        assert_eq!(by_id("ORD2").placed_millis(), 1_771_842_312_000);
        assert_eq!(by_id("ORD6").fields["totalAmount"], json!("NaN"));
        assert_eq!(by_id("ORD6").total_amount(), None);
        assert_eq!(
            by_id("ORD7").fields["expires"],
            json!("9999-12-31T23:59:59Z")
        );
        assert_eq!(by_id("ORD7").fields["driver"], json!("drivers/d1"));
        assert_eq!(by_id("ORD9").placed_millis(), 1_771_842_400_123);
    }

    #[test]
    fn a_document_without_a_usable_id_or_time_is_said_to_be_unreadable() {
        let mut document = fixtures().remove(0);
        document.update_time = None;
        assert_eq!(to_order(&document), Err(Unreadable::Time));
        document.name = "projects/p/databases/(default)/documents/orders/__id7__".to_owned();
        assert_eq!(to_order(&document), Err(Unreadable::Id(InvalidOrderId)));
    }

    #[test]
    fn numbers_and_times_rank_by_milliseconds() {
        let ranks: Vec<_> = fixtures().iter().map(rank).collect();
        assert_eq!(ranks[0], Some(1_771_842_312_000.0));
        assert_eq!(ranks[1], Some(1_771_842_312_000.731));
        assert!(ranks[2].is_some_and(|millis| (millis - 1_771_842_312_345.678).abs() < 0.01));
        assert_eq!(ranks[10], None);
    }
}
