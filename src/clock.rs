//! The wall clock, as a replaceable value.
//!
//! Code that needs the time takes a [`Clock`], so that tests can step it, also backwards.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of wall-clock time in microseconds since the Unix epoch.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The machine's own clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "every other part of the program takes a `Clock`"
    )]
    pub fn system() -> Self {
        Self::from_fn(|| {
            let elapsed = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
        })
    }

    /// A clock that returns `now()`, in microseconds.
    pub fn from_fn(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Microseconds since the Unix epoch.
    pub fn micros(&self) -> u64 {
        (self.0)()
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(&self) -> u64 {
        self.micros() / 1_000
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A duration in whole milliseconds, the unit of stored times.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
