//! Who may use the desk, watched: a credential that was looked up stays good until something changes.
//!
//! Without this, every screen would cost reads for as long as it is open. The watch only says *that* something has changed,
//! never what: who is concerned is looked up anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use firestore::FirestoreDb;
use firestore::gcloud_sdk::google::firestore::v1::listen_request::TargetChange as Request;
use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target::query_target::QueryType;
use firestore::gcloud_sdk::google::firestore::v1::target::{QueryTarget, TargetType};
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{
    ListenRequest, ListenResponse, Target, TargetChange,
};
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::{self, Streaming};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;

use super::accounts::{ADMINS, SESSIONS, TOKENS};
use super::backoff::Backoff;
use super::connection::connect;
use super::fault::Fault;
use super::query;
use super::settings::FirestoreSettings;
use super::usage::{Cause, Meter};

/// How long the server may take to accept the stream.
const OPENING: Duration = Duration::from_secs(15);
/// A stream that lasts so long was healthy: the next attempt comes at once.
const HEALTHY: Duration = Duration::from_secs(10);
const COLLECTIONS: [&str; 3] = [ADMINS, SESSIONS, TOKENS];

/// A number that changes whenever somebody's credentials may have: see
/// [`AccountStore::generation`](crate::store::AccountStore::generation).
#[derive(Debug, Default)]
pub(super) struct Generation {
    /// Zero while nobody watches.
    now: AtomicU64,
    last: AtomicU64,
}

impl Generation {
    pub(super) fn get(&self) -> Option<u64> {
        Some(self.now.load(Ordering::Acquire)).filter(|now| *now > 0)
    }

    fn advance(&self) {
        let next = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        self.now.store(next, Ordering::Release);
    }

    fn lose(&self) {
        self.now.store(0, Ordering::Release);
    }
}

/// Watches for ever.
pub(super) async fn run(
    settings: FirestoreSettings,
    meter: Arc<Meter>,
    generation: Arc<Generation>,
) {
    let mut backoff = Backoff::default();
    let mut db = None;
    loop {
        tokio::time::sleep(backoff.next(rand::random())).await;
        let begun = Instant::now();
        let reason = match follow(&settings, &mut db, &meter, &generation).await {
            Ok(()) => "the stream has ended".to_owned(),
            Err(fault) => fault.message,
        };
        generation.lose();
        // One that ends soon after it has begun would be read, and billed, again and again.
        if begun.elapsed() > HEALTHY {
            backoff.reset();
        }
        tracing::debug!(reason, "accounts aren't watched");
    }
}

/// Follows one stream until it ends, is silent for too long, or says something that doesn't fit.
async fn follow(
    settings: &FirestoreSettings,
    kept: &mut Option<FirestoreDb>,
    meter: &Meter,
    generation: &Generation,
) -> Result<(), Fault> {
    let db = match kept.take() {
        Some(db) => db,
        None => connect(settings).await?,
    };
    let opening = tokio::time::timeout(OPENING, open(settings, &db));
    let Ok(stream) = opening.await else {
        return Ok(());
    };
    let mut stream = stream?;
    let mut accounts = Accounts::default();
    loop {
        let message = match tokio::time::timeout(settings.silence, stream.message()).await {
            // A connection that is silent may be dead: it isn't kept.
            Err(_) => return Ok(()),
            Ok(Err(status)) => return Err(Fault::from(&status)),
            Ok(Ok(None)) => {
                *kept = Some(db);
                return Ok(());
            }
            Ok(Ok(Some(message))) => message,
        };
        match accounts.take(message) {
            Verdict::Nothing => {}
            Verdict::Consistent { changed, read } => {
                meter.read(Cause::Listener, read);
                if changed || generation.get().is_none() {
                    generation.advance();
                }
            }
            Verdict::Broken => return Ok(()),
        }
    }
}

async fn open(
    settings: &FirestoreSettings,
    db: &FirestoreDb,
) -> Result<Streaming<ListenResponse>, Fault> {
    let requests: Vec<_> = (1..)
        .zip(COLLECTIONS)
        .map(|(id, collection)| request(settings, id, collection))
        .collect();
    // The requests must not end: the server takes that for the end of the stream.
    let requests = tokio_stream::iter(requests).chain(tokio_stream::pending());
    let opened = db
        .client()
        .get()
        .listen(tonic::Request::new(requests))
        .await;
    opened
        .map(tonic::Response::into_inner)
        .map_err(|status| Fault::from(&status))
}

fn request(settings: &FirestoreSettings, target_id: i32, collection: &str) -> ListenRequest {
    ListenRequest {
        database: settings.database(),
        target_change: Some(Request::AddTarget(Target {
            target_id,
            target_type: Some(TargetType::Query(QueryTarget {
                parent: settings.documents(),
                query_type: Some(QueryType::StructuredQuery(query::counted(collection, None))),
            })),
            ..Target::default()
        })),
        ..ListenRequest::default()
    }
}

/// What a message means.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Nothing,
    /// Everything up to one moment is known.
    Consistent {
        /// Somebody's credentials may have changed since the last such moment.
        changed: bool,
        /// Documents that are billed.
        read: u64,
    },
    /// The stream is no good any more.
    Broken,
}

/// The documents of the three collections, by name, with the time of their last change.
#[derive(Default)]
struct Accounts {
    known: [HashMap<String, Time>; 3],
    staged: [HashMap<String, Time>; 3],
    current: [bool; 3],
    /// How many documents the server counts, where it has said so.
    counted: [Option<usize>; 3],
}

type Time = (i64, i32);

impl Accounts {
    fn take(&mut self, message: ListenResponse) -> Verdict {
        match message.response_type {
            Some(ResponseType::TargetChange(change)) => return self.target(&change),
            Some(ResponseType::DocumentChange(change)) => {
                if let Some(document) = change.document {
                    let time = time(document.update_time);
                    self.each(&change.target_ids, |staged| {
                        staged.insert(document.name.clone(), time);
                    });
                    self.each(&change.removed_target_ids, |staged| {
                        staged.remove(&document.name);
                    });
                }
            }
            Some(ResponseType::DocumentDelete(delete)) => {
                self.each(&delete.removed_target_ids, |staged| {
                    staged.remove(&delete.document);
                });
            }
            Some(ResponseType::DocumentRemove(remove)) => {
                self.each(&remove.removed_target_ids, |staged| {
                    staged.remove(&remove.document);
                });
            }
            Some(ResponseType::Filter(filter)) => {
                if let Some(index) = index(filter.target_id) {
                    self.counted[index] = usize::try_from(filter.count).ok();
                }
            }
            None => {}
        }
        Verdict::Nothing
    }

    fn target(&mut self, change: &TargetChange) -> Verdict {
        let concerned: Vec<usize> = match change.target_ids.as_slice() {
            [] => (0..COLLECTIONS.len()).collect(),
            ids => ids.iter().copied().filter_map(index).collect(),
        };
        match change.target_change_type() {
            TargetChangeType::Remove => return Verdict::Broken,
            TargetChangeType::Reset => {
                for target in concerned {
                    self.staged[target].clear();
                    self.current[target] = false;
                    self.counted[target] = None;
                }
            }
            TargetChangeType::Current => concerned
                .into_iter()
                .for_each(|target| self.current[target] = true),
            TargetChangeType::NoChange
                if change.target_ids.is_empty()
                    && change.read_time.is_some()
                    && self.current == [true; 3] =>
            {
                return self.consistent();
            }
            TargetChangeType::NoChange | TargetChangeType::Add => {}
        }
        Verdict::Nothing
    }

    fn consistent(&mut self) -> Verdict {
        let fits = |target: usize| {
            self.counted[target].is_none_or(|count| count == self.staged[target].len())
        };
        if !(0..COLLECTIONS.len()).all(fits) {
            return Verdict::Broken;
        }
        let (mut changed, mut read) = (false, 0);
        for ((known, staged), collection) in
            self.known.iter_mut().zip(&self.staged).zip(COLLECTIONS)
        {
            read += staged
                .iter()
                .filter(|(name, time)| known.get(*name) != Some(time))
                .count() as u64;
            let is_gone = known.keys().any(|name| !staged.contains_key(name));
            // Sessions and tokens are only ever marked as used, and taken away; an admin can be disabled.
            changed |= is_gone || (collection == ADMINS && known != staged);
            if known != staged {
                known.clone_from(staged);
            }
        }
        self.counted = [None; 3];
        Verdict::Consistent { changed, read }
    }

    fn each(&mut self, targets: &[i32], mut change: impl FnMut(&mut HashMap<String, Time>)) {
        for target in targets.iter().copied().filter_map(index) {
            change(&mut self.staged[target]);
        }
    }
}

/// Targets are numbered from one.
fn index(target_id: i32) -> Option<usize> {
    usize::try_from(target_id)
        .ok()?
        .checked_sub(1)
        .filter(|index| *index < COLLECTIONS.len())
}

fn time(at: Option<Timestamp>) -> Time {
    at.map_or((0, 0), |at| (at.seconds, at.nanos))
}

#[cfg(test)]
mod tests {
    use firestore::gcloud_sdk::google::firestore::v1::{
        Document, DocumentChange, DocumentDelete, ExistenceFilter,
    };

    use super::*;

    fn change(kind: TargetChangeType, targets: &[i32]) -> ListenResponse {
        let read_time = (kind == TargetChangeType::NoChange).then_some(Timestamp {
            seconds: 9,
            nanos: 0,
        });
        response(ResponseType::TargetChange(TargetChange {
            target_change_type: kind.into(),
            target_ids: targets.to_vec(),
            read_time,
            ..TargetChange::default()
        }))
    }

    fn response(kind: ResponseType) -> ListenResponse {
        ListenResponse {
            response_type: Some(kind),
        }
    }

    fn document(target: i32, name: &str, seconds: i64) -> ListenResponse {
        let document = Document {
            name: name.to_owned(),
            update_time: Some(Timestamp { seconds, nanos: 0 }),
            ..Document::default()
        };
        response(ResponseType::DocumentChange(DocumentChange {
            document: Some(document),
            target_ids: vec![target],
            removed_target_ids: Vec::new(),
        }))
    }

    fn marker() -> ListenResponse {
        change(TargetChangeType::NoChange, &[])
    }

    /// One admin and one session, known.
    fn begun() -> Accounts {
        let mut accounts = Accounts::default();
        accounts.take(document(1, "admins/a", 1));
        accounts.take(document(2, "sessions/s", 1));
        assert_eq!(
            accounts.take(marker()),
            Verdict::Nothing,
            "nothing counts before all is current"
        );
        accounts.take(change(TargetChangeType::Current, &[1, 2, 3]));
        assert_eq!(
            accounts.take(marker()),
            Verdict::Consistent {
                changed: true,
                read: 2
            }
        );
        assert_eq!(
            accounts.take(marker()),
            Verdict::Consistent {
                changed: false,
                read: 0
            }
        );
        accounts
    }

    #[test]
    fn a_session_that_is_used_changes_nothing_and_one_that_ends_does() {
        let mut accounts = begun();
        accounts.take(document(2, "sessions/s", 5));
        accounts.take(document(2, "sessions/t", 5));
        assert_eq!(
            accounts.take(marker()),
            Verdict::Consistent {
                changed: false,
                read: 2
            }
        );
        accounts.take(response(ResponseType::DocumentDelete(DocumentDelete {
            document: "sessions/s".to_owned(),
            removed_target_ids: vec![2],
            read_time: None,
        })));
        assert_eq!(
            accounts.take(marker()),
            Verdict::Consistent {
                changed: true,
                read: 0
            }
        );
    }

    #[test]
    fn an_admin_that_is_changed_changes_something() {
        let mut accounts = begun();
        accounts.take(document(1, "admins/a", 2));
        assert_eq!(
            accounts.take(marker()),
            Verdict::Consistent {
                changed: true,
                read: 1
            }
        );
    }

    #[test]
    fn a_reset_that_brings_the_same_again_changes_nothing() {
        let mut accounts = begun();
        accounts.take(change(TargetChangeType::Reset, &[2]));
        assert_eq!(accounts.take(marker()), Verdict::Nothing);
        accounts.take(document(2, "sessions/s", 1));
        accounts.take(change(TargetChangeType::Current, &[2]));
        assert_eq!(
            accounts.take(marker()),
            Verdict::Consistent {
                changed: false,
                read: 0
            }
        );
        accounts.take(change(TargetChangeType::Reset, &[]));
        accounts.take(change(TargetChangeType::Current, &[]));
        assert_eq!(
            accounts.take(marker()),
            Verdict::Consistent {
                changed: true,
                read: 0
            }
        );
    }

    #[test]
    fn a_count_that_doesnt_fit_and_a_target_that_is_gone_end_the_stream() {
        let mut accounts = begun();
        accounts.take(response(ResponseType::Filter(ExistenceFilter {
            target_id: 2,
            count: 7,
            unchanged_names: None,
        })));
        assert_eq!(accounts.take(marker()), Verdict::Broken);
        assert_eq!(
            begun().take(change(TargetChangeType::Remove, &[1])),
            Verdict::Broken
        );
    }
}
