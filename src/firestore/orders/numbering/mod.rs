//! Places orders, one after the other in this process, each within a deadline.

mod counter;
mod placing;
mod progress;
mod submission;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::firestore::database::Database;
use crate::firestore::fault::Fault;
use crate::firestore::orders::listener::Health;
use crate::firestore::sweep::Sweep;
use crate::orders::{OrderDraft, SourceState};
use crate::store::{IdempotencyKey, Placed, StoreError};
use counter::Last;
use placing::Placing;
use progress::Progress;
use submission::{KEYS_COLLECTION, Submission};

/// Maximum number of submits in progress or waiting for their turn; more are refused at once.
const MAX_SUBMITS: usize = 200;
/// How long the outcome of a submit is looked for after its caller was answered that it is unknown.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// Numbers orders, one submit of this process after the other: parallel ones would only conflict.
pub(crate) struct Numbering {
    database: Arc<Database>,
    clock: Clock,
    health: watch::Receiver<Health>,
    last: Arc<Mutex<Last>>,
    places: Arc<Semaphore>,
    sweep: Sweep,
}

impl Numbering {
    pub(crate) fn new(
        database: Arc<Database>,
        clock: Clock,
        health: watch::Receiver<Health>,
    ) -> Self {
        Self {
            database,
            clock,
            health,
            last: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_SUBMITS)),
            sweep: Sweep::default(),
        }
    }

    /// Places an order in a task of its own, which goes on after the caller is answered or dropped, and ends with `stopping`.
    pub(crate) async fn place(
        self: &Arc<Self>,
        draft: OrderDraft,
        key: Option<IdempotencyKey>,
        stopping: &CancellationToken,
    ) -> Result<Placed, StoreError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let reason = format!("too many submits are waiting for Firestore ({MAX_SUBMITS})");
            return Err(Fault::transient(reason).into_error());
        };
        let (reply, answer) = oneshot::channel();
        let numbering = Arc::clone(self);
        let placing = async move {
            numbering.run(Submission::new(draft, key), reply).await;
            drop(place);
        };
        tokio::spawn(stopping.clone().run_until_cancelled_owned(placing));
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::OutcomeUnknown {
                reason: "the process stops".to_owned(),
            })
        })
    }

    /// Answers within the deadline. If a commit is still in flight then, its outcome is looked for afterwards.
    async fn run(
        &self,
        submission: Submission,
        reply: oneshot::Sender<Result<Placed, StoreError>>,
    ) {
        let (progress, has_key) = (Progress::default(), submission.has_key());
        let mut placing = std::pin::pin!(self.place_in_turn(submission, &progress));
        let deadline = self.database.settings().write_deadline;
        let outcome = match timeout(deadline, &mut placing).await {
            Ok(outcome) => outcome,
            Err(_) if progress.is_sent() => {
                progress.give_up();
                // The caller may have been dropped.
                let _ = reply.send(Err(StoreError::OutcomeUnknown {
                    reason: format!(
                        "Firestore has not answered within {} s",
                        deadline.as_secs_f32()
                    ),
                }));
                report(timeout(AFTERWARDS, placing).await.ok());
                return;
            }
            Err(_) => Err(Fault::transient(format!(
                "the order could not be sent to Firestore within {} s; it was not placed",
                deadline.as_secs_f32()
            ))
            .into_error()),
        };
        let is_new_key = has_key && outcome.is_ok();
        let _ = reply.send(outcome);
        if is_new_key {
            let now = self.clock.millis();
            self.sweep
                .run(&self.database, KEYS_COLLECTION, "expiresAt", now)
                .await;
        }
    }

    /// Waits for its turn, and places the order. After [`Progress::give_up`] it only finds out the outcome of the commits that
    /// were sent.
    async fn place_in_turn(
        &self,
        mut submission: Submission,
        progress: &Progress,
    ) -> Result<Placed, StoreError> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        submission.millis = self.clock.millis().max(last.millis + 1);
        last.millis = submission.millis;
        // While the listener is away, the first call is a read: if it fails, nothing was placed for certain.
        let known = last.counter.take().filter(|_| self.is_live());
        progress.hold(last);
        Placing::new(&self.database, submission, progress)
            .run(known)
            .await
    }

    fn is_live(&self) -> bool {
        self.health.borrow().source == SourceState::Live
    }
}

/// Logs the outcome of a submit whose caller was answered that it is unknown.
fn report(outcome: Option<Result<Placed, StoreError>>) {
    match outcome {
        Some(Ok(placed)) => {
            tracing::warn!(
                order = ?placed.order_id,
                "an order was placed after its client was answered that the outcome is unknown"
            );
        }
        Some(Err(error)) => {
            tracing::warn!(
                ?error,
                "an order was not placed; its client was answered that the outcome is unknown"
            );
        }
        None => tracing::warn!(
            "Firestore has not said whether an order was placed; the client's next attempt with the same key will"
        ),
    }
}
