//! One submit on its way: number, order and idempotency key in one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{CommitResponse, Document, Write};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::{COUNTER, COUNTER_FIELD, Counter, KEYS_COLLECTION, Last, Numbering};
use crate::firestore::connection::{patch, put, unchanged};
use crate::firestore::fault::{Fault, FaultKind};
use crate::firestore::records::{bytes_of, fields, hex, number_of, text_of, time, time_of};
use crate::firestore::usage::Cause;
use crate::firestore::value;
use crate::orders::{OrderDraft, OrderId};
use crate::store::{IDEMPOTENCY_MILLIS, IdempotencyKey, Placed, StoreError, random_id};

/// Which submit has placed an order: what tells, after a lost answer, whether it was ours.
const SUBMISSION_FIELD: &str = "submissionId";
/// What a key was used for.
const FINGERPRINT_FIELD: &str = "fingerprint";
/// How often other instances may be faster before a submit is given up.
const CONFLICTS: u32 = 30;
/// How often the outcome of a commit is asked for before a submit is given up.
const LOOKS: u32 = 8;
/// Numbers that are looked at together where orders stand on numbers that the counter hasn't given out.
const PROBES: u64 = 50;

/// One submit on its way.
pub(super) struct Submission {
    draft: OrderDraft,
    id: String,
    key: Option<IdempotencyKey>,
    millis: u64,
    /// Commits whose outcome is unknown were for this number.
    unsure: Option<u64>,
    /// Numbers up to this one are taken by orders that weren't counted.
    taken: u64,
}

/// How far a submit has come, for the one that waits for it.
#[derive(Default)]
pub(super) struct Progress {
    /// A commit was sent whose outcome isn't known yet.
    is_sent: AtomicBool,
    /// The caller was answered: the outcome is still found out, and nothing more is sent.
    given_up: CancellationToken,
}

impl Progress {
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }

    pub(super) fn give_up(&self) {
        self.given_up.cancel();
    }
}

/// The right to number orders, and what the last one to have it has left.
type Turn = Option<OwnedMutexGuard<Last>>;

/// What the database holds before a commit.
enum Before {
    Placed(Placed),
    Free {
        counter: Counter,
        key: ConditionType,
    },
}

/// Why a look didn't tell what the database holds.
enum LookError {
    Fault(Fault),
    KeyReused,
}

impl From<Fault> for LookError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
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
}

impl Numbering {
    /// Waits for its turn, and places the order. After [`Progress::give_up`] it lets go of its turn and only finds out what
    /// became of the commits that were sent.
    pub(super) async fn place_in_turn(
        &self,
        mut submission: Submission,
        progress: &Progress,
    ) -> Result<Placed, StoreError> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        submission.millis = self.clock.millis().max(last.millis + 1);
        last.millis = submission.millis;
        // While the listener is away, the first call is a read, which tells for certain that nothing was placed.
        let mut known = last.counter.take().filter(|_| self.is_live());
        let mut turn = Some(last);
        let (mut conflicts, mut looks) = (0, 0);
        loop {
            let before = match known.take() {
                Some(counter) => Ok(Before::Free {
                    counter,
                    key: ConditionType::Exists(false),
                }),
                None => self.look_before(&submission).await,
            };
            let (counter, key) = match before {
                Ok(Before::Placed(placed)) => return Ok(placed),
                Ok(Before::Free { .. }) if progress.given_up.is_cancelled() => {
                    return Err(Fault::transient("it was not placed in time").into_error());
                }
                Ok(Before::Free { counter, key }) => (counter, key),
                Err(LookError::KeyReused) => return Err(StoreError::KeyReused),
                Err(LookError::Fault(fault)) => {
                    looks += 1;
                    submission.patience(looks, fault).await?;
                    continue;
                }
            };
            let number = counter.value.max(submission.taken) + 1;
            let writes = self.writes(&submission, number, &counter, key);
            match self.commit(writes, progress, &mut turn).await {
                Ok(response) => {
                    if let Some(last) = &mut turn {
                        last.counter = counter_after(number, &response);
                    }
                    return Ok(placed(number));
                }
                Err(fault) if fault.maybe_done => {
                    submission.unsure = Some(number);
                    looks += 1;
                    submission.patience(looks, fault).await?;
                }
                Err(fault) if fault.kind == FaultKind::Conflict && conflicts < CONFLICTS => {
                    progress.settle(&submission);
                    conflicts += 1;
                    self.pass_taken(&mut submission, number).await?;
                    tokio::time::sleep(Duration::from_millis(rand::random_range(
                        0..20 * u64::from(conflicts),
                    )))
                    .await;
                }
                Err(fault) => {
                    progress.settle(&submission);
                    return Err(submission.given_up(fault));
                }
            }
        }
    }

    /// Commits, and lets go of `turn` when the caller has given up meanwhile: others don't wait for what is lost.
    async fn commit(
        &self,
        writes: Vec<Write>,
        progress: &Progress,
        turn: &mut Turn,
    ) -> Result<CommitResponse, Fault> {
        // Nothing is sent before there is a connection.
        self.connection.ready().await?;
        progress.is_sent.store(true, Ordering::Relaxed);
        let mut commit = std::pin::pin!(self.connection.commit(writes));
        tokio::select! {
            biased;
            outcome = &mut commit => outcome,
            () = progress.given_up.cancelled() => {
                *turn = None;
                commit.await
            }
        }
    }

    /// Reads the counter, the key, and what a commit of unknown outcome would have left.
    async fn look_before(&self, submission: &Submission) -> Result<Before, LookError> {
        let mut names = vec![self.connection.name(COUNTER.0, COUNTER.1)];
        names.extend(submission.key.as_ref().map(|key| self.key_name(key)));
        names.extend(
            submission
                .unsure
                .map(|number| self.connection.order_name(&OrderId::sequential(number))),
        );
        let mut documents = self.connection.get(names, Cause::Write).await?.into_iter();
        let counter = documents.next().flatten();
        let key = submission
            .key
            .as_ref()
            .and_then(|_| documents.next().flatten());
        let order = submission.unsure.and_then(|_| documents.next().flatten());
        if let (Some(number), Some(order)) = (submission.unsure, order)
            && text_of(&order.fields, SUBMISSION_FIELD) == submission.id
        {
            return Ok(Before::Placed(placed(number)));
        }
        if let (Some(sent), Some(stored)) = (&submission.key, &key)
            && let Some(found) = placed_before(stored, submission.millis)
        {
            let is_same = sent.matches(bytes_of(&stored.fields, FINGERPRINT_FIELD));
            return if is_same {
                Ok(Before::Placed(found))
            } else {
                Err(LookError::KeyReused)
            };
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
    async fn pass_taken(&self, submission: &mut Submission, number: u64) -> Result<(), StoreError> {
        let mut first = number;
        loop {
            let probes: Vec<u64> =
                (first..first + if first == number { 1 } else { PROBES }).collect();
            let names = probes
                .iter()
                .map(|number| self.connection.order_name(&OrderId::sequential(*number)))
                .collect();
            let documents = match self.connection.get(names, Cause::Write).await {
                Ok(documents) => documents,
                Err(fault) => return Err(submission.given_up(fault)),
            };
            let ours =
                |document: &Document| text_of(&document.fields, SUBMISSION_FIELD) == submission.id;
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
                submission.taken = if *free == number {
                    submission.taken
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
        submission: &Submission,
        number: u64,
        counter: &Counter,
        key: ConditionType,
    ) -> Vec<Write> {
        let id = OrderId::sequential(number);
        let mut order =
            value::fields_from_json(&submission.draft.clone().into_fields(&id, submission.millis));
        order.insert(
            SUBMISSION_FIELD.to_owned(),
            value::text(submission.id.clone()),
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
                self.connection.order_name(&id),
                order,
                Some(ConditionType::Exists(false)),
            ),
        ];
        if let Some(sent) = &submission.key {
            let values = fields([
                ("orderId", value::text(id.as_str())),
                ("number", value::integer(number)),
                ("createdAt", time(submission.millis)),
                ("expiresAt", time(submission.millis + IDEMPOTENCY_MILLIS)),
                (
                    FINGERPRINT_FIELD,
                    value::wire(ValueType::BytesValue(sent.fingerprint().to_vec())),
                ),
            ]);
            writes.push(put(self.key_name(sent), values, Some(key)));
        }
        writes
    }

    fn key_name(&self, key: &IdempotencyKey) -> String {
        self.connection.name(KEYS_COLLECTION, &hex(&key.digest()))
    }
}

impl Progress {
    /// The last commit has done nothing. Earlier ones may have, where one is unsure.
    fn settle(&self, submission: &Submission) {
        self.is_sent
            .store(submission.unsure.is_some(), Ordering::Relaxed);
    }
}

impl Submission {
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
            Some(number) => StoreError::OutcomeUnknown {
                reason: format!("the order may stand on number {number}: {}", fault.message),
            },
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
    let time = response.write_results.first()?.update_time?;
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
