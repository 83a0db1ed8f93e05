use std::thread;
use std::time::Duration;

use rusqlite::{Connection, Savepoint, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};

use super::error::unavailable;
use super::pruning::Pruning;
use super::window;
use crate::clock::Clock;
use crate::orders::{Change, Snapshot, SourceState, WatchEvent, WindowLimits};
use crate::store::{StoreError, WatchSink};

/// Maximum number of writes in one transaction.
const GROUP_LIMIT: usize = 256;
/// Maximum number of queued writes; further callers wait for a place.
const QUEUE_LIMIT: usize = 1_024;
/// How long a caller waits for a place in the queue.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

/// Handle of the writing thread.
pub(super) struct Writer {
    queue: mpsc::Sender<Command>,
    /// The reason, once the thread has ended.
    ended: watch::Receiver<Option<String>>,
}

enum Command {
    Write(Box<dyn Job>),
    Watch {
        window: WindowLimits,
        sink: WatchSink,
    },
    DeliverOpenOrders,
}

/// Context of one write: the transaction, a commit clock, and the changes to report.
pub(super) struct Write<'a> {
    pub(super) sql: &'a Connection,
    clock: &'a mut CommitClock,
    changes: &'a mut Vec<Change>,
}

impl Write<'_> {
    /// A unique commit time, later than all earlier ones, in microseconds.
    pub(super) fn stamp(&mut self) -> u64 {
        self.clock.next()
    }

    /// The wall clock, in milliseconds.
    pub(super) fn now_millis(&self) -> u64 {
        self.clock.clock.millis()
    }

    /// Reports `change` to the watch once it is durable.
    pub(super) fn announce(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// Commit times in microseconds: the wall clock, or one more than the last if the clock isn't ahead of it.
struct CommitClock {
    clock: Clock,
    last: u64,
}

impl CommitClock {
    fn next(&mut self) -> u64 {
        self.last = self.clock.micros().max(self.last + 1);
        self.last
    }
}

impl Writer {
    pub(super) fn start(connection: Connection, clock: Clock) -> anyhow::Result<Self> {
        let last = connection.query_row(
            "SELECT value FROM meta WHERE key = 'last_commit'",
            [],
            |row| row.get(0),
        )?;
        let (queue, commands) = mpsc::channel(QUEUE_LIMIT);
        let (ending, ended) = watch::channel(None);
        let thread = Thread {
            connection,
            clock: CommitClock { clock, last },
            watches: Vec::new(),
            pruning: Pruning::default(),
        };
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let ending = Ending(ending);
                thread.run(commands);
                drop(ending);
            })?;
        Ok(Self { queue, ended })
    }

    /// Runs `op` in a transaction shared with other writes, and returns when it is durable.
    ///
    /// If `op` fails, its writes are rolled back.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(PendingJob {
            op: Some(op),
            outcome: None,
            reply,
        });
        match self
            .queue
            .send_timeout(Command::Write(job), QUEUE_PATIENCE)
            .await
        {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                return Err(unavailable(format!(
                    "{QUEUE_LIMIT} writes are waiting for the disk already"
                )));
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => {
                return Err(unavailable("the thread that writes to the store has ended"));
            }
        }
        answer
            .await
            .unwrap_or_else(|_| Err(unavailable("the thread that writes to the store has ended")))
    }

    pub(super) fn watch(&self, window: WindowLimits, sink: WatchSink) {
        let queue = self.queue.clone();
        // Called once at startup, when the queue is empty. If the writer is gone, `ended` reports it.
        let _ = queue.try_send(Command::Watch { window, sink });
    }

    /// Skipped if the queue is full; the caller asks again.
    pub(super) fn deliver_open_orders(&self) {
        let _ = self.queue.try_send(Command::DeliverOpenOrders);
    }

    pub(super) async fn ended(&self) -> anyhow::Error {
        let mut ended = self.ended.clone();
        let reason = match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "it was dropped".to_owned(),
        };
        anyhow::anyhow!("the store's writer has ended: {reason}")
    }
}

/// Reports the end of the thread when dropped, also after a panic.
struct Ending(watch::Sender<Option<String>>);

impl Drop for Ending {
    fn drop(&mut self) {
        let reason = if thread::panicking() {
            "it panicked"
        } else {
            "its queue was closed"
        };
        self.0.send_replace(Some(reason.to_owned()));
    }
}

struct Thread {
    connection: Connection,
    clock: CommitClock,
    watches: Vec<Watch>,
    pruning: Pruning,
}

struct Watch {
    window: WindowLimits,
    sink: WatchSink,
}

impl Thread {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut group = Vec::with_capacity(GROUP_LIMIT);
        while commands.blocking_recv_many(&mut group, GROUP_LIMIT) > 0 {
            let mut jobs = Vec::with_capacity(group.len());
            for command in group.drain(..) {
                match command {
                    Command::Write(job) => jobs.push(job),
                    Command::Watch { window, sink } => {
                        // Earlier writes belong into the first snapshot.
                        self.commit(std::mem::take(&mut jobs));
                        self.begin_watch(window, sink);
                    }
                    Command::DeliverOpenOrders => {
                        self.commit(std::mem::take(&mut jobs));
                        self.deliver_open_orders();
                    }
                }
            }
            self.commit(jobs);
        }
    }

    fn begin_watch(&mut self, window: WindowLimits, mut sink: WatchSink) {
        self.pruning.keep(window.orders);
        match window::initial(&self.connection, window) {
            Ok(snapshot) => {
                sink(WatchEvent::Snapshot(snapshot));
                sink(WatchEvent::Source(SourceState::Live));
                self.watches.push(Watch { window, sink });
            }
            Err(error) => sink(WatchEvent::Source(SourceState::Failed {
                message: format!("the store's file can't be read ({error}): check it, and restart"),
            })),
        }
    }

    fn deliver_open_orders(&mut self) {
        for Watch { window, sink } in &mut self.watches {
            match window::open_orders(&self.connection, *window) {
                Ok(snapshot) => sink(WatchEvent::Snapshot(snapshot)),
                Err(error) => {
                    tracing::warn!(%error, "the open orders can't be read again; those left out stay hidden for now");
                }
            }
        }
    }

    /// Commits `jobs` as one group, notifies the watches, then answers.
    fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        let mut changes = Vec::new();
        match run_group(
            &mut self.connection,
            &mut self.clock,
            &mut jobs,
            &mut changes,
        ) {
            Ok(()) => {
                if !changes.is_empty() {
                    let snapshot = newest_states(changes);
                    for Watch { sink, .. } in &mut self.watches {
                        sink(WatchEvent::Snapshot(snapshot.clone()));
                    }
                }
                for job in jobs {
                    job.answer();
                }
                self.pruning
                    .run_when_due(&self.connection, self.clock.clock.millis());
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    writes = jobs.len(),
                    "no write to the store succeeds: check the free space of the disk, and the permissions of the file"
                );
                let reason = error.to_string();
                for job in jobs {
                    job.refuse(&reason);
                }
            }
        }
    }
}

fn run_group(
    connection: &mut Connection,
    clock: &mut CommitClock,
    jobs: &mut [Box<dyn Job>],
    changes: &mut Vec<Change>,
) -> rusqlite::Result<()> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = clock.last;
    for job in jobs {
        let savepoint = transaction.savepoint()?;
        job.run(savepoint, clock, changes)?;
    }
    if clock.last != before {
        transaction
            .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'last_commit'")?
            .execute([clock.last])?;
    }
    transaction.commit()
}

/// The last change of each order. Positions ascend because commit times do.
fn newest_states(changes: Vec<Change>) -> Snapshot {
    let mut seen = std::collections::HashSet::new();
    let mut newest: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes.into_iter().rev() {
        let id = match &change {
            Change::Upsert(order) => order.id.clone(),
            Change::Remove { id, .. } => id.clone(),
        };
        if seen.insert(id) {
            newest.push(change);
        }
    }
    newest.reverse();
    Snapshot {
        changes: newest,
        ..Snapshot::default()
    }
}

/// A queued write, which is run, committed, and then answered.
trait Job: Send {
    /// Runs the write. `Err` is a failure of the file; a refusal by the write itself is kept as its outcome.
    fn run(
        &mut self,
        savepoint: Savepoint<'_>,
        clock: &mut CommitClock,
        changes: &mut Vec<Change>,
    ) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>);
    fn refuse(self: Box<Self>, reason: &str);
}

struct PendingJob<T, F> {
    op: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for PendingJob<T, F>
where
    T: Send,
    F: FnOnce(&mut Write<'_>) -> Result<T, StoreError> + Send,
{
    fn run(
        &mut self,
        mut savepoint: Savepoint<'_>,
        clock: &mut CommitClock,
        changes: &mut Vec<Change>,
    ) -> rusqlite::Result<()> {
        let Some(op) = self.op.take() else {
            return Ok(());
        };
        let known = changes.len();
        let outcome = op(&mut Write {
            sql: &savepoint,
            clock,
            changes,
        });
        if outcome.is_ok() {
            savepoint.commit()?;
        } else {
            changes.truncate(known);
            savepoint.rollback()?;
        }
        self.outcome = Some(outcome);
        Ok(())
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // The caller may be gone; its write is done all the same.
            let _ = self.reply.send(outcome);
        }
    }

    fn refuse(self: Box<Self>, reason: &str) {
        let _ = self.reply.send(Err(unavailable(reason)));
    }
}
