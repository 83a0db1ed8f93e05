//! Writes and their preconditions in the wire format.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::field_transform::{
    ServerValue, TransformType,
};
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{
    CommitResponse, Document, DocumentMask, Precondition, Value, Write,
};

use super::value;

/// A write of a whole document.
pub(super) fn put(
    name: String,
    fields: HashMap<String, Value>,
    condition: Option<ConditionType>,
) -> Write {
    Write {
        current_document: condition.map(precondition),
        operation: Some(Operation::Update(Document {
            name,
            fields,
            ..Document::default()
        })),
        ..Write::default()
    }
}

/// A write of the fields in `mask` only; those that `fields` doesn't have are removed.
pub(super) fn patch(
    name: String,
    fields: HashMap<String, Value>,
    mask: &[&str],
    condition: ConditionType,
) -> Write {
    Write {
        update_mask: Some(DocumentMask {
            field_paths: mask.iter().map(|name| value::field_path(name)).collect(),
        }),
        ..put(name, fields, Some(condition))
    }
}

/// A transform that sets a field to the server's time of the commit, as a Timestamp.
pub(super) fn server_time(field: &str) -> FieldTransform {
    FieldTransform {
        field_path: field.to_owned(),
        transform_type: Some(TransformType::SetToServerValue(
            ServerValue::RequestTime.into(),
        )),
    }
}

/// A write that removes a document.
pub(super) fn delete(name: String, condition: Option<ConditionType>) -> Write {
    Write {
        current_document: condition.map(precondition),
        operation: Some(Operation::Delete(name)),
        ..Write::default()
    }
}

/// Precondition that a document is as it was read: absent, or last changed at the same time.
pub(super) fn unchanged(document: Option<&Document>) -> ConditionType {
    match document.and_then(|document| document.update_time) {
        Some(time) => ConditionType::UpdateTime(time),
        None => ConditionType::Exists(document.is_some()),
    }
}

fn precondition(condition: ConditionType) -> Precondition {
    Precondition {
        condition_type: Some(condition),
    }
}

/// Commit time, in microseconds.
pub(super) fn commit_micros(response: &CommitResponse) -> u64 {
    response.commit_time.as_ref().map_or(0, value::micros)
}
