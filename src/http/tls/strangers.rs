//! Handshakes of clients of unknown addresses, up to a limit.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The handshakes under way. At the limit, a new one ends the oldest of the network that has the most.
///
/// With a queue, a few clients that begin handshakes and then stall would make all others wait. An honest handshake takes two round
/// trips, so here an attacker has to begin `limit` new ones in that time.
pub(super) struct Strangers {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// What ends each, oldest first, for each network.
    under_way: HashMap<IpAddr, BTreeMap<u64, Arc<Notify>>>,
    count: usize,
}

/// A handshake that is counted until this is dropped.
pub(super) struct UnderWay<'a> {
    strangers: &'a Strangers,
    network: IpAddr,
    number: u64,
    displaced: Arc<Notify>,
}

impl Strangers {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
        }
    }

    /// Counts a handshake. If there are too many, another one is displaced.
    pub(super) fn begin(&self, network: IpAddr) -> UnderWay<'_> {
        let displaced = Arc::new(Notify::new());
        let mut state = self.lock();
        if state.count >= self.limit {
            state.displace_one();
        }
        let number = state.next;
        state.next += 1;
        state.count += 1;
        let of_network = state.under_way.entry(network).or_default();
        of_network.insert(number, Arc::clone(&displaced));
        UnderWay {
            strangers: self,
            network,
            number,
            displaced,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of handshakes under way.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().count
    }
}

impl State {
    fn displace_one(&mut self) {
        let most = self.under_way.iter().max_by_key(|(_, held)| held.len());
        let oldest = most.and_then(|(network, held)| Some((*network, *held.keys().next()?)));
        if let Some((network, number)) = oldest
            && let Some(displaced) = self.remove(network, number)
        {
            displaced.notify_one();
        }
    }

    fn remove(&mut self, network: IpAddr, number: u64) -> Option<Arc<Notify>> {
        let held = self.under_way.get_mut(&network)?;
        let removed = held.remove(&number)?;
        if held.is_empty() {
            self.under_way.remove(&network);
        }
        self.count -= 1;
        Some(removed)
    }
}

impl UnderWay<'_> {
    /// Resolves when another handshake needs the place.
    pub(super) async fn displaced(&self) {
        self.displaced.notified().await;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.strangers.lock().remove(self.network, self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_displaced(handshake: &UnderWay<'_>) -> bool {
        let displaced = pin!(handshake.displaced());
        displaced
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn a_flood_displaces_its_own_handshakes() {
        let [flood, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let strangers = Strangers::new(3);
        let honest = strangers.begin(other);
        let mut flooding = Vec::new();
        for _ in 0..100 {
            flooding.push(strangers.begin(flood));
            assert!(strangers.len() <= 3);
        }
        assert!(!is_displaced(&honest));
        assert!(is_displaced(&flooding[0]) && !is_displaced(&flooding[99]));
        drop((honest, flooding));
        assert_eq!(strangers.len(), 0);
        assert!(strangers.lock().under_way.is_empty());
    }
}
