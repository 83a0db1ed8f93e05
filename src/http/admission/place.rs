//! A connection's place among all of them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Context;

use atomic_waker::AtomicWaker;

use super::{Admission, Labels};

/// State of one connection, shared with [`Admission`].
pub(super) struct Slot {
    pub(super) network: IpAddr,
    pub(super) is_exempt: bool,
    /// When the connection began to wait for a request, in milliseconds since the start; 0 while it is busy.
    waiting_since: AtomicU64,
    /// Changed only under the lock of [`Admission`], which counts evicted connections.
    is_evicted: AtomicBool,
    /// Whether the connection has carried a valid credential.
    is_marked: AtomicBool,
    waker: AtomicWaker,
}

impl Slot {
    pub(super) fn new(network: IpAddr, is_exempt: bool) -> Self {
        Self {
            network,
            is_exempt,
            waiting_since: AtomicU64::new(0),
            is_evicted: AtomicBool::new(false),
            is_marked: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Since when the connection waits for a request; `None` while it doesn't, or was told to end.
    pub(super) fn waiting_since(&self) -> Option<u64> {
        let since = self.waiting_since.load(Ordering::Relaxed);
        (since > 0 && !self.is_evicted()).then_some(since)
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Acquire)
    }

    pub(super) fn is_marked(&self) -> bool {
        self.is_marked.load(Ordering::Relaxed)
    }

    /// Wakes the connection, which then ends.
    pub(super) fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// The connection never ends to make room from now on. True if it was told to end before.
    pub(super) fn keep(&self) -> bool {
        self.waiting_since.store(0, Ordering::Relaxed);
        drop(self.waker.take());
        self.is_evicted.swap(false, Ordering::Relaxed)
    }
}

/// A connection's share of the limits; released when the last clone is dropped.
#[derive(Clone)]
pub struct Place(Arc<Held>);

impl Place {
    pub(super) fn new(admission: Weak<Admission>, number: u64, slot: Arc<Slot>) -> Self {
        Self(Arc::new(Held {
            admission,
            number,
            slot,
        }))
    }
}

struct Held {
    admission: Weak<Admission>,
    number: u64,
    slot: Arc<Slot>,
}

/// Why a connection was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::http) enum Cut {
    /// The TLS handshake did not end in time.
    SlowHandshake,
    /// No request came.
    Idle,
    /// A request's head did not end in time.
    SlowHead,
    /// A request's body did not end in time.
    SlowBody,
    /// The client accepted no byte of an answer in time.
    NotRead,
    /// It was waiting for a request when others needed its place.
    Evicted,
}

impl Cut {
    pub(super) fn labels(self) -> Labels {
        let reason = match self {
            Self::SlowHandshake => "slow_handshake",
            Self::Idle => "idle",
            Self::SlowHead => "slow_head",
            Self::SlowBody => "slow_body",
            Self::NotRead => "not_read",
            Self::Evicted => "evicted",
        };
        [("reason", reason)]
    }
}

impl Place {
    /// Whether the connection has to end to make room. Called whenever the connection is polled; registers for the next time.
    pub(in crate::http) fn poll_evicted(&self, is_waiting: bool, cx: &mut Context<'_>) -> bool {
        let slot = &self.0.slot;
        if !is_waiting {
            slot.waiting_since.store(0, Ordering::Relaxed);
            return false;
        }
        if slot.waiting_since.load(Ordering::Relaxed) == 0
            && let Some(admission) = self.0.admission.upgrade()
        {
            slot.waiting_since
                .store(admission.millis(), Ordering::Relaxed);
        }
        slot.waker.register(cx.waker());
        slot.is_evicted()
    }

    /// The client's address, or its IPv6 network.
    pub(in crate::http) fn network(&self) -> IpAddr {
        self.0.slot.network
    }

    /// Whether the address has sent a valid credential, or stands for many clients.
    pub(in crate::http) fn is_known(&self) -> bool {
        let slot = &self.0.slot;
        let admission = || self.0.admission.upgrade();
        slot.is_exempt || admission().is_some_and(|admission| admission.knows(slot.network))
    }

    /// The connection has become a stream's: it is never ended to make room.
    pub(in crate::http) fn keep(&self) {
        if let Some(admission) = self.0.admission.upgrade() {
            admission.keep(&self.0.slot);
        }
    }

    /// A good credential has come over the connection.
    pub(in crate::http) fn mark_known(&self) {
        let slot = &self.0.slot;
        if !slot.is_exempt
            && !slot.is_marked.swap(true, Ordering::Relaxed)
            && let Some(admission) = self.0.admission.upgrade()
        {
            admission.remember(slot.network);
        }
    }

    /// Counts a connection that the server ends.
    pub(in crate::http) fn count_cut(&self, reason: Cut) {
        if let Some(admission) = self.0.admission.upgrade() {
            admission.count_cut(reason);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.upgrade() {
            admission.give_back(self.number, &self.slot);
        }
    }
}
