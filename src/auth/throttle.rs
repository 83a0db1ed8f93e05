use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::digest::sha256;
use crate::clock::{Clock, millis};
use crate::limits::network_of;
use crate::store::Digest;

/// The first wait; every further attempt doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long attempts are remembered after the last one.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// How long a network counts as known for an account after a sign-in.
const KNOWN_NETWORK: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Maximum number of attempt counters.
const MAX_COUNTED: usize = 10_000;
/// Maximum number of known networks.
const MAX_KNOWN: usize = 10_000;

/// Slows down password guessing without locking anyone out.
///
/// Attempts are counted per account and network, so that guesses from one network don't slow down the admin in another; per
/// network, against guesses at many accounts; and per account, against guesses from many networks. Networks that have signed in
/// to the account before are exempt from the last counter. A device that has signed in before has a counter of its own, and
/// none of the others apply to it.
pub(super) struct Throttle {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counted: HashMap<Key, Count>,
    /// Networks that have signed in to an account, and when.
    known: HashMap<(Digest, IpAddr), u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Pair(Digest, IpAddr),
    Network(IpAddr),
    Account(Digest),
    Device(Digest, Digest),
}

impl Key {
    /// Attempts before the first wait, and the longest wait.
    fn limits(&self) -> (u32, Duration) {
        match self {
            Self::Pair(..) | Self::Device(..) => (5, Duration::from_secs(60)),
            Self::Network(_) => (20, Duration::from_secs(60)),
            // Limits guesses from many networks to six a minute, which a right password from a new network has to compete with.
            Self::Account(_) => (50, Duration::from_secs(10)),
        }
    }
}

#[derive(Clone, Copy)]
struct Count {
    attempts: u32,
    last_millis: u64,
    wait_until_millis: u64,
}

/// An attempt that was counted.
pub(super) struct Attempt {
    keys: Vec<Key>,
    pair: (Digest, IpAddr),
}

impl Throttle {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// Counts an attempt before it is made, so that parallel attempts are limited too. `Err` is how long to wait.
    pub(super) fn begin(
        &self,
        email: &str,
        address: IpAddr,
        device: Option<Digest>,
    ) -> Result<Attempt, Duration> {
        let now = self.clock.millis();
        let mut state = self.lock();
        let attempt = state.attempt(email, address, device, now);
        let counts = attempt.keys.iter().filter_map(|key| {
            let count = state.counted.get(key)?;
            Some(count.wait(key, now))
        });
        let wait = counts.max().unwrap_or_default();
        if wait > 0 {
            return Err(Duration::from_millis(wait));
        }
        for key in &attempt.keys {
            state.count(key, now);
        }
        Ok(attempt)
    }

    /// Records a right password: resets the pair's or device's counter, and takes one off the others.
    pub(super) fn succeeded(&self, attempt: &Attempt) {
        let now = self.clock.millis();
        let mut state = self.lock();
        for key in &attempt.keys {
            match key {
                Key::Pair(..) | Key::Device(..) => {
                    state.counted.remove(key);
                }
                Key::Network(_) | Key::Account(_) => state.take_back(key),
            }
        }
        state.get_to_know(attempt.pair, now);
    }

    /// Takes back an attempt that failed because of the server.
    pub(super) fn withdraw(&self, attempt: &Attempt) {
        let mut state = self.lock();
        for key in &attempt.keys {
            state.take_back(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn attempt(&self, email: &str, address: IpAddr, device: Option<Digest>, now: u64) -> Attempt {
        let account = sha256(&email.to_lowercase());
        let pair = (account, network_of(address));
        let is_known = self
            .known
            .get(&pair)
            .is_some_and(|at| now.saturating_sub(*at) < millis(KNOWN_NETWORK));
        let keys = match device {
            Some(device) => vec![Key::Device(account, device)],
            None if is_known => vec![Key::Pair(pair.0, pair.1), Key::Network(pair.1)],
            None => vec![
                Key::Pair(pair.0, pair.1),
                Key::Network(pair.1),
                Key::Account(account),
            ],
        };
        Attempt { keys, pair }
    }

    fn count(&mut self, key: &Key, now: u64) {
        if !self.counted.contains_key(key) {
            self.make_room(now);
        }
        let count = self.counted.entry(key.clone()).or_insert(Count {
            attempts: 0,
            last_millis: now,
            wait_until_millis: 0,
        });
        if count.is_old(now) {
            count.attempts = 0;
        }
        count.attempts = count.attempts.saturating_add(1);
        count.last_millis = now;
        let (free, longest) = key.limits();
        if count.attempts >= free {
            let doublings = (count.attempts - free).min(10);
            let wait = (FIRST_WAIT * 2_u32.pow(doublings)).min(longest);
            count.wait_until_millis = now + millis(wait);
        }
    }

    fn take_back(&mut self, key: &Key) {
        if let Some(count) = self.counted.get_mut(key) {
            count.attempts = count.attempts.saturating_sub(1);
            count.wait_until_millis = 0;
        }
    }

    /// Evicts the counter with the fewest attempts, so that a flood of new keys can't reset a counter in use.
    fn make_room(&mut self, now: u64) {
        if self.counted.len() < MAX_COUNTED {
            return;
        }
        self.counted.retain(|_, count| !count.is_old(now));
        if self.counted.len() >= MAX_COUNTED {
            let least = self
                .counted
                .iter()
                .min_by_key(|(_, count)| (count.attempts, count.last_millis))
                .map(|(key, _)| key.clone());
            least.and_then(|key| self.counted.remove(&key));
        }
    }

    /// Called only after a right password, so that strangers can't fill the table.
    fn get_to_know(&mut self, pair: (Digest, IpAddr), now: u64) {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&pair) {
            let oldest = self.known.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(pair, _)| *pair) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(pair, now);
    }
}

impl Count {
    /// Milliseconds to wait, at most the longest wait even if the clock was set back.
    fn wait(&self, key: &Key, now: u64) -> u64 {
        let wait = self.wait_until_millis.saturating_sub(now);
        wait.min(millis(key.limits().1))
    }

    fn is_old(&self, now: u64) -> bool {
        now.saturating_sub(self.last_millis) > millis(MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn throttle() -> (Throttle, Arc<AtomicU64>) {
        let now = Arc::new(AtomicU64::new(1_000_000_000_000));
        let clock = Arc::clone(&now);
        (
            Throttle::new(Clock::from_fn(move || {
                clock.load(Ordering::Relaxed) * 1_000
            })),
            now,
        )
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn elsewhere(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number).to_be_bytes())
    }

    /// The wait in seconds, 0 if the attempt was allowed.
    fn attempt(throttle: &Throttle, email: &str, address: IpAddr) -> u64 {
        let begun = throttle.begin(email, address, None);
        begun.err().map_or(0, |wait| wait.as_secs().max(1))
    }

    #[test]
    fn waits_double_up_to_a_minute_and_end() {
        let (throttle, now) = throttle();
        for _ in 0..5 {
            assert_eq!(attempt(&throttle, "a@b", HERE), 0);
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = attempt(&throttle, "A@B", HERE);
            waits.push(wait);
            now.fetch_add(wait * 1_000, Ordering::Relaxed);
            assert_eq!(attempt(&throttle, "a@b", HERE), 0);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        now.fetch_add(16 * 60_000, Ordering::Relaxed);
        for _ in 0..5 {
            assert_eq!(attempt(&throttle, "a@b", HERE), 0);
        }
    }

    #[test]
    fn guesses_in_one_network_dont_slow_the_admin_down_in_another() {
        let (throttle, now) = throttle();
        for _ in 0..600 {
            let _ = throttle.begin("a@b", HERE, None);
            now.fetch_add(100, Ordering::Relaxed);
        }
        assert!(attempt(&throttle, "a@b", HERE) > 0);
        assert_eq!(attempt(&throttle, "a@b", elsewhere(1)), 0);
    }

    #[test]
    fn an_address_that_tries_many_accounts_is_slowed_down() {
        let (throttle, _) = throttle();
        for n in 0..20 {
            assert_eq!(attempt(&throttle, &format!("{n}@b"), HERE), 0);
        }
        assert!(attempt(&throttle, "another@b", HERE) > 0);
        assert_eq!(attempt(&throttle, "another@b", elsewhere(1)), 0);
    }

    #[test]
    fn guesses_from_everywhere_are_slow_and_let_known_networks_and_devices_through() {
        let (throttle, now) = throttle();
        let home = throttle.begin("a@b", elsewhere(9_999), None);
        throttle.succeeded(&home.expect("let through"));
        let mut passed = 0;
        for second in 0..3_600 {
            for n in 0..4 {
                let from = elsewhere((second * 4 + n) % 9_000);
                passed += u32::from(attempt(&throttle, "a@b", from) == 0);
            }
            now.fetch_add(1_000, Ordering::Relaxed);
        }
        assert!(
            (360..=450).contains(&passed),
            "{passed} of 14400 in an hour"
        );
        let wait = attempt(&throttle, "a@b", elsewhere(9_500));
        assert!((1..=10).contains(&wait), "{wait}");
        assert_eq!(attempt(&throttle, "a@b", elsewhere(9_999)), 0);
        assert!(throttle.begin("a@b", elsewhere(1), Some([7; 32])).is_ok());
    }

    #[test]
    fn a_device_depends_on_no_other_and_is_counted_itself() {
        let (throttle, _) = throttle();
        for _ in 0..100 {
            let _ = throttle.begin("a@b", HERE, None);
        }
        for _ in 0..5 {
            assert!(throttle.begin("a@b", HERE, Some([7; 32])).is_ok());
        }
        assert!(throttle.begin("a@b", HERE, Some([7; 32])).is_err());
        assert!(throttle.begin("a@b", HERE, Some([8; 32])).is_ok());
    }

    #[test]
    fn a_right_password_clears_the_account_there() {
        let (throttle, _) = throttle();
        for _ in 0..200 {
            let attempt = throttle.begin("a@b", HERE, None).expect("let through");
            throttle.succeeded(&attempt);
        }
    }

    #[test]
    fn an_attempt_that_the_server_failed_does_not_count() {
        let (throttle, _) = throttle();
        for _ in 0..200 {
            let attempt = throttle.begin("a@b", HERE, None).expect("let through");
            throttle.withdraw(&attempt);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_wait_longer() {
        let (throttle, now) = throttle();
        for _ in 0..30 {
            let _ = throttle.begin("a@b", HERE, None);
        }
        now.fetch_sub(86_400_000, Ordering::Relaxed);
        assert!(attempt(&throttle, "a@b", HERE) <= 60);
    }

    #[test]
    fn memory_is_bounded_and_a_flood_resets_no_counter() {
        let (throttle, _) = throttle();
        for _ in 0..10 {
            let _ = throttle.begin("a@b", HERE, None);
        }
        for n in 0..4_000 {
            let _ = throttle.begin(&n.to_string(), elsewhere(n), None);
        }
        let flooded = throttle.lock().counted.len();
        assert_eq!(flooded, MAX_COUNTED);
        assert!(attempt(&throttle, "a@b", HERE) > 0);
        let mut state = throttle.lock();
        for n in 0..u32::try_from(MAX_KNOWN).expect("a number") + 10 {
            state.get_to_know(([0; 32], elsewhere(n)), n.into());
        }
        assert_eq!(state.known.len(), MAX_KNOWN);
    }
}
