//! Rate limits by address: bounded in memory, shared by all addresses of an IPv6 network.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Maximum number of remembered addresses. Others share one quota until some of these have their full quota back.
const MAX_ADDRESSES: usize = 100_000;
/// Minimum time between two searches for addresses to forget, since each search looks at all of them.
const PRUNE_PAUSE: Duration = Duration::from_secs(1);

/// Rate-limit key of an address: the address itself, or its `/64` for IPv6, where one client has that many addresses.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Limits how often each address may do something: a steady rate, and a burst on top of it.
///
/// Uses monotonic time: setting the wall clock back changes no quota.
pub struct AddressLimiter<C: Clock = DefaultClock> {
    /// The key `None` is the quota shared by new addresses while the table is full.
    quotas: Quotas<C>,
    max_addresses: usize,
    next_prune: Mutex<Option<C::Instant>>,
}

type Quotas<C> = RateLimiter<
    Option<IpAddr>,
    HashMapStateStore<Option<IpAddr>>,
    C,
    NoOpMiddleware<<C as Clock>::Instant>,
>;

impl AddressLimiter {
    /// Allows `per_minute` attempts a minute, and up to `burst` at once.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        Self::with_clock(per_minute, burst, MAX_ADDRESSES, DefaultClock::default())
    }
}

impl<C: Clock> AddressLimiter<C> {
    fn with_clock(per_minute: u32, burst: u32, max_addresses: usize, clock: C) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(at_least_one(per_minute)).allow_burst(at_least_one(burst));
        Self {
            quotas: RateLimiter::hashmap_with_clock(quota, clock),
            max_addresses,
            next_prune: Mutex::new(None),
        }
    }

    /// Counts one attempt of `address`. `Err` is how long to wait; nothing was counted then.
    pub fn check(&self, address: IpAddr) -> Result<(), Duration> {
        let key = (!self.is_full()).then(|| network_of(address));
        self.quotas
            .check_key(&key)
            .map_err(|refused| refused.wait_time_from(self.quotas.clock().now()))
    }

    /// Whether there is no room for another address, after forgetting those with their full quota.
    fn is_full(&self) -> bool {
        if self.quotas.len() < self.max_addresses {
            return false;
        }
        // If another thread is searching, its result is enough.
        if let Ok(mut next_prune) = self.next_prune.try_lock() {
            let now = self.quotas.clock().now();
            if next_prune.is_none_or(|next| now >= next) {
                *next_prune = Some(now + PRUNE_PAUSE.into());
                self.quotas.retain_recent();
            }
        }
        self.quotas.len() >= self.max_addresses
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_a_burst_and_a_rate() {
        let clock = FakeRelativeClock::default();
        let limiter = AddressLimiter::with_clock(30, 3, 10, clock.clone());
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(limiter.check(here), Ok(()));
        }
        assert_eq!(limiter.check(here), Err(Duration::from_secs(2)));
        assert_eq!(limiter.check(there), Ok(()));
        clock.advance(Duration::from_secs(2));
        assert_eq!(limiter.check(here), Ok(()));
        assert!(limiter.check(here).is_err());
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_quota() {
        let limiter = AddressLimiter::with_clock(1, 1, 10, FakeRelativeClock::default());
        assert_eq!(limiter.check(address("2001:db8::1")), Ok(()));
        assert!(limiter.check(address("2001:db8::ffff:1")).is_err());
        assert_eq!(limiter.check(address("2001:db8:0:1::1")), Ok(()));
        assert_eq!(limiter.check(address("::ffff:192.0.2.1")), Ok(()));
        assert!(limiter.check(address("192.0.2.1")).is_err());
    }

    #[test]
    fn memory_is_bounded_and_full_tables_share_one_quota() {
        let clock = FakeRelativeClock::default();
        let limiter = AddressLimiter::with_clock(60, 1, 100, clock.clone());
        let nth = |n: u32| IpAddr::from(n.to_be_bytes());
        let passed = (0..1_000)
            .filter(|n| limiter.check(nth(*n)).is_ok())
            .count();
        assert_eq!(passed, 101);
        assert_eq!(limiter.quotas.len(), 101);
        clock.advance(Duration::from_secs(2));
        assert_eq!(limiter.check(nth(5_000)), Ok(()));
        assert_eq!(limiter.check(nth(5_001)), Ok(()));
        assert!(limiter.quotas.len() <= 3);
    }
}
