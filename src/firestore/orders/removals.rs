//! Removal records: who removed an order and when, and its last state.
//!
//! They also give a restarted process, and every other instance, the commit time of the removal.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, MapValue, Value, Write};
use firestore::gcloud_sdk::prost::Message as _;

use crate::firestore::document::id_of;
use crate::firestore::value;
use crate::firestore::writes::{put, server_time, unchanged};
use crate::orders::OrderId;

/// Collection of removal records, by the order's id.
pub(super) const REMOVALS_COLLECTION: &str = "orderbell_removals";
/// Field with the time of the removal, by the server's clock.
pub(super) const REMOVED_AT: &str = "removedAt";
/// Largest order kept in its record, in bytes: a document holds 1 MiB.
const LARGEST_ORDER: usize = 900 * 1024;

/// The record of a removal by an admin, with the order as it was.
pub(super) fn by_admin(name: String, by: &str, order: &Document) -> Write {
    let mut fields = HashMap::from([("removedBy".to_owned(), value::text(by))]);
    if order.encoded_len() <= LARGEST_ORDER {
        let order = MapValue {
            fields: order.fields.clone(),
        };
        fields.insert("order".to_owned(), value::wire(ValueType::MapValue(order)));
    }
    record(name, fields, None)
}

/// The record of a removal by another program, written when it is noticed; replaces an older record if there is one.
pub(super) fn by_others(name: String, older: Option<&Document>) -> Write {
    record(name, HashMap::new(), Some(unchanged(older)))
}

/// The id of the order that a removal record is about.
pub(super) fn removed_id(record: &str) -> Option<OrderId> {
    OrderId::parse(id_of(record)).ok()
}

fn record(name: String, fields: HashMap<String, Value>, condition: Option<ConditionType>) -> Write {
    Write {
        update_transforms: vec![server_time(REMOVED_AT)],
        ..put(name, fields, condition)
    }
}
