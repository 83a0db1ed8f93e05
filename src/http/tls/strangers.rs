//! Handshakes of clients of unknown addresses, up to a limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The handshakes under way. At the limit, a new one ends the oldest.
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
    /// What ends each, oldest first.
    under_way: BTreeMap<u64, Arc<Notify>>,
}

/// A handshake that is counted until this is dropped.
pub(super) struct UnderWay<'a> {
    strangers: &'a Strangers,
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

    /// Counts a handshake. If there are too many, the oldest is displaced.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        let displaced = Arc::new(Notify::new());
        let mut state = self.lock();
        if state.under_way.len() >= self.limit
            && let Some((_, oldest)) = state.under_way.pop_first()
        {
            oldest.notify_one();
        }
        let number = state.next;
        state.next += 1;
        state.under_way.insert(number, Arc::clone(&displaced));
        UnderWay {
            strangers: self,
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
        self.lock().under_way.len()
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
        self.strangers.lock().under_way.remove(&self.number);
    }
}
