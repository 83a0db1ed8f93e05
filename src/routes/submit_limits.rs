//! Rate limits of submits: per address, and for all addresses together.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::client::{Client, ClientKind};
use super::error::ApiError;
use crate::limits::AddressLimiter;
use crate::settings::SubmitSettings;

/// Error code when all addresses together submit too often. Not logged for each request.
const SHOP_BUSY: &str = "SHOP_BUSY";
/// Minimum time between two log lines about it.
const BUSY_PAUSE: Duration = Duration::from_secs(60);

/// The limits on submits, shared by all worker threads.
pub struct SubmitLimits {
    per_address: AddressLimiter,
    total: DefaultDirectRateLimiter,
    clock: DefaultClock,
    has_warned: AtomicBool,
    /// When the last such line was logged.
    told_busy: Mutex<Option<Instant>>,
}

impl SubmitLimits {
    /// The limits of the settings.
    pub fn new(settings: &SubmitSettings) -> Self {
        let total = NonZeroU32::new(settings.total_per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            per_address: AddressLimiter::new(settings.per_minute, settings.burst),
            total: RateLimiter::direct(Quota::per_minute(total)),
            clock: DefaultClock::default(),
            has_warned: AtomicBool::new(false),
            told_busy: Mutex::new(None),
        }
    }

    /// Counts a submit, or refuses it: 429 at the limit of its address, 503 at the limit of all.
    pub(super) fn check(&self, client: &Client) -> Result<(), ApiError> {
        match client.kind {
            ClientKind::Loopback => return Ok(()),
            ClientKind::Trusted => {}
            ClientKind::UnnamedProxy => self.warn_once(client),
            ClientKind::Single => self.per_address.check(client.address).map_err(too_many)?,
        }
        self.total.check().map_err(|refused| {
            self.tell_busy(Instant::now());
            ApiError::unavailable(
                SHOP_BUSY,
                "the shop receives too many orders right now: try again later",
                refused.wait_time_from(self.clock.now()),
            )
        })
    }

    /// Logs that orders are refused, at most once per [`BUSY_PAUSE`], so that a flood doesn't fill the log.
    fn tell_busy(&self, now: Instant) {
        let mut told = self
            .told_busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| now.duration_since(told) >= BUSY_PAUSE) {
            *told = Some(now);
            tracing::warn!(
                "submits are refused: more arrive than submit.total_per_minute allows; orderbell_refusals_total counts them"
            );
        }
    }

    fn warn_once(&self, client: &Client) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                proxy = %client.address,
                "a proxy that isn't in server.trusted_proxies forwards requests: submits have no limit per address, since \
                 all clients seem to have the proxy's"
            );
        }
    }
}

fn too_many(wait: Duration) -> ApiError {
    ApiError::too_many(
        "TOO_MANY_SUBMITS",
        "too many orders from this address: try again later",
        wait,
    )
}
