//! Places orders, one after the other in this process, each within a deadline.

mod placing;
mod submission;

use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use tokio::sync::{Mutex, Semaphore, oneshot, watch};
use tokio::time::timeout;

use super::FirestoreStore;
use super::connection::Connection;
use super::fault::Fault;
use super::listener::Health;
use super::sweep::Sweep;
use crate::clock::Clock;
use crate::orders::{OrderDraft, SourceState};
use crate::store::{IdempotencyKey, Placed, StoreError};
use placing::Progress;
use submission::Submission;

/// Collection and id of the counter that all writers of orders share.
const COUNTER: (&str, &str) = ("system", "counters");
const COUNTER_FIELD: &str = "orderCounter";
/// Collection of idempotency keys, by their SHA-256.
const KEYS_COLLECTION: &str = "orderbell_idempotency";
/// Maximum number of submits in progress or waiting for their turn; more are refused at once.
const MAX_SUBMITS: usize = 200;
/// How long the outcome of a submit is looked for after its caller was answered that it is unknown.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// Numbers orders, one submit of this process after the other: parallel ones would only conflict.
pub(super) struct Numbering {
    connection: Arc<Connection>,
    clock: Clock,
    health: watch::Receiver<Health>,
    last: Arc<Mutex<Last>>,
    places: Arc<Semaphore>,
    sweep: Sweep,
}

#[derive(Default)]
struct Last {
    /// The counter after the last commit, so that most submits need no read.
    counter: Option<Counter>,
    /// `timestamp` of the last order. The next one gets a later one, so that lists show orders by number.
    millis: u64,
}

#[derive(Debug, Clone)]
struct Counter {
    value: u64,
    /// Holds while no other writer has changed the counter.
    condition: ConditionType,
}

impl FirestoreStore {
    /// Places an order in a task of its own, which goes on after the caller is answered or dropped.
    pub(super) async fn place(
        &self,
        draft: OrderDraft,
        key: Option<IdempotencyKey>,
    ) -> Result<Placed, StoreError> {
        let Ok(place) = Arc::clone(&self.numbering.places).try_acquire_owned() else {
            return Err(Fault::transient("too many submits are waiting").into_error());
        };
        let (reply, answer) = oneshot::channel();
        let numbering = Arc::clone(&self.numbering);
        let placing = async move {
            numbering.run(Submission::new(draft, key), reply).await;
            drop(place);
        };
        tokio::spawn(self.stopping.clone().run_until_cancelled_owned(placing));
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::OutcomeUnknown {
                reason: "the process stops".to_owned(),
            })
        })
    }
}

impl Numbering {
    pub(super) fn new(
        connection: Arc<Connection>,
        clock: Clock,
        health: watch::Receiver<Health>,
    ) -> Self {
        Self {
            connection,
            clock,
            health,
            last: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_SUBMITS)),
            sweep: Sweep::default(),
        }
    }

    fn is_live(&self) -> bool {
        self.health.borrow().source == SourceState::Live
    }

    /// Answers within the deadline. If a commit is still in flight then, its outcome is looked for afterwards.
    async fn run(
        &self,
        submission: Submission,
        reply: oneshot::Sender<Result<Placed, StoreError>>,
    ) {
        let (progress, has_key) = (Progress::default(), submission.has_key());
        let mut placing = std::pin::pin!(self.place_in_turn(submission, &progress));
        let deadline = self.connection.settings().write_deadline;
        let outcome = match timeout(deadline, &mut placing).await {
            Ok(outcome) => outcome,
            Err(_) if progress.is_sent() => {
                progress.give_up();
                // The caller may have been dropped.
                let _ = reply.send(Err(StoreError::OutcomeUnknown {
                    reason: format!("no answer within {} s", deadline.as_secs_f32()),
                }));
                report(timeout(AFTERWARDS, placing).await.ok());
                return;
            }
            Err(_) => Err(
                Fault::transient("the order could not be sent to Firestore in time").into_error(),
            ),
        };
        let is_new_key = has_key && outcome.is_ok();
        let _ = reply.send(outcome);
        if is_new_key {
            let now = self.clock.millis();
            self.sweep
                .run(&self.connection, KEYS_COLLECTION, "expiresAt", now)
                .await;
        }
    }
}

/// Logs the outcome of a submit whose caller was answered that it is unknown.
fn report(outcome: Option<Result<Placed, StoreError>>) {
    match outcome {
        Some(Ok(placed)) => {
            tracing::warn!(order = ?placed.order_id, "an order was placed too late for its client to be told");
        }
        Some(Err(error)) => {
            tracing::warn!(
                ?error,
                "an order whose client was told that its outcome is unknown was not found"
            );
        }
        None => tracing::warn!("whether an order was placed could not be found out"),
    }
}
