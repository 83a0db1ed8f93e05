use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Credential, Principal};
use crate::limits::network_of;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Registry of all open streams: lists, limits and ends them.
pub struct OpenStreams {
    limits: StreamLimits,
    /// Number of calls of [`OpenStreams::end`].
    endings: AtomicU64,
    state: Mutex<State>,
}

/// Limits of the number of streams.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// In all.
    pub connections: usize,
    /// Per admin or token.
    pub per_admin: usize,
    /// Per IPv4 address or IPv6 network. Loopback has no limit: it is a proxy's.
    pub per_address: usize,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Arc<OpenStreamInfo>>,
    held: HashMap<Holder, usize>,
}

/// Key of a stream limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Account(String),
    Network(IpAddr),
}

/// How a stream was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// A dashboard with a session.
    Dashboard,
    /// A client with a bearer token.
    Api,
}

/// Why a stream is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamRefusal {
    /// The total limit is reached.
    Full,
    /// The limit of the admin or token is reached.
    TooManyOfOne,
    /// The limit of the address is reached.
    TooManyFromThere,
}

/// State of an open stream.
pub struct OpenStreamInfo {
    principal: Principal,
    /// How it was opened.
    pub kind: StreamKind,
    /// The client's name for itself.
    pub client: String,
    /// The client's address.
    pub address: IpAddr,
    /// When it was opened, in milliseconds since the epoch.
    pub since: u64,
    delivered_at: AtomicU64,
    ended: AtomicBool,
}

impl OpenStreamInfo {
    /// The authenticated user.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The credential that the stream was opened with.
    pub fn credential(&self) -> &Credential {
        &self.principal.credential
    }

    /// When data was last delivered, in milliseconds since the epoch.
    pub fn delivered_at(&self) -> u64 {
        self.delivered_at.load(Ordering::Relaxed)
    }
}

/// A stream's entry in the registry; removed when dropped.
pub struct OpenStream {
    streams: Arc<OpenStreams>,
    number: u64,
    info: Arc<OpenStreamInfo>,
    /// Value of `OpenStreams::endings` when the stream was last found not to be ended.
    endings: u64,
}

impl OpenStreams {
    /// A registry without streams.
    pub fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            endings: AtomicU64::new(0),
            state: Mutex::default(),
        })
    }

    /// Registers a stream of `principal`.
    pub fn open(
        self: &Arc<Self>,
        principal: Principal,
        kind: StreamKind,
        client: String,
        address: IpAddr,
        now_millis: u64,
    ) -> Result<OpenStream, StreamRefusal> {
        let mut state = self.lock();
        if state.open.len() >= self.limits.connections {
            return Err(StreamRefusal::Full);
        }
        let account = Holder::Account(principal.account.clone());
        if state.held_by(&account) >= self.limits.per_admin {
            return Err(StreamRefusal::TooManyOfOne);
        }
        let network = network(address);
        if let Some(network) = &network
            && state.held_by(network) >= self.limits.per_address
        {
            return Err(StreamRefusal::TooManyFromThere);
        }
        for holder in [Some(account), network].into_iter().flatten() {
            *state.held.entry(holder).or_default() += 1;
        }
        let number = state.next;
        state.next += 1;
        let info = Arc::new(OpenStreamInfo {
            principal,
            kind,
            client,
            address,
            since: now_millis,
            delivered_at: AtomicU64::new(now_millis),
            ended: AtomicBool::new(false),
        });
        state.open.insert(number, Arc::clone(&info));
        Ok(OpenStream {
            streams: Arc::clone(self),
            number,
            info,
            endings: self.endings.load(Ordering::Acquire),
        })
    }

    /// Registers the number of open streams as a metric.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(Arc::clone(self)));
    }

    /// Number of open streams of this kind.
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

    /// Marks streams as ended, and returns how many. They notice at the next
    /// [`check_subscribers`](crate::hub::Hub::check_subscribers), or at their next event.
    pub(super) fn end(&self, which: impl Fn(&OpenStreamInfo) -> bool) -> usize {
        let state = self.lock();
        let ending = state.open.values().filter(|info| which(info));
        let count = ending
            .map(|info| info.ended.store(true, Ordering::Relaxed))
            .count();
        self.endings.fetch_add(1, Ordering::Release);
        count
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStream {
    /// Whether the stream was ended.
    pub fn is_ended(&mut self) -> bool {
        // Called for every event and reader: the shared counter is usually in the CPU cache, the stream's own flag is not.
        let endings = self.streams.endings.load(Ordering::Acquire);
        if endings == self.endings {
            return false;
        }
        let is_ended = self.info.ended.load(Ordering::Relaxed);
        if !is_ended {
            self.endings = endings;
        }
        is_ended
    }

    /// Records that data was delivered.
    pub fn delivered(&self, now_millis: u64) {
        self.info.delivered_at.store(now_millis, Ordering::Relaxed);
    }
}

impl Collector for OpenStreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("streams_open", "Open streams.", None, MetricType::Gauge)?;
        for (kind, label) in [
            (StreamKind::Dashboard, "dashboard"),
            (StreamKind::Api, "api"),
        ] {
            let count = ConstGauge::new(self.count(kind) as u64);
            count.encode(family.encode_family(&[("kind", label)])?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for OpenStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStreams").finish_non_exhaustive()
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        state.open.remove(&self.number);
        state.release(&Holder::Account(self.info.principal.account.clone()));
        if let Some(network) = network(self.info.address) {
            state.release(&network);
        }
    }
}

impl State {
    fn held_by(&self, holder: &Holder) -> usize {
        self.held.get(holder).copied().unwrap_or_default()
    }

    fn release(&mut self, holder: &Holder) {
        if let Some(held) = self.held.get_mut(holder) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(holder);
            }
        }
    }
}

/// Rate-limit key of an address. `None` for loopback, where an untrusted proxy stands for all its clients.
fn network(address: IpAddr) -> Option<Holder> {
    (!address.to_canonical().is_loopback()).then(|| Holder::Network(network_of(address)))
}

#[cfg(all(test, feature = "shuttle"))]
mod races;

#[cfg(test)]
mod tests {
    use super::*;

    fn open(
        streams: &Arc<OpenStreams>,
        account: &str,
        address: &str,
    ) -> Result<OpenStream, StreamRefusal> {
        let principal = Principal {
            admin_id: None,
            name: account.to_owned(),
            email: String::new(),
            session_id: None,
            credential: Credential::Settings,
            account: account.to_owned(),
        };
        let address = address.parse().expect("an address");
        streams.open(principal, StreamKind::Api, String::new(), address, 0)
    }

    #[test]
    fn an_address_has_so_many_streams_and_this_machine_has_all() {
        let streams = OpenStreams::new(StreamLimits {
            connections: 10,
            per_admin: 4,
            per_address: 2,
        });
        let first = open(&streams, "a", "2001:db8::1").expect("a place");
        let _second = open(&streams, "b", "2001:db8::2").expect("a place");
        let third = open(&streams, "c", "2001:db8::3");
        assert_eq!(third.err(), Some(StreamRefusal::TooManyFromThere));
        let _elsewhere = open(&streams, "c", "2001:db8:0:1::1").expect("a place");
        drop(first);
        let _again = open(&streams, "c", "2001:db8::4").expect("a place");
        let kept: Vec<_> = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.1"]
            .into_iter()
            .map(|address| open(&streams, "d", address).expect("a place"))
            .collect();
        let more = open(&streams, "d", "127.0.0.1");
        assert_eq!(more.err(), Some(StreamRefusal::TooManyOfOne));
        drop(kept);
        // Two admins, and two networks.
        assert_eq!(streams.lock().held.len(), 4);
    }
}
