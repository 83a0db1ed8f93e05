//! What the watch over accounts has received, as a state machine: messages in, consistent snapshots out.

use std::collections::HashMap;
use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, ListenResponse, TargetChange};
use firestore::gcloud_sdk::prost_types::Timestamp;

use super::directory::AccountSnapshot;
use super::documents::{ADMINS, SESSIONS, TOKENS};
use super::records::{read_admin, read_session, read_token};
use crate::firestore::document::id_of;
use crate::firestore::listen::{target_index, target_indexes};
use crate::firestore::value;
use crate::store::{Admin, Session, Token};

/// Maximum number of accounts held in memory; beyond it, there is no watch, and credentials are looked up one by one.
pub(super) const MAX_HELD: usize = 20_000;
/// Maximum length of an account's text, in bytes. Other programs write admins as well.
const MAX_TEXT: usize = 1_024;
/// The watched collections, in the order of target ids (from 1).
pub(super) const COLLECTIONS: [&str; 3] = [ADMINS, SESSIONS, TOKENS];

/// Effect of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Update {
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
    /// The server has dropped a target, or counts other documents: a new stream is needed.
    Broken,
}

/// The documents of the three collections, by name.
#[derive(Default)]
pub(super) struct StagedAccounts {
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

impl StagedAccounts {
    /// Takes the next message of the stream.
    pub(super) fn take(&mut self, message: ListenResponse) -> Update {
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
            return Update::TooMany;
        }
        Update::Nothing
    }

    fn target(&mut self, change: &TargetChange) -> Update {
        let concerned = target_indexes(&change.target_ids, COLLECTIONS.len());
        match change.target_change_type() {
            TargetChangeType::Remove => return Update::Broken,
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
        Update::Nothing
    }

    fn consistent(&mut self, read_micros: u64) -> Update {
        let fits = |target: usize| {
            self.counted[target].is_none_or(|count| count == self.staged[target].len())
        };
        if !(0..COLLECTIONS.len()).all(fits) {
            return Update::Broken;
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
        Update::Consistent {
            changed,
            differs,
            read,
            read_micros,
        }
    }

    /// The accounts as they are now.
    pub(super) fn contents(&self) -> AccountSnapshot {
        let mut contents = AccountSnapshot::default();
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

fn index(target_id: i32) -> Option<usize> {
    target_index(target_id, COLLECTIONS.len())
}

fn time(at: Option<Timestamp>) -> Time {
    at.map_or((0, 0), |at| (at.seconds, at.nanos))
}

#[cfg(test)]
mod tests;
