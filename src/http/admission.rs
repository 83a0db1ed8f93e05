use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Context;
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::limits::network_of;

/// Connections ended at once to make room: each search goes through all of them.
const EVICTED_AT_ONCE: usize = 32;
/// Connections that were ended to make room and are still open, at most: descriptors beyond the cap.
const MAX_EVICTED: usize = 96;
/// Addresses from which good credentials have come, at most.
const MAX_KNOWN: usize = 1_000;
/// How long an address stays known.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3_600);

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
    /// In all.
    pub total: usize,
    /// Of one address, or of one IPv6 network.
    pub per_address: usize,
}

impl AdmissionLimits {
    /// Of all connections, those that only addresses have from which good credentials have come.
    fn reserve(&self) -> usize {
        self.total / 8
    }
}

/// Decides who may connect: caps in all and for each address, a reserve for those who use the desk, and idle connections
/// that make room for new ones.
pub struct Admission {
    limits: AdmissionLimits,
    started: Instant,
    /// Whether an address stands for many clients and has no limit of its own: this machine, and trusted proxies.
    is_exempt: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    state: Mutex<State>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Arc<Slot>>,
    /// Connections that were ended to make room and are still open.
    evicted: usize,
    by_network: HashMap<IpAddr, usize>,
    known: HashMap<IpAddr, Instant>,
}

/// What is known about a connection.
struct Slot {
    network: IpAddr,
    is_exempt: bool,
    /// Since when the connection waits for a request, in milliseconds since the start; 0 while it doesn't.
    waiting_since: AtomicU64,
    is_evicted: AtomicBool,
    /// A good credential has come over this connection.
    is_marked: AtomicBool,
    waker: AtomicWaker,
}

/// A connection's place among all; given back when its last clone is dropped.
#[derive(Clone)]
pub struct Place(Arc<Held>);

struct Held {
    admission: Weak<Admission>,
    number: u64,
    slot: Arc<Slot>,
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The address has as many as it may have.
    Address,
    /// There are as many as there may be, and none of them waits.
    Full,
}

/// Why a connection was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cut {
    /// No request came.
    Idle,
    /// A request's head did not end in time.
    SlowHead,
    /// A request's body did not end in time.
    SlowBody,
    /// The client took nothing of an answer.
    NotRead,
    /// It waited, and others needed its place.
    Evicted,
}

/// `reason` and its value.
type Labels = [(&'static str, &'static str); 1];

impl Refusal {
    fn labels(self) -> Labels {
        let reason = match self {
            Self::Address => "address",
            Self::Full => "full",
        };
        [("reason", reason)]
    }
}

impl Cut {
    fn labels(self) -> Labels {
        let reason = match self {
            Self::Idle => "idle",
            Self::SlowHead => "slow_head",
            Self::SlowBody => "slow_body",
            Self::NotRead => "not_read",
            Self::Evicted => "evicted",
        };
        [("reason", reason)]
    }
}

#[derive(Default)]
struct Metrics {
    open: Gauge,
    refused: Family<Labels, Counter>,
    cut: Family<Labels, Counter>,
}

impl Admission {
    /// No connections yet, and at most so many.
    pub fn new(
        limits: AdmissionLimits,
        is_exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            limits,
            started: Instant::now(),
            is_exempt: Box::new(is_exempt),
            state: Mutex::default(),
            metrics: Metrics::default(),
        })
    }

    /// Makes the figures known to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "connections_open",
            "Open connections, streams included",
            self.metrics.open.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that were not taken, by reason",
            self.metrics.refused.clone(),
        );
        registry.register(
            "connections_cut",
            "Connections that were ended by the server, by reason",
            self.metrics.cut.clone(),
        );
    }

    /// A place for a new connection from `address`. Where there is no room, connections that wait for a request are ended,
    /// those that have waited longest first.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        let admitted = self.try_admit(address);
        if let Err(reason) = admitted {
            self.metrics.refused.get_or_create(&reason.labels()).inc();
        }
        admitted
    }

    fn try_admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        let network = network_of(address);
        let is_exempt = (self.is_exempt)(address.to_canonical());
        let mut state = self.lock();
        let held = state.by_network.get(&network).copied().unwrap_or_default();
        // Idle connections of one client must not keep out others behind the same address.
        if !is_exempt
            && held >= self.limits.per_address
            && !state.make_room(|slot| slot.network == network)
        {
            return Err(Refusal::Address);
        }
        let is_known = is_exempt || state.is_known(network);
        let limit = if is_known {
            self.limits.total
        } else {
            self.limits.total - self.limits.reserve()
        };
        if state.open.len() - state.evicted >= limit {
            let known = state.known_networks();
            // Strangers don't push out those who use the desk.
            let may_go =
                |slot: &Slot| is_known || !(slot.is_exempt || known.contains(&slot.network));
            if !state.make_room(may_go) {
                return Err(Refusal::Full);
            }
        }
        let slot = Arc::new(Slot {
            network,
            is_exempt,
            waiting_since: AtomicU64::new(0),
            is_evicted: AtomicBool::new(false),
            is_marked: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        let number = state.next;
        state.next += 1;
        state.open.insert(number, Arc::clone(&slot));
        *state.by_network.entry(network).or_default() += 1;
        self.metrics.open.inc();
        Ok(Place(Arc::new(Held {
            admission: Arc::downgrade(self),
            number,
            slot,
        })))
    }

    fn millis(&self) -> u64 {
        // Never 0, which stands for "doesn't wait".
        u64::try_from(self.started.elapsed().as_millis()).map_or(u64::MAX, |millis| millis + 1)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_known(&self, network: IpAddr) -> bool {
        self.known
            .get(&network)
            .is_some_and(|since| since.elapsed() < KNOWN_FOR)
    }

    fn known_networks(&self) -> HashSet<IpAddr> {
        let known = self.known.iter();
        known
            .filter(|(_, since)| since.elapsed() < KNOWN_FOR)
            .map(|(network, _)| *network)
            .collect()
    }

    /// Ends connections that wait for a request and that `may_go`: strangers' first, then the longest waiting. False where none
    /// waits, or where connections that were ended before are still open.
    fn make_room(&mut self, may_go: impl Fn(&Slot) -> bool) -> bool {
        if self.evicted >= MAX_EVICTED {
            return false;
        }
        let mut waiting: Vec<(bool, u64, &Arc<Slot>)> = self
            .open
            .values()
            .filter(|slot| !slot.is_evicted.load(Ordering::Relaxed) && may_go(slot))
            .filter_map(|slot| {
                let since = slot.waiting_since.load(Ordering::Relaxed);
                let is_known = slot.is_exempt
                    || slot.is_marked.load(Ordering::Relaxed)
                    || self.is_known(slot.network);
                (since > 0).then_some((is_known, since, slot))
            })
            .collect();
        let count = EVICTED_AT_ONCE.min(waiting.len());
        if count == 0 {
            return false;
        }
        waiting.select_nth_unstable_by_key(count - 1, |(is_known, since, _)| (*is_known, *since));
        let chosen: Vec<_> = waiting[..count].iter().map(|(_, _, slot)| *slot).collect();
        for slot in &chosen {
            slot.is_evicted.store(true, Ordering::Release);
            slot.waker.wake();
        }
        self.evicted += chosen.len();
        true
    }
}

impl Place {
    /// Whether the connection has to end to make room. Called whenever the connection is polled; registers for the next time.
    pub(super) fn poll_evicted(&self, is_waiting: bool, cx: &mut Context<'_>) -> bool {
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
        slot.is_evicted.load(Ordering::Acquire)
    }

    /// The connection has become a stream's: it is never ended to make room.
    pub(super) fn keep(&self) {
        self.0.slot.waiting_since.store(0, Ordering::Relaxed);
        drop(self.0.slot.waker.take());
    }

    pub(super) fn mark_known(&self) {
        let slot = &self.0.slot;
        if slot.is_exempt || slot.is_marked.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(admission) = self.0.admission.upgrade() {
            let mut state = admission.lock();
            if state.known.len() >= MAX_KNOWN && !state.known.contains_key(&slot.network) {
                state.known.retain(|_, since| since.elapsed() < KNOWN_FOR);
                let oldest = state.known.iter().min_by_key(|(_, since)| **since);
                if let Some(oldest) = oldest.map(|(network, _)| *network)
                    && state.known.len() >= MAX_KNOWN
                {
                    state.known.remove(&oldest);
                }
            }
            state.known.insert(slot.network, Instant::now());
        }
    }

    pub(super) fn count_cut(&self, reason: Cut) {
        if let Some(admission) = self.0.admission.upgrade() {
            admission.metrics.cut.get_or_create(&reason.labels()).inc();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(admission) = self.admission.upgrade() else {
            return;
        };
        let mut state = admission.lock();
        state.open.remove(&self.number);
        if self.slot.is_evicted.load(Ordering::Relaxed) {
            state.evicted -= 1;
        }
        if let Some(held) = state.by_network.get_mut(&self.slot.network) {
            *held -= 1;
            if *held == 0 {
                state.by_network.remove(&self.slot.network);
            }
        }
        admission.metrics.open.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn admission(total: usize, per_address: usize) -> Arc<Admission> {
        Admission::new(AdmissionLimits { total, per_address }, |address| {
            address.is_loopback()
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn is_evicted(place: &Place) -> bool {
        place.poll_evicted(true, &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_address_has_so_many_connections_and_this_machine_has_all() {
        let admission = admission(100, 2);
        let first = admission.admit(address("2001:db8::1")).expect("a place");
        let _second = admission.admit(address("2001:db8::2")).expect("a place");
        assert_eq!(
            admission.admit(address("2001:db8::3")).err(),
            Some(Refusal::Address)
        );
        let clone = first.clone();
        drop(first);
        assert_eq!(
            admission.admit(address("2001:db8::3")).err(),
            Some(Refusal::Address)
        );
        assert!(!is_evicted(&clone), "it waits from now on");
        let _third = admission
            .admit(address("2001:db8::3"))
            .expect("the place of one that waits");
        assert!(is_evicted(&clone));
        drop(clone);
        let local: Vec<_> = (0..10)
            .map(|_| {
                admission
                    .admit(address("::ffff:127.0.0.1"))
                    .expect("a place")
            })
            .collect();
        drop(local);
        assert_eq!(admission.lock().by_network.len(), 1);
    }

    #[test]
    fn connections_that_wait_make_room_and_busy_ones_do_not() {
        let admission = admission(8, 100);
        let places: Vec<_> = (0..7)
            .map(|_| admission.admit(address("192.0.2.1")).expect("a place"))
            .collect();
        assert_eq!(
            admission.admit(address("192.0.2.2")).err(),
            Some(Refusal::Full),
            "all are busy, and one place is in reserve"
        );
        assert!(!is_evicted(&places[3]));
        let place = admission.admit(address("192.0.2.2"));
        assert!(place.is_ok() && is_evicted(&places[3]));
        assert!(!is_evicted(&places[2]));
    }

    #[test]
    fn known_addresses_have_a_reserve_and_are_ended_last() {
        let admission = admission(40, 100);
        let staff = admission.admit(address("192.0.2.9")).expect("a place");
        staff.mark_known();
        let strangers: Vec<_> = (0..34)
            .map(|_| admission.admit(address("192.0.2.1")).expect("a place"))
            .collect();
        assert_eq!(
            admission.admit(address("192.0.2.1")).err(),
            Some(Refusal::Full)
        );
        let more: Vec<_> = (0..5)
            .map(|_| {
                admission
                    .admit(address("192.0.2.9"))
                    .expect("a place in reserve")
            })
            .collect();
        assert!(strangers.iter().all(|place| !is_evicted(place)));
        assert!(!is_evicted(&staff));
        let _last = admission
            .admit(address("192.0.2.9"))
            .expect("a stranger's place");
        assert_eq!(
            strangers.iter().filter(|place| is_evicted(place)).count(),
            EVICTED_AT_ONCE
        );
        assert!(!is_evicted(&staff));
        drop(more);
    }
}
