//! The listener: one stream from the database per process, for any number of readers.
//!
//! [`machine`] decides everything, as a function of messages and time; [`contents`] holds a copy of the database, and turns
//! consistent snapshots into changes; [`resolve`] looks up orders that have left the targets. The loop in here only passes
//! messages.

mod contents;
mod gap;
mod machine;
mod resolve;
mod staging;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use firestore::FirestoreDb;
use firestore::gcloud_sdk::google::firestore::v1::listen_request::TargetChange as Request;
use firestore::gcloud_sdk::google::firestore::v1::target::query_target::QueryType;
use firestore::gcloud_sdk::google::firestore::v1::target::{QueryTarget, ResumeType, TargetType};
use firestore::gcloud_sdk::google::firestore::v1::{
    ListenRequest, ListenResponse, StructuredQuery, Target,
};
use firestore::gcloud_sdk::tonic::{self, Streaming};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;

use super::connection::{Connection, connect};
use super::document::id_of;
use super::fault::Fault;
use super::query::{self, TimeType};
use super::settings::FirestoreSettings;
use super::usage::{Cause, Meter};
use super::{REMOVALS_COLLECTION, REMOVED_AT};
use crate::orders::{OrderId, SourceState, WatchEvent, WindowLimits};
use crate::store::WatchSink;
use contents::Contents;
use machine::{Input, Machine, Output};

/// Number of targets: the newest orders whose time is a number, those whose time is a Timestamp, removal records, and open
/// orders.
const TARGETS: usize = 4;
/// The targets of the newest orders.
const NEWEST: [usize; 2] = [0, 1];
/// The target of removal records.
const REMOVALS: usize = 2;
/// The target of open orders, of any age and with any `timestamp`.
const OPEN: usize = 3;

/// State of the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) source: SourceState,
    /// Number of documents that can't be read as orders.
    pub(super) unreadable: usize,
}

/// What the loop needs.
pub(super) struct Listener {
    pub(super) connection: Arc<Connection>,
    pub(super) meter: Arc<Meter>,
    pub(super) window: WindowLimits,
    pub(super) sink: WatchSink,
    pub(super) health: watch::Sender<Health>,
    /// Notified to deliver all open orders again.
    pub(super) repeat: Arc<Notify>,
}

type Opening =
    Pin<Box<dyn Future<Output = Result<(FirestoreDb, Streaming<ListenResponse>), Fault>> + Send>>;

impl Listener {
    /// Listens for ever.
    pub(super) async fn run(mut self) {
        let settings = self.connection.settings().clone();
        let orders = format!("{}/{}/", settings.documents(), settings.collection);
        let mut machine = Machine::new(
            Contents::new(orders, self.limits(), self.window.bytes),
            settings.resume,
            settings.silence,
            rand::random::<f64>,
            Instant::now(),
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "a full queue would stop the listener or lose a look-up; `resolve` empties this one before each look-up"
        )]
        let (missing, fates) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let resolving = resolve::run(Arc::clone(&self.connection), missing.1, fates.0);
        let (missing, mut fates) = (missing.0, fates.1);
        tokio::pin!(resolving);
        let mut line = Line::default();
        let repeat = Arc::clone(&self.repeat);
        loop {
            let input = tokio::select! {
                () = repeat.notified() => Input::Repeat,
                Some((name, fate)) = fates.recv() => Input::Resolved(name, fate),
                () = &mut resolving => return,
                input = line.next() => input,
                () = tokio::time::sleep_until(machine.deadline()) => Input::Tick,
            };
            for output in machine.handle(Instant::now(), input) {
                match output {
                    Output::Emit(event) => self.emit(event),
                    Output::Close => line.close(),
                    Output::Open {
                        rebuild,
                        tokens,
                        counts,
                    } => {
                        let requests = self.requests(&settings, tokens, counts);
                        line.open(settings.clone(), rebuild, requests);
                    }
                    Output::Resolve(orders) => {
                        // Can't fail: the receiver lives as long as this loop.
                        let _ = missing.send(orders);
                    }
                    Output::Billed(documents) => self.meter.read(Cause::Listener, documents),
                }
            }
            self.count_unreadable(machine.unreadable());
        }
    }

    fn emit(&mut self, event: WatchEvent) {
        if let WatchEvent::Source(state) = &event {
            match state {
                SourceState::Live => tracing::info!("the listener is live"),
                SourceState::Away { message } => {
                    tracing::warn!(reason = message, "Firestore is away");
                }
                SourceState::Failed { message } => {
                    tracing::error!(reason = message, "Firestore can't be listened to");
                }
            }
            self.health
                .send_modify(|health| health.source = state.clone());
        }
        (self.sink)(event);
    }

    fn count_unreadable(&self, unreadable: usize) {
        self.health.send_if_modified(|health| {
            let changed = health.unreadable != unreadable;
            health.unreadable = unreadable;
            changed
        });
    }

    /// Maximum number of documents in each target.
    fn limits(&self) -> [usize; TARGETS] {
        let newest = self.window.orders;
        // As many as the window holds, including those among the newest, and one more to detect that there are too many.
        let open = newest + self.window.open + 1;
        [newest, newest, newest, open]
    }

    fn requests(
        &self,
        settings: &FirestoreSettings,
        tokens: [Vec<u8>; TARGETS],
        counts: [usize; TARGETS],
    ) -> Vec<ListenRequest> {
        let [numbers, timestamps, removals, open] = self.limits();
        let orders = &settings.collection;
        let queries: [StructuredQuery; TARGETS] = [
            query::newest(orders, "timestamp", TimeType::Number, numbers),
            query::newest(orders, "timestamp", TimeType::Timestamp, timestamps),
            query::newest(
                REMOVALS_COLLECTION,
                REMOVED_AT,
                TimeType::Timestamp,
                removals,
            ),
            query::open(orders, open),
        ];
        let resumes = tokens.into_iter().zip(counts);
        queries
            .into_iter()
            .zip(resumes)
            .enumerate()
            .map(|(target, (query, (token, count)))| ListenRequest {
                database: settings.database(),
                target_change: Some(Request::AddTarget(Target {
                    target_id: machine::id(target),
                    expected_count: (!token.is_empty())
                        .then(|| i32::try_from(count).unwrap_or(i32::MAX)),
                    target_type: Some(TargetType::Query(QueryTarget {
                        parent: settings.documents(),
                        query_type: Some(QueryType::StructuredQuery(query)),
                    })),
                    resume_type: (!token.is_empty()).then_some(ResumeType::ResumeToken(token)),
                    once: false,
                })),
                ..ListenRequest::default()
            })
            .collect()
    }
}

/// The connection, and its stream: none, being opened, or open.
#[derive(Default)]
struct Line {
    db: Option<FirestoreDb>,
    opening: Option<Opening>,
    stream: Option<Streaming<ListenResponse>>,
}

impl Line {
    /// Begins to open a stream, which replaces the current one; over the same connection unless `rebuild` is set.
    fn open(&mut self, settings: FirestoreSettings, rebuild: bool, requests: Vec<ListenRequest>) {
        let kept = self.db.take().filter(|_| !rebuild);
        self.stream = None;
        self.opening = Some(Box::pin(open(settings, kept, requests)));
    }

    fn close(&mut self) {
        (self.opening, self.stream) = (None, None);
    }

    /// The next input from the stream; pending while there is none. Cancel-safe.
    async fn next(&mut self) -> Input {
        if let Some(opening) = &mut self.opening {
            let opened = opening.await;
            self.opening = None;
            return match opened {
                Ok((db, stream)) => {
                    (self.db, self.stream) = (Some(db), Some(stream));
                    Input::Opened
                }
                Err(fault) => Input::Failed(fault),
            };
        }
        let Some(stream) = &mut self.stream else {
            return std::future::pending().await;
        };
        match stream.message().await {
            Ok(Some(message)) => Input::Message(Box::new(message)),
            Ok(None) => Input::Ended,
            Err(status) => Input::Failed(Fault::from(&status)),
        }
    }
}

/// Opens a stream, over `db` if there is one, else over a new connection.
async fn open(
    settings: FirestoreSettings,
    db: Option<FirestoreDb>,
    requests: Vec<ListenRequest>,
) -> Result<(FirestoreDb, Streaming<ListenResponse>), Fault> {
    let db = match db {
        Some(db) => db,
        None => connect(&settings).await?,
    };
    // The stream of requests must not end: to the server, that ends the whole call.
    let requests = tokio_stream::iter(requests).chain(tokio_stream::pending());
    let opened = db
        .client()
        .get()
        .listen(tonic::Request::new(requests))
        .await;
    match opened {
        Ok(response) => Ok((db, response.into_inner())),
        Err(status) => Err(Fault::from(&status)),
    }
}

/// The id of the order that a removal record is about.
fn removed_id(record: &str) -> Option<OrderId> {
    OrderId::parse(id_of(record)).ok()
}
