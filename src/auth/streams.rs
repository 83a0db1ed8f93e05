use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Credential, Principal};

/// All open streams: who reads them, how many there may be, and the means to end them.
pub struct OpenStreams {
    max_connections: usize,
    max_per_admin: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Arc<OpenStreamInfo>>,
    by_account: HashMap<String, usize>,
}

/// Which door a stream came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// A dashboard with a session.
    Dashboard,
    /// A client with a bearer token.
    Api,
}

/// Why a stream isn't opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamRefusal {
    /// The server has as many as it may have.
    Full,
    /// The admin or token has as many as it may have.
    TooManyOfOne,
}

/// What is known about an open stream.
pub struct OpenStreamInfo {
    principal: Principal,
    /// Which door it came in by.
    pub kind: StreamKind,
    /// What the client calls itself.
    pub client: String,
    /// Where it comes from.
    pub address: IpAddr,
    /// Since when it is open, in milliseconds since the epoch.
    pub since: u64,
    delivered_at: AtomicU64,
    ended: Arc<AtomicBool>,
}

impl OpenStreamInfo {
    /// Who reads.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the reader has presented.
    pub fn credential(&self) -> &Credential {
        &self.principal.credential
    }

    /// When something was last handed to the stream, in milliseconds since the epoch.
    pub fn delivered_at(&self) -> u64 {
        self.delivered_at.load(Ordering::Relaxed)
    }
}

/// A stream's place among the open ones; given back when dropped.
pub struct OpenStream {
    streams: Arc<OpenStreams>,
    number: u64,
    info: Arc<OpenStreamInfo>,
}

impl OpenStreams {
    /// No streams yet, and at most so many, in all and of one admin or token.
    pub fn new(max_connections: usize, max_per_admin: usize) -> Arc<Self> {
        Arc::new(Self {
            max_connections,
            max_per_admin,
            state: Mutex::default(),
        })
    }

    /// Takes a place for a stream of `principal`.
    pub fn open(
        self: &Arc<Self>,
        principal: Principal,
        kind: StreamKind,
        client: String,
        address: IpAddr,
        now_millis: u64,
    ) -> Result<OpenStream, StreamRefusal> {
        let mut state = self.lock();
        if state.open.len() >= self.max_connections {
            return Err(StreamRefusal::Full);
        }
        let of_account = state
            .by_account
            .entry(principal.account.clone())
            .or_default();
        if *of_account >= self.max_per_admin {
            return Err(StreamRefusal::TooManyOfOne);
        }
        *of_account += 1;
        let number = state.next;
        state.next += 1;
        let info = Arc::new(OpenStreamInfo {
            principal,
            kind,
            client,
            address,
            since: now_millis,
            delivered_at: AtomicU64::new(now_millis),
            ended: Arc::default(),
        });
        state.open.insert(number, Arc::clone(&info));
        Ok(OpenStream {
            streams: Arc::clone(self),
            number,
            info,
        })
    }

    /// How many streams are open, by door.
    pub fn count(&self, kind: StreamKind) -> usize {
        self.lock()
            .open
            .values()
            .filter(|info| info.kind == kind)
            .count()
    }

    /// The open streams, oldest first.
    pub fn list(&self) -> Vec<(u64, Arc<OpenStreamInfo>)> {
        let mut open: Vec<_> = self
            .lock()
            .open
            .iter()
            .map(|(number, info)| (*number, Arc::clone(info)))
            .collect();
        open.sort_unstable_by_key(|(number, _)| *number);
        open
    }

    pub(super) fn credentials(&self) -> HashSet<Credential> {
        self.lock()
            .open
            .values()
            .map(|info| info.credential().clone())
            .collect()
    }

    /// Marks streams as ended, and answers how many. They notice at the next
    /// [`check_subscribers`](crate::hub::Hub::check_subscribers), or with their next event.
    pub(super) fn end(&self, which: impl Fn(&OpenStreamInfo) -> bool) -> usize {
        let state = self.lock();
        let ending = state.open.values().filter(|info| which(info));
        ending
            .map(|info| info.ended.store(true, Ordering::Relaxed))
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStream {
    /// Set when the stream may not go on.
    pub fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.info.ended)
    }

    /// Something was handed to the stream.
    pub fn delivered(&self, now_millis: u64) {
        self.info.delivered_at.store(now_millis, Ordering::Relaxed);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        state.open.remove(&self.number);
        let account = &self.info.principal.account;
        if let Some(of_account) = state.by_account.get_mut(account) {
            *of_account -= 1;
            if *of_account == 0 {
                state.by_account.remove(account);
            }
        }
    }
}
