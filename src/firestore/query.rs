//! Queries in the wire format.

use firestore::gcloud_sdk::google::firestore::v1::structured_query::{
    CollectionSelector, CompositeFilter, Direction, FieldFilter, FieldReference, Filter, Order,
    composite_filter, field_filter, filter::FilterType,
};
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, Cursor, StructuredQuery, Value};
use firestore::gcloud_sdk::prost_types::Timestamp;

use super::value;
use crate::orders::finished;

/// Field path of a document's name.
const NAME: &str = "__name__";
/// 0001-01-01T00:00:00Z, before which Firestore has no Timestamps.
const FIRST_SECOND: i64 = -62_135_596_800;

/// The types of `timestamp`. Firestore sorts all numbers before all Timestamps, so in one query with one limit the Timestamps
/// would push the numbers out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeType {
    /// Milliseconds, whole or not.
    Number,
    /// A Timestamp.
    Timestamp,
}

impl TimeType {
    /// The least value of the type.
    fn least(self) -> Value {
        value::wire(match self {
            Self::Number => ValueType::DoubleValue(f64::NEG_INFINITY),
            Self::Timestamp => ValueType::TimestampValue(Timestamp {
                seconds: FIRST_SECOND,
                nanos: 0,
            }),
        })
    }

    /// A time as a value of the type.
    fn at(self, millis: i64) -> Value {
        value::wire(match self {
            Self::Number => ValueType::IntegerValue(millis),
            Self::Timestamp => ValueType::TimestampValue(Timestamp {
                seconds: millis.div_euclid(1_000),
                // Below 10^9, which fits.
                nanos: i32::try_from(millis.rem_euclid(1_000) * 1_000_000).unwrap_or_default(),
            }),
        })
    }
}

/// A range of documents to read, from the newest `timestamp` down.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) of: TimeType,
    /// Earliest millisecond.
    pub(super) from: Option<i64>,
    /// Latest millisecond, inclusive.
    pub(super) to: Option<i64>,
    /// Start after this document.
    pub(super) after: Option<Place>,
    /// Maximum number of documents.
    pub(super) size: usize,
}

/// A document's place in the database's sort order.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) timestamp: Value,
    pub(super) name: String,
}

/// All documents of a collection by name.
pub(super) fn all(collection: &str, limit: usize) -> StructuredQuery {
    query(
        collection,
        Vec::new(),
        vec![order(NAME, Direction::Ascending)],
        limit,
    )
}

/// The documents whose field `name` is `value`.
pub(super) fn equal(collection: &str, name: &str, value: Value, limit: usize) -> StructuredQuery {
    query(
        collection,
        vec![compare(name, field_filter::Operator::Equal, value)],
        Vec::new(),
        limit,
    )
}

/// The documents whose field `name` is a Timestamp up to `millis`, the earliest first.
pub(super) fn expired(collection: &str, name: &str, millis: u64, limit: usize) -> StructuredQuery {
    let at = value::wire(ValueType::TimestampValue(value::time_from_millis(millis)));
    query(
        collection,
        vec![compare(name, field_filter::Operator::LessThanOrEqual, at)],
        vec![order(name, Direction::Ascending)],
        limit,
    )
}

/// The newest documents whose field `name` has this type.
pub(super) fn newest(collection: &str, name: &str, of: TimeType, limit: usize) -> StructuredQuery {
    query(
        collection,
        vec![compare(
            name,
            field_filter::Operator::GreaterThanOrEqual,
            of.least(),
        )],
        vec![order(name, Direction::Descending)],
        limit,
    )
}

/// Orders that are not finished, including unknown statuses but not a missing one. Needs no composite index.
pub(super) fn open(collection: &str, limit: usize) -> StructuredQuery {
    let values = finished().map(value::text).collect();
    let finished = value::wire(ValueType::ArrayValue(ArrayValue { values }));
    query(
        collection,
        vec![compare("status", field_filter::Operator::NotIn, finished)],
        Vec::new(),
        limit,
    )
}

/// All documents of a collection, or those whose field `timestamp` has this type.
pub(super) fn counted(collection: &str, of: Option<TimeType>) -> StructuredQuery {
    let filters = of.map(|of| {
        compare(
            "timestamp",
            field_filter::Operator::GreaterThanOrEqual,
            of.least(),
        )
    });
    StructuredQuery {
        limit: None,
        ..query(collection, filters.into_iter().collect(), Vec::new(), 0)
    }
}

/// The documents of a chunk, the latest `timestamp` first; limited to `statuses` if there are any.
pub(super) fn between(collection: &str, chunk: &Chunk, statuses: &[String]) -> StructuredQuery {
    let of = chunk.of;
    let from = chunk
        .from
        .map_or_else(|| of.least(), |millis| of.at(millis));
    let mut filters = vec![compare(
        "timestamp",
        field_filter::Operator::GreaterThanOrEqual,
        from,
    )];
    if let Some(to) = chunk.to {
        filters.push(compare(
            "timestamp",
            field_filter::Operator::LessThanOrEqual,
            of.at(to),
        ));
    }
    if !statuses.is_empty() {
        let values = statuses.iter().map(value::text).collect();
        filters.push(compare(
            "status",
            field_filter::Operator::In,
            value::wire(ValueType::ArrayValue(ArrayValue { values })),
        ));
    }
    let after = chunk.after.as_ref().map(|place| Cursor {
        values: vec![
            place.timestamp.clone(),
            value::wire(ValueType::ReferenceValue(place.name.clone())),
        ],
        before: false,
    });
    StructuredQuery {
        start_at: after,
        ..query(
            collection,
            filters,
            vec![
                order("timestamp", Direction::Descending),
                order(NAME, Direction::Descending),
            ],
            chunk.size,
        )
    }
}

fn query(
    collection: &str,
    mut filters: Vec<Filter>,
    order_by: Vec<Order>,
    limit: usize,
) -> StructuredQuery {
    let filter = if filters.len() < 2 {
        filters.pop()
    } else {
        Some(Filter {
            filter_type: Some(FilterType::CompositeFilter(CompositeFilter {
                op: composite_filter::Operator::And.into(),
                filters,
            })),
        })
    };
    StructuredQuery {
        from: vec![CollectionSelector {
            collection_id: collection.to_owned(),
            all_descendants: false,
        }],
        r#where: filter,
        order_by,
        limit: Some(i32::try_from(limit).unwrap_or(i32::MAX)),
        ..StructuredQuery::default()
    }
}

fn field(name: &str) -> FieldReference {
    FieldReference {
        field_path: name.to_owned(),
    }
}

fn order(name: &str, direction: Direction) -> Order {
    Order {
        field: Some(field(name)),
        direction: direction.into(),
    }
}

fn compare(name: &str, op: field_filter::Operator, value: Value) -> Filter {
    Filter {
        filter_type: Some(FilterType::FieldFilter(FieldFilter {
            field: Some(field(name)),
            op: op.into(),
            value: Some(value),
        })),
    }
}
