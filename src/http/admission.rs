mod place;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::limits::network_of;
pub(super) use place::Cut;
pub use place::Place;
use place::Slot;

/// Connections ended at once to make room, since each search looks at all of them.
const EVICTED_AT_ONCE: usize = 32;
/// How long to wait after a search that found no connection to end: each search looks at all of them.
const SEARCH_PAUSE: Duration = if cfg!(test) {
    Duration::ZERO
} else {
    Duration::from_millis(5)
};
/// Maximum number of connections that were told to end and are still open: descriptors beyond the cap.
const MAX_EVICTED: usize = 96;
/// Maximum number of known addresses: those that have sent a valid credential.
const MAX_KNOWN: usize = 1_000;
/// How long an address stays known.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Limits of the number of connections.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
    /// In all.
    pub total: usize,
    /// Of one address, or of one IPv6 network.
    pub per_address: usize,
}

impl AdmissionLimits {
    /// Places that only known addresses may use.
    fn reserve(&self) -> usize {
        self.total / 8
    }
}

/// Admits or refuses connections: limits in total and per address, a reserve for known addresses, and eviction of connections
/// that wait for a request.
pub struct Admission {
    limits: AdmissionLimits,
    started: Instant,
    /// Whether an address has no limit of its own because it stands for many clients: loopback, and trusted proxies.
    is_exempt: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    state: Mutex<State>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Arc<Slot>>,
    /// Connections that were told to end and are still open.
    evicted: usize,
    by_network: HashMap<IpAddr, HashSet<u64>>,
    /// When a search for a connection to end has found none: for strangers, and for known addresses.
    searched: [Option<Instant>; 2],
    known: HashMap<IpAddr, Instant>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The address has reached its limit.
    Address,
    /// The total limit is reached, and no connection can be evicted.
    Full,
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

#[derive(Default)]
struct Metrics {
    open: Gauge,
    refused: Family<Labels, Counter>,
    cut: Family<Labels, Counter>,
}

impl Admission {
    /// An admission without connections.
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

    /// Registers the metrics.
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

    /// Admits a connection from `address`. At a limit, connections that wait for a request are ended, the longest waiting first.
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
        let held = state.by_network.get(&network).map_or(0, HashSet::len);
        // Idle connections of one client must not keep out others behind the same address.
        if !is_exempt && held >= self.limits.per_address && !state.make_room_of(network) {
            return Err(Refusal::Address);
        }
        let is_known = is_exempt || state.is_known(network);
        let limit = if is_known {
            self.limits.total
        } else {
            self.limits.total - self.limits.reserve()
        };
        if state.open.len() - state.evicted >= limit && !state.make_room(is_known) {
            return Err(Refusal::Full);
        }
        let slot = Arc::new(Slot::new(network, is_exempt));
        let number = state.open(&slot);
        self.metrics.open.inc();
        Ok(Place::new(Arc::downgrade(self), number, slot))
    }

    /// The connection is never ended to make room from now on.
    fn keep(&self, slot: &Slot) {
        let mut state = self.lock();
        if slot.keep() {
            state.evicted -= 1;
        }
    }

    /// Makes the network known: it may use the reserve.
    fn remember(&self, network: IpAddr) {
        self.lock().remember(network);
    }

    fn knows(&self, network: IpAddr) -> bool {
        self.lock().is_known(network)
    }

    fn give_back(&self, number: u64, slot: &Slot) {
        self.lock().close(number, slot);
        self.metrics.open.dec();
    }

    fn count_cut(&self, reason: Cut) {
        self.metrics.cut.get_or_create(&reason.labels()).inc();
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

    fn open(&mut self, slot: &Arc<Slot>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, Arc::clone(slot));
        self.by_network
            .entry(slot.network)
            .or_default()
            .insert(number);
        number
    }

    fn close(&mut self, number: u64, slot: &Slot) {
        self.open.remove(&number);
        if slot.is_evicted() {
            self.evicted -= 1;
        }
        if let Some(held) = self.by_network.get_mut(&slot.network) {
            held.remove(&number);
            if held.is_empty() {
                self.by_network.remove(&slot.network);
            }
        }
    }

    fn remember(&mut self, network: IpAddr) {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&network) {
            self.known.retain(|_, since| since.elapsed() < KNOWN_FOR);
            let oldest = self.known.iter().min_by_key(|(_, since)| **since);
            if let Some(oldest) = oldest.map(|(network, _)| *network)
                && self.known.len() >= MAX_KNOWN
            {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(network, Instant::now());
    }

    /// Ends connections of a network that wait for a request. False where none does.
    fn make_room_of(&mut self, network: IpAddr) -> bool {
        let held = self.by_network.get(&network).into_iter().flatten();
        let slots = held.filter_map(|number| self.open.get(number));
        let waiting = slots.filter(|slot| slot.waiting_since().is_some());
        self.evict(waiting.cloned().collect())
    }

    /// Ends connections that wait for a request. Strangers don't push out those who use the desk. False where none waits.
    fn make_room(&mut self, is_known: bool) -> bool {
        // Those that end now make room in a moment: that is no search in vain.
        if self.evicted >= MAX_EVICTED {
            return false;
        }
        let searched = &mut self.searched[usize::from(is_known)];
        if searched.is_some_and(|searched| searched.elapsed() < SEARCH_PAUSE) {
            return false;
        }
        let known = self.known_networks();
        let may_go =
            |slot: &&Arc<Slot>| is_known || !(slot.is_exempt || known.contains(&slot.network));
        let slots = self.open.values().filter(may_go);
        let waiting = slots.filter(|slot| slot.waiting_since().is_some());
        let has_room = self.evict(waiting.cloned().collect());
        if !has_room {
            self.searched[usize::from(is_known)] = Some(Instant::now());
        }
        has_room
    }

    /// Ends those that wait for a request: strangers' first, then the longest waiting. False where none waits, or where too many
    /// that were ended before are still open.
    fn evict(&mut self, slots: Vec<Arc<Slot>>) -> bool {
        if self.evicted >= MAX_EVICTED {
            return false;
        }
        let mut waiting: Vec<(bool, u64, Arc<Slot>)> = slots
            .into_iter()
            .filter_map(|slot| {
                let since = slot.waiting_since()?;
                let is_known = slot.is_exempt || slot.is_marked() || self.is_known(slot.network);
                Some((is_known, since, slot))
            })
            .collect();
        let count = EVICTED_AT_ONCE.min(waiting.len());
        if count == 0 {
            return false;
        }
        waiting.select_nth_unstable_by_key(count - 1, |(is_known, since, _)| (*is_known, *since));
        for (_, _, slot) in &waiting[..count] {
            slot.evict();
        }
        self.evicted += count;
        true
    }
}
