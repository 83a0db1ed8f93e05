use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::limits::network_of;

/// Attempts on one account before it gets slow.
const FREE_PER_ACCOUNT: u32 = 5;
/// Attempts from one address before it gets slow.
const FREE_PER_ADDRESS: u32 = 20;
/// The first wait; every further attempt doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait: nobody can lock an account for longer by guessing at it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Attempts are forgotten after this time without another.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// Most accounts and addresses that are remembered.
const LIMIT: usize = 10_000;

/// Slows down guessing at passwords, by account and by address.
pub(super) struct Throttle {
    clock: Clock,
    attempts: Mutex<HashMap<Key, Attempts>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Copy)]
struct Attempts {
    count: u32,
    last_millis: u64,
    wait_until_millis: u64,
}

impl Throttle {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            attempts: Mutex::default(),
        }
    }

    /// Counts an attempt before it is made, so that many at once are no way around; says how long to wait instead.
    pub(super) fn begin(&self, account: &str, address: IpAddr) -> Result<(), Duration> {
        let now = self.clock.millis();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = keys(account, address);
        let wait = keys
            .iter()
            .filter_map(|key| attempts.get(key))
            .map(|known| known.wait_until_millis.saturating_sub(now))
            .max()
            .unwrap_or_default();
        if wait > 0 {
            return Err(Duration::from_millis(wait));
        }
        for key in keys {
            make_room(&mut attempts, now);
            let free = match key {
                Key::Account(_) => FREE_PER_ACCOUNT,
                Key::Address(_) => FREE_PER_ADDRESS,
            };
            let known = attempts.entry(key).or_insert(Attempts {
                count: 0,
                last_millis: now,
                wait_until_millis: 0,
            });
            if is_old(known, now) {
                known.count = 0;
            }
            known.count = known.count.saturating_add(1);
            known.last_millis = now;
            if known.count >= free {
                let doublings = (known.count - free).min(10);
                let wait = (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT);
                known.wait_until_millis = now + super::millis(wait);
            }
        }
        Ok(())
    }

    /// The attempt was right: the account starts anew, and the address has one less to its count.
    pub(super) fn succeeded(&self, account: &str, address: IpAddr) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let [account, address] = keys(account, address);
        attempts.remove(&account);
        if let Some(known) = attempts.get_mut(&address) {
            known.count = known.count.saturating_sub(1);
            known.wait_until_millis = 0;
        }
    }
}

fn keys(account: &str, address: IpAddr) -> [Key; 2] {
    let account = account.chars().take(320).collect::<String>().to_lowercase();
    [Key::Account(account), Key::Address(network_of(address))]
}

fn is_old(known: &Attempts, now: u64) -> bool {
    now.saturating_sub(known.last_millis) > super::millis(MEMORY)
}

fn make_room(attempts: &mut HashMap<Key, Attempts>, now: u64) {
    if attempts.len() < LIMIT {
        return;
    }
    attempts.retain(|_, known| !is_old(known, now));
    if attempts.len() >= LIMIT
        && let Some(oldest) = attempts
            .iter()
            .min_by_key(|(_, known)| known.last_millis)
            .map(|(key, _)| key.clone())
    {
        attempts.remove(&oldest);
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

    #[test]
    fn waits_double_up_to_a_minute_and_end() {
        let (throttle, now) = throttle();
        for _ in 0..FREE_PER_ACCOUNT {
            assert_eq!(throttle.begin("a@b", HERE), Ok(()));
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = throttle.begin("A@B", HERE).expect_err("slowed down");
            waits.push(wait.as_secs());
            now.fetch_add(super::super::millis(wait), Ordering::Relaxed);
            assert_eq!(throttle.begin("a@b", HERE), Ok(()));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        now.fetch_add(16 * 60_000, Ordering::Relaxed);
        for _ in 0..FREE_PER_ACCOUNT {
            assert_eq!(throttle.begin("a@b", HERE), Ok(()));
        }
    }

    #[test]
    fn an_address_that_tries_many_accounts_is_slowed_down() {
        let (throttle, _) = throttle();
        for n in 0..FREE_PER_ADDRESS {
            assert_eq!(throttle.begin(&format!("{n}@b"), HERE), Ok(()));
        }
        assert!(throttle.begin("another@b", HERE).is_err());
        assert_eq!(
            throttle.begin("another@b", IpAddr::from([192, 0, 2, 1])),
            Ok(())
        );
    }

    #[test]
    fn a_right_password_clears_the_account() {
        let (throttle, _) = throttle();
        for _ in 0..50 {
            assert_eq!(throttle.begin("a@b", HERE), Ok(()));
            throttle.succeeded("a@b", HERE);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, _) = throttle();
        for n in 0..u32::try_from(LIMIT).unwrap_or_default() + 100 {
            let _ = throttle.begin(&n.to_string(), IpAddr::from(n.to_be_bytes()));
        }
        assert!(throttle.attempts.lock().expect("not poisoned").len() <= LIMIT);
    }
}
