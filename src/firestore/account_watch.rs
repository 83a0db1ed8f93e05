//! The watch over admins, sessions and tokens: it fills the [`Directory`], which answers look-ups, and says when credentials
//! that were looked up have to be checked again.
//!
//! Without this, every screen would cost reads for as long as it is open, and so would every made-up credential.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use firestore::FirestoreDb;
use firestore::gcloud_sdk::google::firestore::v1::listen_request::TargetChange as Request;
use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target::query_target::QueryType;
use firestore::gcloud_sdk::google::firestore::v1::target::{QueryTarget, TargetType};
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{
    Document, ListenRequest, ListenResponse, Target, TargetChange,
};
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::{self, Streaming};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;

use super::account_directory::{Contents, Directory};
use super::accounts::{ADMINS, SESSIONS, TOKENS};
use super::backoff::Backoff;
use super::connection::connect;
use super::document::id_of;
use super::fault::Fault;
use super::records::{read_admin, read_session, read_token};
use super::settings::FirestoreSettings;
use super::usage::{Cause, Meter};
use super::{query, value};
use crate::store::{Admin, Session, Token};

/// How long the server may take to accept the stream.
const OPENING: Duration = Duration::from_secs(15);
/// A stream that lasts so long was healthy: the next attempt comes at once.
const HEALTHY: Duration = Duration::from_secs(10);
/// Most accounts that are held in memory; beyond, there is no watch, and credentials are looked up one by one.
const MAX_HELD: usize = 50_000;
/// Longest text of an account that is held, in bytes. Other programs write admins as well.
const MAX_TEXT: usize = 1_024;
const COLLECTIONS: [&str; 3] = [ADMINS, SESSIONS, TOKENS];

/// Watches for ever, unless there are too many accounts.
pub(super) async fn run(settings: FirestoreSettings, meter: Arc<Meter>, directory: Arc<Directory>) {
    let mut backoff = Backoff::default();
    let mut db = None;
    loop {
        tokio::time::sleep(backoff.next(rand::random())).await;
        let begun = Instant::now();
        let followed = follow(&settings, &mut db, &meter, &directory).await;
        directory.lose();
        let reason = match followed {
            Ok(End::Stream) => "the stream has ended".to_owned(),
            Ok(End::TooMany) => {
                tracing::error!(
                    limit = MAX_HELD,
                    "too many admins, sessions and tokens to watch: each credential is looked up, which is billed"
                );
                return;
            }
            Err(fault) => fault.message,
        };
        // One that ends soon after it has begun would be read, and billed, again and again.
        if begun.elapsed() > HEALTHY {
            backoff.reset();
        }
        tracing::debug!(reason, "accounts aren't watched");
    }
}

/// Why a stream isn't followed any longer.
enum End {
    /// It has ended, was silent for too long, or didn't fit.
    Stream,
    /// There are too many accounts.
    TooMany,
}

/// Follows one stream until it ends, is silent for too long, or says something that doesn't fit.
async fn follow(
    settings: &FirestoreSettings,
    kept: &mut Option<FirestoreDb>,
    meter: &Meter,
    directory: &Directory,
) -> Result<End, Fault> {
    let db = match kept.take() {
        Some(db) => db,
        None => connect(settings).await?,
    };
    let opening = tokio::time::timeout(OPENING, open(settings, &db));
    let Ok(stream) = opening.await else {
        return Ok(End::Stream);
    };
    let mut stream = stream?;
    let mut accounts = Accounts::default();
    loop {
        let message = match tokio::time::timeout(settings.silence, stream.message()).await {
            // A connection that is silent may be dead: it isn't kept.
            Err(_) => return Ok(End::Stream),
            Ok(Err(status)) => return Err(Fault::from(&status)),
            Ok(Ok(None)) => {
                *kept = Some(db);
                return Ok(End::Stream);
            }
            Ok(Ok(Some(message))) => message,
        };
        match accounts.take(message) {
            Verdict::Nothing => {}
            Verdict::Consistent {
                changed,
                differs,
                read,
                read_micros,
            } => {
                meter.read(Cause::Listener, read);
                let contents = differs.then(|| accounts.contents());
                directory.advance(contents, changed, read_micros);
            }
            Verdict::Broken => return Ok(End::Stream),
            Verdict::TooMany => return Ok(End::TooMany),
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
        /// Rights may have changed since the last such moment.
        changed: bool,
        /// Something is not as it was at the last such moment.
        differs: bool,
        /// Documents that are billed.
        read: u64,
        /// The moment, in microseconds.
        read_micros: u64,
    },
    /// There are more accounts than may be held.
    TooMany,
    /// The stream is no good any more.
    Broken,
}

/// The documents of the three collections, by name.
#[derive(Default)]
struct Accounts {
    /// With the time of their last change, as they were at the last consistent moment; `None` before the first.
    known: Option<[HashMap<String, Time>; 3]>,
    staged: [HashMap<String, Entry>; 3],
    current: [bool; 3],
    /// How many documents the server counts, where it has said so.
    counted: [Option<usize>; 3],
}

type Time = (i64, i32);

/// A document as it is now.
struct Entry {
    time: Time,
    account: Account,
}

enum Account {
    Admin(Arc<Admin>),
    Session(Arc<Session>),
    Token(Arc<Token>),
}

impl Accounts {
    fn take(&mut self, message: ListenResponse) -> Verdict {
        match message.response_type {
            Some(ResponseType::TargetChange(change)) => return self.target(&change),
            Some(ResponseType::DocumentChange(change)) => {
                if let Some(document) = change.document {
                    for target in change.target_ids.iter().copied().filter_map(index) {
                        let entry = Entry::of(target, &document);
                        self.staged[target].insert(document.name.clone(), entry);
                    }
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
        if self.staged.iter().map(HashMap::len).sum::<usize>() > MAX_HELD {
            return Verdict::TooMany;
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
                if change.target_ids.is_empty() && self.current == [true; 3] =>
            {
                if let Some(read_time) = &change.read_time {
                    return self.consistent(value::micros(read_time));
                }
            }
            TargetChangeType::NoChange | TargetChangeType::Add => {}
        }
        Verdict::Nothing
    }

    fn consistent(&mut self, read_micros: u64) -> Verdict {
        let fits = |target: usize| {
            self.counted[target].is_none_or(|count| count == self.staged[target].len())
        };
        if !(0..COLLECTIONS.len()).all(fits) {
            return Verdict::Broken;
        }
        let is_first = self.known.is_none();
        let known = self.known.get_or_insert_default();
        let (mut changed, mut differs, mut read) = (is_first, is_first, 0);
        for ((known, staged), collection) in known.iter_mut().zip(&self.staged).zip(COLLECTIONS) {
            let is_news = |(name, entry): &(&String, &Entry)| known.get(*name) != Some(&entry.time);
            let news = staged.iter().filter(is_news).count();
            let is_gone = known.keys().any(|name| !staged.contains_key(name));
            read += news as u64;
            // Sessions and tokens are only ever marked as used, and taken away; an admin can be disabled.
            changed |= is_gone || (collection == ADMINS && news > 0);
            if is_gone || news > 0 {
                differs = true;
                *known = staged
                    .iter()
                    .map(|(name, entry)| (name.clone(), entry.time))
                    .collect();
            }
        }
        self.counted = [None; 3];
        Verdict::Consistent {
            changed,
            differs,
            read,
            read_micros,
        }
    }

    /// The accounts as they are now.
    fn contents(&self) -> Contents {
        let mut contents = Contents::default();
        for (name, entry) in self.staged.iter().flatten() {
            let id = id_of(name).to_owned();
            match &entry.account {
                Account::Admin(admin) => contents.admins.push(Arc::clone(admin)),
                Account::Session(session) => {
                    contents.sessions.insert(id, Arc::clone(session));
                }
                Account::Token(token) => {
                    contents.tokens.insert(id, Arc::clone(token));
                }
            }
        }
        contents
            .admins
            .sort_by_cached_key(|admin| (admin.email.to_lowercase(), admin.id.clone()));
        contents
    }

    fn each(&mut self, targets: &[i32], mut change: impl FnMut(&mut HashMap<String, Entry>)) {
        for target in targets.iter().copied().filter_map(index) {
            change(&mut self.staged[target]);
        }
    }
}

impl Entry {
    fn of(target: usize, document: &Document) -> Self {
        Self {
            time: time(document.update_time),
            account: match COLLECTIONS[target] {
                ADMINS => Account::Admin(Arc::new(bounded(read_admin(document)))),
                SESSIONS => Account::Session(Arc::new(read_session(document))),
                _ => Account::Token(Arc::new(read_token(document))),
            },
        }
    }
}

/// An admin that doesn't take much memory. What is cut off here isn't of any use: an address or a hash of such a length.
fn bounded(mut admin: Admin) -> Admin {
    for text in [&mut admin.email, &mut admin.name, &mut admin.password_hash] {
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.shrink_to_fit();
        }
    }
    admin
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
        DocumentChange, DocumentDelete, ExistenceFilter,
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

    fn consistent(changed: bool, differs: bool, read: u64) -> Verdict {
        Verdict::Consistent {
            changed,
            differs,
            read,
            read_micros: 9_000_000,
        }
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
        assert_eq!(accounts.take(marker()), consistent(true, true, 2));
        assert_eq!(accounts.take(marker()), consistent(false, false, 0));
        accounts
    }

    #[test]
    fn a_session_that_is_used_changes_nothing_and_one_that_ends_does() {
        let mut accounts = begun();
        accounts.take(document(2, "sessions/s", 5));
        accounts.take(document(2, "sessions/t", 5));
        assert_eq!(accounts.take(marker()), consistent(false, true, 2));
        accounts.take(response(ResponseType::DocumentDelete(DocumentDelete {
            document: "sessions/s".to_owned(),
            removed_target_ids: vec![2],
            read_time: None,
        })));
        assert_eq!(accounts.take(marker()), consistent(true, true, 0));
    }

    #[test]
    fn an_admin_that_is_changed_changes_something() {
        let mut accounts = begun();
        accounts.take(document(1, "admins/a", 2));
        assert_eq!(accounts.take(marker()), consistent(true, true, 1));
    }

    #[test]
    fn a_reset_that_brings_the_same_again_changes_nothing() {
        let mut accounts = begun();
        accounts.take(change(TargetChangeType::Reset, &[2]));
        assert_eq!(accounts.take(marker()), Verdict::Nothing);
        accounts.take(document(2, "sessions/s", 1));
        accounts.take(change(TargetChangeType::Current, &[2]));
        assert_eq!(accounts.take(marker()), consistent(false, false, 0));
        accounts.take(change(TargetChangeType::Reset, &[]));
        accounts.take(change(TargetChangeType::Current, &[]));
        assert_eq!(accounts.take(marker()), consistent(true, true, 0));
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
