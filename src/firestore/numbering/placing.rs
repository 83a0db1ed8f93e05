//! The way of one submit through the database: look, commit, and look again where an answer is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::{CommitResponse, Document, Write};
use tokio::sync::OwnedMutexGuard;

use super::submission::{FINGERPRINT_FIELD, SUBMISSION_FIELD, Submission, key_name};
use super::{COUNTER, COUNTER_FIELD, Counter, Last, Numbering};
use crate::firestore::connection::unchanged;
use crate::firestore::fault::{Fault, FaultKind};
use crate::firestore::records::{bytes_of, number_of, text_of, time_of};
use crate::firestore::usage::Cause;
use crate::orders::OrderId;
use crate::store::{Placed, StoreError};

/// How often other instances may be faster before a submit is given up.
const CONFLICTS: u32 = 30;
/// Numbers that are looked at together where orders stand on numbers that the counter hasn't given out.
const PROBES: u64 = 50;

/// How far a submit has come.
#[derive(Default)]
pub(super) struct Progress {
    /// A commit was sent whose outcome isn't known yet.
    is_sent: AtomicBool,
    is_given_up: AtomicBool,
    /// The right to number orders, and what the submit before has left.
    turn: Mutex<Option<OwnedMutexGuard<Last>>>,
}

impl Progress {
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }

    /// The caller was answered: from now on the outcome is found out, nothing more is sent, and others get their turn.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.turn().take();
    }

    fn turn(&self) -> MutexGuard<'_, Option<OwnedMutexGuard<Last>>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last commit has done nothing. Earlier ones may have, where one is unsure.
    fn settle(&self, submission: &Submission) {
        self.is_sent
            .store(submission.unsure.is_some(), Ordering::Relaxed);
    }
}

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

impl Numbering {
    /// Waits for its turn, and places the order. After [`Progress::give_up`] it only finds out what became of the commits
    /// that were sent.
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
        *progress.turn() = Some(last);
        let (mut conflicts, mut looks) = (0, 0);
        loop {
            let (counter, key) = match self.before(known.take(), &submission).await {
                Ok(Before::Placed(placed)) => return Ok(placed),
                Ok(Before::Free { .. }) if progress.is_given_up.load(Ordering::Relaxed) => {
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
            let writes = submission.writes(&self.connection, number, &counter, key);
            match self.commit(writes, progress).await {
                Ok(response) => {
                    if let Some(last) = &mut *progress.turn() {
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
                    pause(conflicts).await;
                }
                Err(fault) => {
                    progress.settle(&submission);
                    return Err(submission.given_up(fault));
                }
            }
        }
    }

    /// What is known, or else what a look tells.
    async fn before(
        &self,
        known: Option<Counter>,
        submission: &Submission,
    ) -> Result<Before, LookError> {
        match known {
            Some(counter) => Ok(Before::Free {
                counter,
                key: ConditionType::Exists(false),
            }),
            None => self.look_before(submission).await,
        }
    }

    async fn commit(
        &self,
        writes: Vec<Write>,
        progress: &Progress,
    ) -> Result<CommitResponse, Fault> {
        // Nothing is sent before there is a connection.
        self.connection.ready().await?;
        progress.is_sent.store(true, Ordering::Relaxed);
        self.connection.commit(writes).await
    }

    /// Reads the counter, the key, and what a commit of unknown outcome would have left.
    async fn look_before(&self, submission: &Submission) -> Result<Before, LookError> {
        let mut names = vec![self.connection.name(COUNTER.0, COUNTER.1)];
        names.extend(
            submission
                .key
                .as_ref()
                .map(|key| key_name(&self.connection, key)),
        );
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
}

/// Other instances are faster: they go first.
async fn pause(conflicts: u32) {
    let longest = 20 * u64::from(conflicts);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..longest))).await;
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
