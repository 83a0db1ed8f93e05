//! Accounts in memory: look-ups are answered from what the watch has delivered (and Firestore has billed), without another read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::store::{Admin, Session, Token};

/// Maximum number of own writes that are remembered until the watch has seen them.
const MAX_WRITTEN: usize = 1_000;

/// All accounts at one moment. Sessions and tokens are keyed by their document's id, the hexadecimal digest.
#[derive(Default)]
pub(super) struct AccountSnapshot {
    /// By e-mail address.
    pub(super) admins: Vec<Arc<Admin>>,
    pub(super) sessions: HashMap<String, Arc<Session>>,
    pub(super) tokens: HashMap<String, Arc<Token>>,
}

impl AccountSnapshot {
    pub(super) fn admin_by_id(&self, id: &str) -> Option<Admin> {
        let found = self.admins.iter().find(|admin| admin.id == id);
        found.map(|admin| Admin::clone(admin))
    }

    pub(super) fn admin_by_email(&self, email: &str) -> Option<Admin> {
        let exact = self.admins.iter().find(|admin| admin.email == email);
        let found = exact.or_else(|| {
            let mut admins = self.admins.iter();
            admins.find(|admin| same_email(&admin.email, email))
        });
        found.map(|admin| Admin::clone(admin))
    }
}

/// E-mail addresses are the same ignoring case.
pub(super) fn same_email(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// The accounts as last seen by the watch, while it is live.
///
/// A connection may be dead without an error. Memory is trusted for a time after the watch's last message of any kind: Google's
/// servers send one every 30 seconds even if nothing changes. After a longer silence, only a consistent snapshot restores trust:
/// other messages may have waited in a buffer, ahead of changes.
pub(crate) struct Directory {
    /// How long memory is trusted after a message of the watch.
    trust: Duration,
    born: Instant,
    /// When the watch last received a message, in milliseconds after `born`.
    heard_at: AtomicU64,
    /// Look-ups not answered from memory because the watch was silent, although its stream is open.
    silent_lookups: Counter,
    /// See [`AccountStore::generation`](crate::store::AccountStore::generation); zero while there is no watch.
    generation: AtomicU64,
    last: AtomicU64,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    contents: Option<Arc<AccountSnapshot>>,
    /// The watch has seen every change up to this time, in microseconds; zero while there is no watch.
    seen: u64,
    /// Names and commit times of documents written by this process: until the watch has seen that time, memory is behind.
    written: HashMap<String, u64>,
    /// Memory isn't trusted before the watch has seen this time.
    behind_until: u64,
}

impl Directory {
    /// An empty directory, until the watch is live. `trust` is how long memory is trusted after the watch's last message.
    pub(super) fn new(trust: Duration) -> Self {
        Self {
            trust,
            born: Instant::now(),
            heard_at: AtomicU64::default(),
            silent_lookups: Counter::default(),
            generation: AtomicU64::default(),
            last: AtomicU64::default(),
            state: RwLock::default(),
        }
    }

    pub(super) fn generation(&self) -> Option<u64> {
        Some(self.generation.load(Ordering::Acquire)).filter(|now| *now > 0 && self.is_recent())
    }

    pub(super) fn is_live(&self) -> bool {
        self.trusted(&self.read()).is_some()
    }

    /// Records a message that isn't a consistent snapshot: a sign of life.
    pub(super) fn heard(&self) {
        if self.is_recent() {
            self.heard_at.store(self.age(), Ordering::Release);
        }
    }

    /// Registers the counter of look-ups caused by a silent watch.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "firestore_silent_watch_lookups",
            "Look-ups of accounts that went to Firestore because their watch, although open, was silent for too long",
            self.silent_lookups.clone(),
        );
    }

    fn is_recent(&self) -> bool {
        let silence = self
            .age()
            .saturating_sub(self.heard_at.load(Ordering::Acquire));
        u128::from(silence) < self.trust.as_millis()
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn trusted<'a>(&self, state: &'a State) -> Option<&'a Arc<AccountSnapshot>> {
        let contents = state.contents.as_ref();
        contents.filter(|_| state.behind_until == 0 && self.is_recent())
    }

    /// The contents for a look-up; `None` if it has to go to Firestore.
    fn contents<'a>(&self, state: &'a State) -> Option<&'a Arc<AccountSnapshot>> {
        let trusted = self.trusted(state);
        if trusted.is_none() && state.contents.is_some() && !self.is_recent() {
            self.silent_lookups.inc();
        }
        trusted
    }

    /// The result of `find`; `None` if Firestore has to be read, as when this process has just written the document `name`.
    pub(super) fn look_up<T>(
        &self,
        name: &str,
        find: impl FnOnce(&AccountSnapshot) -> T,
    ) -> Option<T> {
        let state = self.read();
        let contents = self.contents(&state)?;
        if state.written.contains_key(name) {
            return None;
        }
        let contents = Arc::clone(contents);
        drop(state);
        Some(find(&contents))
    }

    /// The result of `find`; `None` also if this process has just written a document whose name begins with `prefix`.
    pub(super) fn look_through<T>(
        &self,
        prefix: &str,
        find: impl FnOnce(&AccountSnapshot) -> T,
    ) -> Option<T> {
        let state = self.read();
        let contents = self.contents(&state)?;
        if state.written.keys().any(|name| name.starts_with(prefix)) {
            return None;
        }
        let contents = Arc::clone(contents);
        drop(state);
        Some(find(&contents))
    }

    /// The result of `find` in memory, even if this process has written something since: for what never changes.
    pub(super) fn peek<T>(&self, find: impl FnOnce(&AccountSnapshot) -> T) -> Option<T> {
        let contents = Arc::clone(self.contents(&self.read())?);
        Some(find(&contents))
    }

    /// Records that this process has written these documents.
    pub(super) fn wrote(&self, names: impl IntoIterator<Item = String>, commit_micros: u64) {
        let mut state = self.write();
        // The watch may see a commit before its writer is answered.
        if commit_micros <= state.seen {
            return;
        }
        state
            .written
            .extend(names.into_iter().map(|name| (name, commit_micros)));
        if state.written.len() > MAX_WRITTEN {
            state.behind_until = state.behind_until.max(commit_micros);
            state.written.clear();
        }
    }

    /// Records that the watch has seen every change up to `read_micros`. `contents` is set if they differ from before, and
    /// `changed` if permissions may have changed.
    pub(super) fn advance(
        &self,
        contents: Option<AccountSnapshot>,
        changed: bool,
        read_micros: u64,
    ) {
        {
            let mut state = self.write();
            if let Some(contents) = contents {
                state.contents = Some(Arc::new(contents));
            }
            state.seen = read_micros;
            state.written.retain(|_, at| *at > read_micros);
            if state.behind_until <= read_micros {
                state.behind_until = 0;
            }
        }
        // After the contents: a reader of the new generation must also see the new contents.
        if changed || self.generation().is_none() {
            let next = self.last.fetch_add(1, Ordering::AcqRel) + 1;
            self.generation.store(next, Ordering::Release);
        }
        // Last: contents from before a silence must be replaced before memory is trusted again.
        self.heard_at.store(self.age(), Ordering::Release);
    }

    /// Forgets everything: the watch is away.
    pub(super) fn clear(&self) {
        self.generation.store(0, Ordering::Release);
        let mut state = self.write();
        (state.contents, state.seen) = (None, 0);
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
