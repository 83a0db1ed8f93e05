//! One submit, and its writes.

use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Write};

use super::counter::{COUNTER, COUNTER_FIELD, Counter};
use crate::firestore::database::Database;
use crate::firestore::fault::{Fault, FaultKind};
use crate::firestore::fields::{bytes_of, fields, text_of, time};
use crate::firestore::value;
use crate::firestore::writes::{patch, put};
use crate::orders::{OrderDraft, OrderId};
use crate::store::{IDEMPOTENCY_MILLIS, IdempotencyKey, StoreError, random_id};

/// Collection of idempotency keys, by their SHA-256.
pub(super) const KEYS_COLLECTION: &str = "orderbell_idempotency";
/// Id of the submit that placed an order: after a lost answer, it tells whether the order is ours.
const SUBMISSION_FIELD: &str = "submissionId";
/// Fingerprint of the submit, its user included, that a key was used for.
const FINGERPRINT_FIELD: &str = "fingerprint";
/// Look-ups of a commit's outcome before a submit is given up.
const LOOKS: u32 = 8;

/// A submit in progress.
pub(super) struct Submission {
    draft: OrderDraft,
    id: String,
    key: Option<IdempotencyKey>,
    pub(super) millis: u64,
    /// Number used by the commits whose outcome is unknown.
    pub(super) unsure: Option<u64>,
    /// Numbers up to this one are taken by orders that weren't counted.
    pub(super) taken: u64,
}

impl Submission {
    pub(super) fn new(draft: OrderDraft, key: Option<IdempotencyKey>) -> Self {
        Self {
            draft,
            id: random_id(),
            key,
            millis: 0,
            unsure: None,
            taken: 0,
        }
    }

    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Full name of the key's document, if there is a key.
    pub(super) fn key_name(&self, database: &Database) -> Option<String> {
        self.key.as_ref().map(|key| key_name(database, key))
    }

    /// Full name of the order that a commit of unknown outcome may have placed.
    pub(super) fn unsure_name(&self, database: &Database) -> Option<String> {
        self.unsure
            .map(|number| database.order_name(&OrderId::sequential(number)))
    }

    /// Whether this submit has placed the order.
    pub(super) fn is_ours(&self, order: &Document) -> bool {
        text_of(&order.fields, SUBMISSION_FIELD) == self.id
    }

    /// Whether the stored key was used for the same submit.
    pub(super) fn matches(&self, stored: &Document) -> bool {
        let fingerprint = bytes_of(&stored.fields, FINGERPRINT_FIELD);
        self.key
            .as_ref()
            .is_some_and(|key| key.matches(fingerprint))
    }

    /// The writes of one commit: the counter, the order, and the key if there is one.
    pub(super) fn writes(
        &self,
        database: &Database,
        number: u64,
        counter: &Counter,
        key: ConditionType,
    ) -> Vec<Write> {
        let id = OrderId::sequential(number);
        let mut order = value::fields_from_json(&self.draft.clone().into_fields(&id, self.millis));
        order.insert(SUBMISSION_FIELD.to_owned(), value::text(self.id.clone()));
        let count = [(COUNTER_FIELD.to_owned(), value::integer(number))].into();
        let mut writes = vec![
            patch(
                database.name(COUNTER.0, COUNTER.1),
                count,
                &[COUNTER_FIELD],
                counter.condition,
            ),
            put(
                database.order_name(&id),
                order,
                Some(ConditionType::Exists(false)),
            ),
        ];
        if let Some(sent) = &self.key {
            let values = fields([
                ("orderId", value::text(id.as_str())),
                ("number", value::integer(number)),
                ("createdAt", time(self.millis)),
                ("expiresAt", time(self.millis + IDEMPOTENCY_MILLIS)),
                (
                    FINGERPRINT_FIELD,
                    value::wire(ValueType::BytesValue(sent.fingerprint().to_vec())),
                ),
            ]);
            writes.push(put(key_name(database, sent), values, Some(key)));
        }
        writes
    }

    /// Waits before the next look-up of a commit's outcome. An error if no commit's outcome is unknown, or after too many
    /// look-ups.
    pub(super) async fn patience(&self, looks: u32, fault: Fault) -> Result<(), StoreError> {
        if self.unsure.is_none() || looks > LOOKS {
            return Err(self.given_up(fault));
        }
        tokio::time::sleep(Duration::from_millis(100) * looks).await;
        Ok(())
    }

    /// The error of a submit that is given up: it says that the outcome is unknown if a commit's is.
    pub(super) fn given_up(&self, fault: Fault) -> StoreError {
        match self.unsure {
            None if fault.kind == FaultKind::Conflict => {
                Fault::transient("other programs keep placing orders under the same numbers")
                    .into_error()
            }
            None => fault.into_error(),
            Some(number) => StoreError::OutcomeUnknown {
                reason: format!(
                    "the order may have been placed as number {number} ({})",
                    fault.message
                ),
            },
        }
    }
}

fn key_name(database: &Database, key: &IdempotencyKey) -> String {
    database.name(KEYS_COLLECTION, &hex::encode(key.digest()))
}
