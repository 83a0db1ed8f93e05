//! The store on Cloud Firestore: the same port, shared by any number of instances.
//!
//! One listener per process receives every change, by any writer. Writes are single commits with preconditions; if the outcome of
//! one is unknown, it is found out by reading.

mod accounts;
mod billing_day;
mod channel;
mod database;
mod document;
mod fault;
mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod listen;
mod orders;
mod query;
mod runtime;
mod secrets;
mod settings;
mod sweep;
mod usage;
mod value;
mod writes;

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use accounts::Accounts;
use database::Database;
use fault::Fault;
use orders::listener::{Health, Listener};
use orders::numbering::Numbering;
use query::TimeType;
use sweep::Sweep;
use usage::Meter;

pub use settings::{Access, FirestoreSettings};
pub use usage::{Billed, Cause, FREE_DELETES, FREE_READS, FREE_WRITES};

use crate::clock::Clock;
use crate::orders::{SourceState, WindowLimits};
use crate::store::{StoreError, WatchSink};

/// Orders and accounts in a Cloud Firestore database.
pub struct FirestoreStore {
    database: Arc<Database>,
    meter: Arc<Meter>,
    clock: Clock,
    numbering: Arc<Numbering>,
    accounts: Accounts,
    /// Removes old removal records now and then.
    sweep: Arc<Sweep>,
    health: watch::Sender<Health>,
    /// Notified to make the listener deliver the open orders again.
    repeat: Arc<Notify>,
    /// Set when a listener has ended by itself, with the reason.
    ended: watch::Sender<Option<String>>,
    stopping: CancellationToken,
    _stop: DropGuard,
}

impl FirestoreStore {
    /// A store that connects on first use and retries for ever: it can start while Firestore is away.
    ///
    /// The listener begins with [`OrderStore::watch`](crate::store::OrderStore::watch).
    pub fn start(settings: FirestoreSettings, clock: Clock) -> Self {
        let meter = Arc::new(Meter::new(clock.clone()));
        let stopping = CancellationToken::new();
        let database = Arc::new(Database::new(settings, Arc::clone(&meter)));
        let health = watch::Sender::new(Health {
            source: SourceState::Away {
                message: "starting".to_owned(),
            },
            unreadable: 0,
        });
        Self {
            numbering: Arc::new(Numbering::new(
                Arc::clone(&database),
                clock.clone(),
                health.subscribe(),
            )),
            accounts: Accounts::new(Arc::clone(&database)),
            database,
            meter,
            clock,
            health,
            sweep: Arc::default(),
            repeat: Arc::default(),
            ended: watch::Sender::new(None),
            _stop: stopping.clone().drop_guard(),
            stopping,
        }
    }

    /// Billed operations of this process today.
    pub fn usage(&self) -> Billed {
        self.meter.today()
    }

    /// Number of documents in the orders' collection that the listener can't read as orders.
    pub fn unreadable(&self) -> usize {
        self.health.borrow().unreadable
    }

    /// Counts the documents of the orders' collection, for an operator who connects to it. Costs three reads, and one more per
    /// thousand documents.
    pub async fn census(&self) -> Result<Census, StoreError> {
        let collection = &self.database.settings().collection;
        let count = async |of| {
            let counted = self.database.count(query::counted(collection, of)).await;
            counted.map_err(Fault::into_error)
        };
        let documents = count(None).await?;
        let timed = count(Some(TimeType::Number)).await? + count(Some(TimeType::Timestamp)).await?;
        Ok(Census {
            documents,
            without_time: documents.saturating_sub(timed),
        })
    }

    /// Registers the counters of billed reads, writes and removals, and of look-ups caused by a silent watch.
    pub fn register(&self, registry: &mut Registry) {
        self.meter.register(registry);
        self.accounts.register(registry);
    }

    fn listen(&self, window: WindowLimits, sink: WatchSink) {
        let listener = Listener {
            database: Arc::clone(&self.database),
            meter: Arc::clone(&self.meter),
            window,
            sink,
            health: self.health.clone(),
            repeat: Arc::clone(&self.repeat),
        };
        let stopping = self.stopping.clone();
        let ending = Ending(self.ended.clone());
        tokio::spawn(async move {
            stopping.run_until_cancelled(listener.run()).await;
            drop(ending);
        });
    }

    async fn listener_ended(&self) -> anyhow::Error {
        let mut ended = self.ended.subscribe();
        let reason = match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "it was dropped".to_owned(),
        };
        anyhow::anyhow!("Firestore's listener has ended: {reason}")
    }
}

/// Numbers of documents in the orders' collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// All of them.
    pub documents: u64,
    /// Those without a `timestamp` to sort by: neither listened to nor listed.
    pub without_time: u64,
}

/// Records that the listener has ended, for any reason.
struct Ending(watch::Sender<Option<String>>);

impl Drop for Ending {
    fn drop(&mut self) {
        let reason = if std::thread::panicking() {
            "it panicked"
        } else {
            "it was stopped"
        };
        self.0.send_replace(Some(reason.to_owned()));
    }
}
