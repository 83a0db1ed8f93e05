//! One submit's calls to the database: look up, commit, and look up again if an answer is lost.

use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::{CommitResponse, Document, Write};

use super::counter::{COUNTER, COUNTER_FIELD, Counter};
use super::progress::Progress;
use super::submission::Submission;
use crate::firestore::database::Database;
use crate::firestore::fault::{Fault, FaultKind};
use crate::firestore::fields::{number_of, text_of, time_of};
use crate::firestore::usage::Cause;
use crate::firestore::writes::unchanged;
use crate::orders::OrderId;
use crate::store::{Placed, StoreError};

/// Conflicts with other instances before a submit is given up.
const CONFLICTS: u32 = 30;
/// Numbers looked up at once, when orders have numbers that the counter hasn't given out.
const PROBES: u64 = 50;

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

/// A submit that has its turn.
pub(super) struct Placing<'a> {
    database: &'a Database,
    submission: Submission,
    progress: &'a Progress,
    conflicts: u32,
    looks: u32,
}

impl<'a> Placing<'a> {
    pub(super) fn new(
        database: &'a Database,
        submission: Submission,
        progress: &'a Progress,
    ) -> Self {
        Self {
            database,
            submission,
            progress,
            conflicts: 0,
            looks: 0,
        }
    }

    /// Looks up and commits until the outcome is certain. Without a `known` counter, it begins with a look-up.
    pub(super) async fn run(mut self, mut known: Option<Counter>) -> Result<Placed, StoreError> {
        loop {
            let (counter, key) = match self.before(known.take()).await {
                Ok(Before::Placed(placed)) => return Ok(placed),
                Ok(Before::Free { .. }) if self.progress.is_given_up() => {
                    return Err(Fault::transient("the order was not placed in time").into_error());
                }
                Ok(Before::Free { counter, key }) => (counter, key),
                Err(LookError::KeyReused) => return Err(StoreError::KeyReused),
                Err(LookError::Fault(fault)) => {
                    self.wait_to_look_again(fault).await?;
                    continue;
                }
            };
            if let Some(placed) = self.attempt(&counter, key).await? {
                return Ok(placed);
            }
        }
    }

    /// The state according to the known counter, or else to a look-up.
    async fn before(&self, known: Option<Counter>) -> Result<Before, LookError> {
        match known {
            Some(counter) => Ok(Before::Free {
                counter,
                key: ConditionType::Exists(false),
            }),
            None => self.look_up().await,
        }
    }

    /// Commits the order under the next number. `None` if the database has to be looked up again: after a conflict, or because
    /// the outcome is unknown.
    async fn attempt(
        &mut self,
        counter: &Counter,
        key: ConditionType,
    ) -> Result<Option<Placed>, StoreError> {
        let number = counter.value.max(self.submission.taken) + 1;
        let writes = self.submission.writes(self.database, number, counter, key);
        match self.commit(writes).await {
            Ok(response) => {
                self.progress.leave(Counter::after(number, &response));
                return Ok(Some(placed(number)));
            }
            Err(fault) if fault.maybe_done => {
                self.submission.unsure = Some(number);
                self.wait_to_look_again(fault).await?;
            }
            Err(fault) if fault.kind == FaultKind::Conflict && self.conflicts < CONFLICTS => {
                self.settle();
                self.conflicts += 1;
                self.skip_taken(number).await?;
                pause(self.conflicts).await;
            }
            Err(fault) => {
                self.settle();
                return Err(self.submission.given_up(fault));
            }
        }
        Ok(None)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<CommitResponse, Fault> {
        // If this fails, nothing was sent.
        self.database.ready().await?;
        self.progress.set_sent(true);
        self.database.commit(writes).await
    }

    /// Records that the last commit had no effect. Earlier ones may have had, if their outcome is unknown.
    fn settle(&self) {
        self.progress.set_sent(self.submission.unsure.is_some());
    }

    async fn wait_to_look_again(&mut self, fault: Fault) -> Result<(), StoreError> {
        self.looks += 1;
        self.submission.patience(self.looks, fault).await
    }

    /// Reads the counter, the key, and the order that a commit of unknown outcome may have placed.
    async fn look_up(&self) -> Result<Before, LookError> {
        let submission = &self.submission;
        let key_name = submission.key_name(self.database);
        let unsure_name = submission.unsure_name(self.database);
        let (has_key, is_unsure) = (key_name.is_some(), unsure_name.is_some());
        let mut names = vec![self.database.name(COUNTER.0, COUNTER.1)];
        names.extend(key_name);
        names.extend(unsure_name);
        let mut documents = self.database.get(names, Cause::Write).await?.into_iter();
        let mut next = |is_asked: bool| is_asked.then(|| documents.next().flatten()).flatten();
        let (counter, key, order) = (next(true), next(has_key), next(is_unsure));
        if let (Some(number), Some(order)) = (submission.unsure, order)
            && submission.is_ours(&order)
        {
            return Ok(Before::Placed(placed(number)));
        }
        if let Some(stored) = &key
            && let Some(found) = placed_before(stored, submission.millis)
        {
            return if submission.matches(stored) {
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
    async fn skip_taken(&mut self, number: u64) -> Result<(), StoreError> {
        let mut first = number;
        loop {
            let probes: Vec<u64> =
                (first..first + if first == number { 1 } else { PROBES }).collect();
            let names = probes
                .iter()
                .map(|number| self.database.order_name(&OrderId::sequential(*number)))
                .collect();
            let documents = match self.database.get(names, Cause::Write).await {
                Ok(documents) => documents,
                Err(fault) => return Err(self.submission.given_up(fault)),
            };
            let mut found = documents.iter().flatten();
            if found.any(|document| self.submission.is_ours(document)) {
                // A commit whose answer was lost took effect: the next look-up finds it.
                return Ok(());
            }
            if let Some((free, _)) = probes
                .iter()
                .zip(&documents)
                .find(|(_, document)| document.is_none())
            {
                // If `number` itself is free, the counter is right; otherwise it lags behind.
                if *free != number {
                    self.submission.taken = free - 1;
                }
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

fn placed_before(key: &Document, now: u64) -> Option<Placed> {
    if time_of(&key.fields, "expiresAt") < now {
        return None;
    }
    Some(Placed {
        order_id: OrderId::parse(&text_of(&key.fields, "orderId")).ok()?,
        number: number_of(&key.fields, "number"),
    })
}
