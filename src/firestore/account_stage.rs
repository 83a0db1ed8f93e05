//! What the watch over accounts has received, as a state machine: messages in, consistent snapshots out.

use std::collections::HashMap;
use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, ListenResponse, TargetChange};
use firestore::gcloud_sdk::prost_types::Timestamp;

use super::account_directory::Contents;
use super::accounts::{ADMINS, SESSIONS, TOKENS};
use super::document::id_of;
use super::records::{read_admin, read_session, read_token};
use super::value;
use crate::store::{Admin, Session, Token};

/// Maximum number of accounts held in memory; beyond it, there is no watch, and credentials are looked up one by one.
pub(super) const MAX_HELD: usize = 20_000;
/// Maximum length of an account's text, in bytes. Other programs write admins as well.
const MAX_TEXT: usize = 1_024;
/// The watched collections, in the order of target ids (from 1).
pub(super) const COLLECTIONS: [&str; 3] = [ADMINS, SESSIONS, TOKENS];

/// Effect of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Nothing,
    /// A consistent snapshot: every change up to one moment is known.
    Consistent {
        /// Whether permissions may have changed since the last snapshot.
        changed: bool,
        /// Whether anything differs from the last snapshot.
        differs: bool,
        /// Number of billed documents.
        read: u64,
        /// Read time, in microseconds.
        read_micros: u64,
    },
    /// There are more accounts than [`MAX_HELD`].
    TooMany,
    /// The stream can't be used any more.
    Broken,
}

/// The documents of the three collections, by name.
#[derive(Default)]
pub(super) struct AccountStage {
    /// Times of the last change, as of the last consistent snapshot; `None` before the first.
    known: Option<[HashMap<String, Time>; 3]>,
    staged: [HashMap<String, Entry>; 3],
    current: [bool; 3],
    /// The server's counts of documents, if it has sent them.
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

impl AccountStage {
    /// Takes the next message of the stream.
    pub(super) fn take(&mut self, message: ListenResponse) -> Meaning {
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
            return Meaning::TooMany;
        }
        Meaning::Nothing
    }

    fn target(&mut self, change: &TargetChange) -> Meaning {
        let concerned: Vec<usize> = match change.target_ids.as_slice() {
            [] => (0..COLLECTIONS.len()).collect(),
            ids => ids.iter().copied().filter_map(index).collect(),
        };
        match change.target_change_type() {
            TargetChangeType::Remove => return Meaning::Broken,
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
        Meaning::Nothing
    }

    fn consistent(&mut self, read_micros: u64) -> Meaning {
        let fits = |target: usize| {
            self.counted[target].is_none_or(|count| count == self.staged[target].len())
        };
        if !(0..COLLECTIONS.len()).all(fits) {
            return Meaning::Broken;
        }
        let is_first = self.known.is_none();
        let known = self.known.get_or_insert_default();
        let (mut changed, mut differs, mut read) = (is_first, is_first, 0);
        for ((known, staged), collection) in known.iter_mut().zip(&self.staged).zip(COLLECTIONS) {
            let is_news = |(name, entry): &(&String, &Entry)| known.get(*name) != Some(&entry.time);
            let news = staged.iter().filter(is_news).count();
            let is_gone = known.keys().any(|name| !staged.contains_key(name));
            read += news as u64;
            // In a session, only the time of use and the fingerprint change, and the fingerprint changes along with its admin.
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
        Meaning::Consistent {
            changed,
            differs,
            read,
            read_micros,
        }
    }

    /// The accounts as they are now.
    pub(super) fn contents(&self) -> Contents {
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
                ADMINS => Account::Admin(Arc::new(bounded_admin(read_admin(document)))),
                SESSIONS => {
                    let mut session = read_session(document);
                    bound([&mut session.id, &mut session.admin_id, &mut session.client]);
                    Account::Session(Arc::new(session))
                }
                _ => {
                    let mut token = read_token(document);
                    bound([&mut token.id, &mut token.name]);
                    Account::Token(Arc::new(token))
                }
            },
        }
    }
}

fn bounded_admin(mut admin: Admin) -> Admin {
    bound([&mut admin.email, &mut admin.name, &mut admin.password_hash]);
    admin
}

/// Cuts texts that would take much memory; none of them is of use at such a length.
fn bound<const N: usize>(texts: [&mut String; N]) {
    for text in texts {
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.shrink_to_fit();
        }
    }
}

/// Index of a target; ids start at 1.
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

    fn consistent(changed: bool, differs: bool, read: u64) -> Meaning {
        Meaning::Consistent {
            changed,
            differs,
            read,
            read_micros: 9_000_000,
        }
    }

    /// One admin and one session, known.
    fn begun() -> AccountStage {
        let mut accounts = AccountStage::default();
        accounts.take(document(1, "admins/a", 1));
        accounts.take(document(2, "sessions/s", 1));
        assert_eq!(
            accounts.take(marker()),
            Meaning::Nothing,
            "nothing counts before all is current"
        );
        accounts.take(change(TargetChangeType::Current, &[1, 2, 3]));
        assert_eq!(accounts.take(marker()), consistent(true, true, 2));
        assert_eq!(accounts.take(marker()), consistent(false, false, 0));
        accounts
    }

    #[test]
    fn the_contents_are_found_by_the_ids_of_their_documents() {
        let contents = begun().contents();
        assert_eq!(contents.admins.len(), 1);
        assert_eq!(contents.admins[0].id, "a");
        assert!(contents.sessions.contains_key("s") && contents.tokens.is_empty());
    }

    #[test]
    fn more_accounts_than_may_be_held_end_the_watch() {
        let mut accounts = begun();
        let mut meaning = Meaning::Nothing;
        for number in 0..MAX_HELD {
            meaning = accounts.take(document(3, &format!("tokens/{number}"), 1));
            if meaning != Meaning::Nothing {
                break;
            }
        }
        assert_eq!(meaning, Meaning::TooMany);
    }

    #[test]
    fn what_other_programs_have_written_takes_little_memory() {
        let admin = bounded_admin(Admin {
            id: "a".to_owned(),
            email: "ä".repeat(MAX_TEXT),
            name: "x".repeat(1 << 20),
            password_hash: "y".repeat(MAX_TEXT),
            disabled: false,
            fcm_token: None,
        });
        assert!(admin.email.len() <= MAX_TEXT && admin.name.capacity() <= MAX_TEXT);
        assert_eq!(admin.password_hash.len(), MAX_TEXT);
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
        assert_eq!(accounts.take(marker()), Meaning::Nothing);
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
        assert_eq!(accounts.take(marker()), Meaning::Broken);
        assert_eq!(
            begun().take(change(TargetChangeType::Remove, &[1])),
            Meaning::Broken
        );
    }
}
