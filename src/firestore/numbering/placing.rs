//! One submit's calls to the database: look up, commit, and look up again if an answer is lost.

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

/// Conflicts with other instances before a submit is given up.
const CONFLICTS: u32 = 30;
/// Numbers looked up at once, when orders have numbers that the counter hasn't given out.
const PROBES: u64 = 50;

/// Progress of a submit.
#[derive(Default)]
pub(super) struct Progress {
    /// Whether a commit was sent whose outcome isn't known yet.
    is_sent: AtomicBool,
    is_given_up: AtomicBool,
    /// The lock that lets one submit at a time number orders, and the state left by the last one.
    turn: Mutex<Option<OwnedMutexGuard<Last>>>,
}

impl Progress {
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }

    /// To be called when the caller is answered: from then on nothing more is sent, only the outcome is looked up, and the next
    /// submit has its turn.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.turn().take();
    }

    fn turn(&self) -> MutexGuard<'_, Option<OwnedMutexGuard<Last>>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the last commit had no effect. Earlier ones may have had, if `unsure` is set.
    fn settle(&self, submission: &Submission) {
        self.is_sent
            .store(submission.unsure.is_some(), Ordering::Relaxed);
    }
}

/// State of the database before a commit.
enum Before {
    Placed(Placed),
    Free {
        counter: Counter,
        key: ConditionType,
    },
}

/// Why a look-up didn't return the state of the database.
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
    /// Waits for its turn, and places the order. After [`Progress::give_up`] it only finds out the outcome of the commits that
    /// were sent.
    pub(super) async fn place_in_turn(
        &self,
        mut submission: Submission,
        progress: &Progress,
    ) -> Result<Placed, StoreError> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        submission.millis = self.clock.millis().max(last.millis + 1);
        last.millis = submission.millis;
        // While the listener is away, the first call is a read: if it fails, nothing was placed for certain.
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

    /// The state according to the known counter, or else to a look-up.
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
        // If this fails, nothing was sent.
        self.connection.ready().await?;
        progress.is_sent.store(true, Ordering::Relaxed);
        self.connection.commit(writes).await
    }

    /// Reads the counter, the key, and the order that a commit of unknown outcome may have placed.
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

    /// Skips numbers of orders that weren't counted, which may be the cause of a conflict.
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
                // A commit whose answer was lost took effect: the next look-up finds it.
                return Ok(());
            }
            if let Some((free, _)) = probes
                .iter()
                .zip(&documents)
                .find(|(_, document)| document.is_none())
            {
                // If `number` itself is free, the counter is right; otherwise it lags behind.
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

/// Waits a random time, up to 20 ms per conflict, to let other instances go first.
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
