//! Listen streams: one for orders, one for accounts. What they have in common is here: how a stream is opened, and (in
//! [`schedule`]) when it is given up and opened again.

mod backoff;
mod schedule;

use std::future::Future;
use std::pin::Pin;

use firestore::FirestoreDb;
use firestore::gcloud_sdk::google::firestore::v1::listen_request::TargetChange;
use firestore::gcloud_sdk::google::firestore::v1::target::query_target::QueryType;
use firestore::gcloud_sdk::google::firestore::v1::target::{QueryTarget, ResumeType, TargetType};
use firestore::gcloud_sdk::google::firestore::v1::{
    ListenRequest, ListenResponse, StructuredQuery, Target as WireTarget,
};
use firestore::gcloud_sdk::tonic::{self, Streaming};
use tokio_stream::StreamExt as _;

use super::channel::connect;
use super::fault::Fault;
use super::settings::FirestoreSettings;
pub(super) use schedule::{Due, Schedule};

/// A query to listen to.
pub(super) struct Target {
    pub(super) query: StructuredQuery,
    /// Where to go on; `None` to get all documents.
    pub(super) resume: Option<Resume>,
}

/// The place in the history of a target from which on its changes are wanted.
pub(super) struct Resume {
    pub(super) token: Vec<u8>,
    /// Number of documents in the target, for the server to compare with its own.
    pub(super) count: usize,
}

/// What happened to a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// The server has accepted the stream.
    Opened,
    /// A message from the server.
    Message(Box<ListenResponse>),
    /// The stream, or the attempt to open it, has failed.
    Failed(Fault),
    /// The stream has ended without an error.
    Ended,
}

type Opening =
    Pin<Box<dyn Future<Output = Result<(FirestoreDb, Streaming<ListenResponse>), Fault>> + Send>>;

/// A stream and its channel: none, being opened, or open.
pub(super) struct ListenStream {
    settings: FirestoreSettings,
    channel: Option<FirestoreDb>,
    opening: Option<Opening>,
    stream: Option<Streaming<ListenResponse>>,
}

impl ListenStream {
    pub(super) fn new(settings: FirestoreSettings) -> Self {
        Self {
            settings,
            channel: None,
            opening: None,
            stream: None,
        }
    }

    /// Begins to open a stream, which replaces the current one; over the same channel unless `rebuild` is set.
    pub(super) fn open(&mut self, targets: Vec<Target>, rebuild: bool) {
        let kept = self.channel.take().filter(|_| !rebuild);
        self.stream = None;
        self.opening = Some(Box::pin(open(self.settings.clone(), kept, targets)));
    }

    /// Drops the stream, if there is one. Keeps its channel.
    pub(super) fn close(&mut self) {
        (self.opening, self.stream) = (None, None);
    }

    /// The next event; pending while there is no stream. Cancel-safe.
    pub(super) async fn next(&mut self) -> StreamEvent {
        if let Some(opening) = &mut self.opening {
            let opened = opening.await;
            self.opening = None;
            return match opened {
                Ok((channel, stream)) => {
                    (self.channel, self.stream) = (Some(channel), Some(stream));
                    StreamEvent::Opened
                }
                Err(fault) => StreamEvent::Failed(fault),
            };
        }
        let Some(stream) = &mut self.stream else {
            return std::future::pending().await;
        };
        match stream.message().await {
            Ok(Some(message)) => StreamEvent::Message(Box::new(message)),
            Ok(None) => StreamEvent::Ended,
            Err(status) => StreamEvent::Failed(Fault::from(&status)),
        }
    }
}

/// Opens a stream, over `kept` if there is one, else over a new channel.
async fn open(
    settings: FirestoreSettings,
    kept: Option<FirestoreDb>,
    targets: Vec<Target>,
) -> Result<(FirestoreDb, Streaming<ListenResponse>), Fault> {
    let channel = match kept {
        Some(channel) => channel,
        None => connect(&settings).await?,
    };
    let requests: Vec<ListenRequest> = targets
        .into_iter()
        .enumerate()
        .map(|(index, target)| add_target(&settings, target_id(index), target))
        .collect();
    // The stream of requests must not end: to the server, that ends the whole call.
    let requests = tokio_stream::iter(requests).chain(tokio_stream::pending());
    let mut client = channel.client().get();
    match client.listen(tonic::Request::new(requests)).await {
        Ok(response) => Ok((channel, response.into_inner())),
        Err(status) => Err(Fault::from(&status)),
    }
}

fn add_target(settings: &FirestoreSettings, target_id: i32, target: Target) -> ListenRequest {
    let expected_count = target
        .resume
        .as_ref()
        .map(|resume| i32::try_from(resume.count).unwrap_or(i32::MAX));
    ListenRequest {
        database: settings.database(),
        target_change: Some(TargetChange::AddTarget(WireTarget {
            target_id,
            expected_count,
            target_type: Some(TargetType::Query(QueryTarget {
                parent: settings.documents(),
                query_type: Some(QueryType::StructuredQuery(target.query)),
            })),
            resume_type: target
                .resume
                .map(|resume| ResumeType::ResumeToken(resume.token)),
            once: false,
        })),
        ..ListenRequest::default()
    }
}

/// The id of a target on the wire; ids start at 1.
pub(super) fn target_id(index: usize) -> i32 {
    i32::try_from(index + 1).unwrap_or(i32::MAX)
}

/// The index of a target among `count`; `None` if the id is that of no target.
pub(super) fn target_index(id: i32, count: usize) -> Option<usize> {
    let index = usize::try_from(id).ok()?.checked_sub(1)?;
    (index < count).then_some(index)
}

/// The targets among `count` that a change is about: all of them if it names none.
pub(super) fn target_indexes(ids: &[i32], count: usize) -> Vec<usize> {
    if ids.is_empty() {
        return (0..count).collect();
    }
    ids.iter()
        .filter_map(|id| target_index(*id, count))
        .collect()
}
