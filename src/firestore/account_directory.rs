//! Accounts in memory: what the watch has delivered (and Firestore has billed) answers look-ups without another read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::accounts::same_email;
use crate::store::{Admin, Session, Token};

/// Most own writes that are remembered until the watch has seen them.
const MAX_WRITTEN: usize = 1_000;

/// All accounts at one moment. Sessions and tokens are found by their document's id, the hexadecimal digest.
#[derive(Default)]
pub(super) struct Contents {
    /// By e-mail address.
    pub(super) admins: Vec<Arc<Admin>>,
    pub(super) sessions: HashMap<String, Arc<Session>>,
    pub(super) tokens: HashMap<String, Arc<Token>>,
}

impl Contents {
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

/// The accounts as the watch has last seen them, while it is live.
///
/// A connection may be dead without an error. Memory is believed for a time after the watch's last message, whatever that message
/// says: Google's servers send one every 30 seconds also when nothing changes. After a longer silence, only a message that says
/// everything is known up to some moment has memory believed again: others may have waited in a buffer, ahead of changes.
pub(super) struct Directory {
    /// How long memory is believed after a message of the watch.
    trust: Duration,
    born: Instant,
    /// When the watch last took in a message, in milliseconds after `born`.
    heard: AtomicU64,
    /// Look-ups that memory didn't answer because the watch was silent, although its stream is open.
    unheard: Counter,
    /// See [`AccountStore::generation`](crate::store::AccountStore::generation); zero while there is no watch.
    generation: AtomicU64,
    last: AtomicU64,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    contents: Option<Arc<Contents>>,
    /// The watch has seen everything up to this moment, in microseconds; zero while there is no watch.
    seen: u64,
    /// Documents that this process has written, by name, and when: until the watch has seen that moment, memory is behind.
    written: HashMap<String, u64>,
    /// Memory isn't believed before the watch has seen this moment.
    behind_until: u64,
}

impl Directory {
    /// Knows nothing before the watch is live. `trust` is how long it is believed after the watch's last message.
    pub(super) fn new(trust: Duration) -> Self {
        Self {
            trust,
            born: Instant::now(),
            heard: AtomicU64::default(),
            unheard: Counter::default(),
            generation: AtomicU64::default(),
            last: AtomicU64::default(),
            state: RwLock::default(),
        }
    }

    pub(super) fn generation(&self) -> Option<u64> {
        Some(self.generation.load(Ordering::Acquire)).filter(|now| *now > 0 && self.is_heard())
    }

    pub(super) fn is_live(&self) -> bool {
        self.believed(&self.read()).is_some()
    }

    /// The watch has taken in a message that doesn't say up to when everything is known: a sign of life.
    pub(super) fn hear(&self) {
        if self.is_heard() {
            self.heard.store(self.age(), Ordering::Release);
        }
    }

    /// Makes the counter of look-ups that a silent watch costs known to `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "firestore_silent_watch_lookups",
            "Look-ups of accounts that went to Firestore because their watch, although open, was silent for too long",
            self.unheard.clone(),
        );
    }

    fn is_heard(&self) -> bool {
        let silence = self
            .age()
            .saturating_sub(self.heard.load(Ordering::Acquire));
        u128::from(silence) < self.trust.as_millis()
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn believed<'a>(&self, state: &'a State) -> Option<&'a Arc<Contents>> {
        let contents = state.contents.as_ref();
        contents.filter(|_| state.behind_until == 0 && self.is_heard())
    }

    /// The contents for a look-up, which goes to Firestore where there are none.
    fn contents<'a>(&self, state: &'a State) -> Option<&'a Arc<Contents>> {
        let believed = self.believed(state);
        if believed.is_none() && state.contents.is_some() && !self.is_heard() {
            self.unheard.inc();
        }
        believed
    }

    /// What `find` finds, unless this process has just written the document `name`. `None`: ask Firestore.
    pub(super) fn look_up<T>(&self, name: &str, find: impl FnOnce(&Contents) -> T) -> Option<T> {
        let state = self.read();
        let contents = self.contents(&state)?;
        if state.written.contains_key(name) {
            return None;
        }
        let contents = Arc::clone(contents);
        drop(state);
        Some(find(&contents))
    }

    /// What `find` finds, unless this process has just written any of the documents whose names begin with `prefix`.
    pub(super) fn look_through<T>(
        &self,
        prefix: &str,
        find: impl FnOnce(&Contents) -> T,
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

    /// What `find` finds in memory, also where this process has written something since: for what never changes.
    pub(super) fn peek<T>(&self, find: impl FnOnce(&Contents) -> T) -> Option<T> {
        let contents = Arc::clone(self.contents(&self.read())?);
        Some(find(&contents))
    }

    /// This process has written these documents.
    pub(super) fn wrote(&self, names: impl IntoIterator<Item = String>, commit_micros: u64) {
        let mut state = self.write();
        // The watch may be faster than the answer to the writer.
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

    /// The watch has seen everything up to `read_micros`: `contents` where that differs from what it was, and `changed` where
    /// anyone's rights may.
    pub(super) fn advance(&self, contents: Option<Contents>, changed: bool, read_micros: u64) {
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
        // After the contents: who sees the new generation also sees what is new.
        if changed || self.generation().is_none() {
            let next = self.last.fetch_add(1, Ordering::AcqRel) + 1;
            self.generation.store(next, Ordering::Release);
        }
        // Last: what was believed before a silence isn't believed again before it is replaced.
        self.heard.store(self.age(), Ordering::Release);
    }

    /// The watch is away.
    pub(super) fn lose(&self) {
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
mod tests {
    use super::*;

    fn directory() -> Directory {
        Directory::new(Duration::from_secs(40))
    }

    fn contents(ids: &[&str]) -> Contents {
        let admin = |id: &&str| {
            Arc::new(Admin {
                id: (*id).to_owned(),
                email: format!("{id}@shop.example"),
                name: String::new(),
                password_hash: String::new(),
                disabled: false,
                fcm_token: None,
            })
        };
        Contents {
            admins: ids.iter().map(admin).collect(),
            ..Contents::default()
        }
    }

    fn is_there(directory: &Directory, id: &str) -> Option<bool> {
        let name = format!("admins/{id}");
        directory.look_up(&name, |contents| contents.admin_by_id(id).is_some())
    }

    #[test]
    fn it_answers_while_the_watch_is_live() {
        let directory = directory();
        assert_eq!(
            (is_there(&directory, "a"), directory.generation()),
            (None, None)
        );
        directory.advance(Some(contents(&["a"])), true, 10);
        assert_eq!(is_there(&directory, "a"), Some(true));
        assert_eq!(is_there(&directory, "b"), Some(false));
        assert_eq!(directory.generation(), Some(1));
        directory.advance(None, false, 20);
        assert_eq!(
            (is_there(&directory, "a"), directory.generation()),
            (Some(true), Some(1))
        );
        directory.lose();
        assert_eq!(
            (is_there(&directory, "a"), directory.generation()),
            (None, None)
        );
        directory.advance(Some(contents(&["b"])), false, 30);
        assert_eq!(
            (is_there(&directory, "a"), directory.generation()),
            (Some(false), Some(2))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_says_nothing_is_not_believed_for_long() {
        let directory = directory();
        tokio::time::advance(Duration::from_secs(90)).await;
        directory.advance(Some(contents(&["a"])), true, 10);
        let is_believed = || {
            let is_live = directory.is_live();
            assert_eq!(directory.generation().is_some(), is_live);
            assert_eq!(is_there(&directory, "a").is_some(), is_live);
            assert_eq!(directory.peek(|_| ()).is_some(), is_live);
            is_live
        };
        for _ in 0..5 {
            // As often as Google's servers speak.
            tokio::time::advance(Duration::from_secs(30)).await;
            assert!(is_believed());
            directory.hear();
        }
        tokio::time::advance(Duration::from_millis(39_999)).await;
        assert!(is_believed());
        assert_eq!(directory.unheard.get(), 0);
        let generation = directory.generation();
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!is_believed());
        assert_eq!(directory.unheard.get(), 2, "two look-ups found no answer");
        // It may have waited in a buffer, ahead of a change.
        directory.hear();
        assert!(!is_believed());
        directory.advance(None, false, 20);
        assert!(is_believed());
        assert!(directory.generation() > generation);
    }

    #[test]
    fn own_writes_are_looked_up_until_the_watch_has_seen_them() {
        let directory = directory();
        directory.advance(Some(contents(&["a"])), true, 10);
        directory.wrote(["admins/b".to_owned()], 15);
        assert_eq!(is_there(&directory, "b"), None);
        assert_eq!(is_there(&directory, "a"), Some(true));
        assert_eq!(directory.look_through("admins/", |_| ()), None);
        assert_eq!(directory.look_through("tokens/", |_| ()), Some(()));
        // From before the write.
        directory.advance(Some(contents(&["a", "c"])), true, 14);
        assert_eq!(is_there(&directory, "b"), None);
        directory.advance(Some(contents(&["a", "b"])), true, 15);
        assert_eq!(is_there(&directory, "b"), Some(true));
        assert_eq!(directory.look_through("admins/", |_| ()), Some(()));
    }

    #[test]
    fn a_write_that_the_watch_has_seen_already_is_found_in_memory() {
        let directory = directory();
        directory.advance(Some(contents(&["a"])), true, 15);
        directory.wrote(["admins/a".to_owned()], 15);
        assert_eq!(is_there(&directory, "a"), Some(true));
        directory.lose();
        directory.wrote(["admins/a".to_owned()], 15);
        directory.advance(Some(contents(&[])), true, 14);
        assert_eq!(is_there(&directory, "a"), None, "this watch is behind");
    }

    #[test]
    fn a_write_from_before_the_watch_was_live_counts_as_well() {
        let directory = directory();
        directory.wrote(["admins/a".to_owned()], 15);
        directory.advance(Some(contents(&[])), true, 14);
        assert_eq!(is_there(&directory, "a"), None);
    }

    #[test]
    fn many_own_writes_are_forgotten_for_one_moment() {
        let directory = directory();
        directory.advance(Some(contents(&["a"])), true, 10);
        let names = (0..=MAX_WRITTEN).map(|number| format!("sessions/{number}"));
        directory.wrote(names, 20);
        assert!(directory.read().written.is_empty() && !directory.is_live());
        directory.advance(None, false, 19);
        assert_eq!(is_there(&directory, "a"), None);
        directory.advance(None, false, 20);
        assert_eq!(is_there(&directory, "a"), Some(true));
    }
}
