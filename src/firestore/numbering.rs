//! Placing orders: number, order and idempotency key in one commit.

use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{CommitResponse, Document, Value, Write};
use firestore::gcloud_sdk::prost_types::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::FirestoreStore;
use super::connection::{patch, put, unchanged};
use super::fault::{Fault, FaultKind};
use super::records::{hex, number_of, text_of, time_of};
use super::usage::Cause;
use super::value;
use crate::orders::{OrderDraft, OrderId};
use crate::store::{IDEMPOTENCY_HOURS, Placed, StoreError, random_id};
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;

/// Where the counter is kept that all writers of orders share.
const COUNTER: (&str, &str) = ("system", "counters");
const COUNTER_FIELD: &str = "orderCounter";
/// Where idempotency keys are kept, by their SHA-256.
const KEYS_COLLECTION: &str = "orderbell_idempotency";
/// Which submit has placed an order: what tells, after a lost answer, whether it was ours.
const SUBMISSION_FIELD: &str = "submissionId";
/// How often other instances may be faster before a submit is given up.
const CONFLICTS: u32 = 30;
/// How often the outcome of a commit is asked for before a submit is given up.
const LOOKS: u32 = 8;
/// Numbers that are looked at together where orders stand on numbers that the counter hasn't given out.
const PROBES: u64 = 50;
const HOUR_MILLIS: u64 = 3_600_000;

/// One submit of this process after the other: they would only be in each other's way.
#[derive(Default)]
pub(super) struct Numbering {
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    /// The counter as the last commit has left it. Most submits need no read at all.
    counter: Option<Counter>,
    /// `timestamp` of the last order: the next one has a later one, so that lists show them in the order of their numbers.
    millis: u64,
}

#[derive(Debug, Clone)]
struct Counter {
    value: u64,
    /// Holds while nobody else has counted.
    condition: ConditionType,
}

/// One submit on its way.
struct Submit {
    draft: OrderDraft,
    submission: String,
    key: Option<String>,
    millis: u64,
    /// Commits whose outcome is unknown were for this number.
    unsure: Option<u64>,
    /// Numbers up to this one are taken by orders that weren't counted.
    taken: u64,
}

/// What the database holds before a commit.
enum Before {
    Placed(Placed),
    Free {
        counter: Counter,
        key: ConditionType,
    },
}

impl FirestoreStore {
    pub(super) async fn place(
        &self,
        draft: OrderDraft,
        key: Option<String>,
    ) -> Result<Placed, StoreError> {
        let mut last = self.numbering.last.lock().await;
        let mut submit = Submit {
            draft,
            submission: random_id(),
            key: key.map(|key| hex(&Sha256::digest(key))),
            millis: self.clock.millis().max(last.millis + 1),
            unsure: None,
            taken: 0,
        };
        // While the listener is away, the first call is a read, which tells for certain that nothing was placed.
        last.millis = submit.millis;
        let mut known = last.counter.take().filter(|_| self.is_live());
        let (mut conflicts, mut looks) = (0, 0);
        loop {
            let before = match known.take() {
                Some(counter) => Before::Free {
                    counter,
                    key: ConditionType::Exists(false),
                },
                None => match self.look_before(&mut submit).await {
                    Ok(before) => before,
                    Err(fault) => {
                        looks += 1;
                        submit.patience(looks, fault).await?;
                        continue;
                    }
                },
            };
            let (counter, key) = match before {
                Before::Placed(placed) => return Ok(placed),
                Before::Free { counter, key } => (counter, key),
            };
            let number = counter.value.max(submit.taken) + 1;
            match self
                .connection
                .commit(self.writes(&submit, number, &counter, key))
                .await
            {
                Ok(response) => {
                    last.counter = counter_after(number, &response);
                    return Ok(placed(number));
                }
                Err(fault) if fault.maybe_done => {
                    submit.unsure = Some(number);
                    looks += 1;
                    submit.patience(looks, fault).await?;
                }
                Err(fault) if fault.kind == FaultKind::Conflict && conflicts < CONFLICTS => {
                    conflicts += 1;
                    self.pass_taken(&mut submit, number).await?;
                    tokio::time::sleep(Duration::from_millis(rand::random_range(
                        0..20 * u64::from(conflicts),
                    )))
                    .await;
                }
                Err(fault) => return Err(submit.given_up(fault)),
            }
        }
    }

    /// Reads the counter, the key, and what a commit of unknown outcome would have left.
    async fn look_before(&self, submit: &mut Submit) -> Result<Before, Fault> {
        let mut names = vec![self.connection.name(COUNTER.0, COUNTER.1)];
        names.extend(
            submit
                .key
                .as_ref()
                .map(|key| self.connection.name(KEYS_COLLECTION, key)),
        );
        names.extend(
            submit
                .unsure
                .map(|number| self.order_name(&OrderId::sequential(number))),
        );
        let mut documents = self.connection.get(names, Cause::Write).await?.into_iter();
        let counter = documents.next().flatten();
        let key = submit.key.as_ref().and_then(|_| documents.next().flatten());
        let order = submit.unsure.and_then(|_| documents.next().flatten());
        if let (Some(number), Some(order)) = (submit.unsure, order)
            && text_of(&order.fields, SUBMISSION_FIELD) == submit.submission
        {
            return Ok(Before::Placed(placed(number)));
        }
        if let Some(found) = key
            .as_ref()
            .and_then(|key| placed_before(key, submit.millis))
        {
            return Ok(Before::Placed(found));
        }
        Ok(Before::Free {
            counter: Counter {
                value: counter
                    .as_ref()
                    .map_or(0, |counter| number_of(&counter.fields, COUNTER_FIELD)),
                condition: unchanged(counter.as_ref()),
            },
            key: unchanged(key.as_ref()),
        })
    }

    /// A conflict may come from an order that stands on the number without having been counted: its number is passed over.
    async fn pass_taken(&self, submit: &mut Submit, number: u64) -> Result<(), StoreError> {
        let mut first = number;
        loop {
            let probes: Vec<u64> =
                (first..first + if first == number { 1 } else { PROBES }).collect();
            let names = probes
                .iter()
                .map(|number| self.order_name(&OrderId::sequential(*number)))
                .collect();
            let documents = match self.connection.get(names, Cause::Write).await {
                Ok(documents) => documents,
                Err(fault) => return Err(submit.given_up(fault)),
            };
            let ours = |document: &Document| {
                text_of(&document.fields, SUBMISSION_FIELD) == submit.submission
            };
            if documents.iter().flatten().any(ours) {
                // A commit that seemed lost has come through: the next look finds it.
                return Ok(());
            }
            if let Some((free, _)) = probes
                .iter()
                .zip(&documents)
                .find(|(_, document)| document.is_none())
            {
                // Taken or not: the counter decides, unless it lags behind.
                submit.taken = if *free == number {
                    submit.taken
                } else {
                    free - 1
                };
                return Ok(());
            }
            first += probes.len() as u64;
        }
    }

    fn writes(
        &self,
        submit: &Submit,
        number: u64,
        counter: &Counter,
        key: ConditionType,
    ) -> Vec<Write> {
        let id = OrderId::sequential(number);
        let mut fields =
            value::fields_from_json(&submit.draft.clone().into_fields(&id, submit.millis));
        fields.insert(
            SUBMISSION_FIELD.to_owned(),
            value::text(submit.submission.clone()),
        );
        let count = [(COUNTER_FIELD.to_owned(), value::integer(number))].into();
        let mut writes = vec![
            patch(
                self.connection.name(COUNTER.0, COUNTER.1),
                count,
                &[COUNTER_FIELD],
                counter.condition,
            ),
            put(
                self.order_name(&id),
                fields,
                Some(ConditionType::Exists(false)),
            ),
        ];
        if let Some(name) = &submit.key {
            let time =
                |millis| value::wire(ValueType::TimestampValue(value::time_from_millis(millis)));
            let fields: [(&str, Value); 4] = [
                ("orderId", value::text(id.as_str())),
                ("number", value::integer(number)),
                ("createdAt", time(submit.millis)),
                (
                    "expiresAt",
                    time(submit.millis + IDEMPOTENCY_HOURS * HOUR_MILLIS),
                ),
            ];
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            writes.push(put(
                self.connection.name(KEYS_COLLECTION, name),
                fields,
                Some(key),
            ));
        }
        writes
    }

    pub(super) fn order_name(&self, id: &OrderId) -> String {
        self.connection
            .name(&self.connection.settings().collection, id.as_str())
    }
}

impl Submit {
    /// Waits before the outcome of a commit is looked at again; an error where there is none to look at, or after too many
    /// looks.
    async fn patience(&self, looks: u32, fault: Fault) -> Result<(), StoreError> {
        if self.unsure.is_none() || looks > LOOKS {
            return Err(self.given_up(fault));
        }
        tokio::time::sleep(Duration::from_millis(100) * looks).await;
        Ok(())
    }

    /// Whether the order was placed is either known, or said to be unknown.
    fn given_up(&self, fault: Fault) -> StoreError {
        match self.unsure {
            None if fault.kind == FaultKind::Conflict => {
                Fault::transient("too many others place orders").into_error()
            }
            None => fault.into_error(),
            Some(number) => StoreError::Internal(anyhow::anyhow!(
                "nobody knows whether order {} was placed: {}",
                OrderId::sequential(number),
                fault.message
            )),
        }
    }
}

fn placed(number: u64) -> Placed {
    Placed {
        order_id: OrderId::sequential(number),
        number,
    }
}

fn counter_after(value: u64, response: &CommitResponse) -> Option<Counter> {
    let time: Timestamp = response.write_results.first()?.update_time?;
    Some(Counter {
        value,
        condition: ConditionType::UpdateTime(time),
    })
}

fn placed_before(key: &Document, now: u64) -> Option<Placed> {
    if time_of(&key.fields, "expiresAt") < now {
        return None;
    }
    Some(Placed {
        order_id: OrderId::parse(&text_of(&key.fields, "orderId")).ok()?,
        number: number_of(&key.fields, "number"),
    })
}
