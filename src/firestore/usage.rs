//! Counts what the database bills.

use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::billing_day::BillingDays;
use crate::clock::Clock;

/// Free document reads per day.
pub const FREE_READS: u64 = 50_000;
/// Free document writes per day.
pub const FREE_WRITES: u64 = 20_000;
/// Free document removals per day.
pub const FREE_DELETES: u64 = 20_000;

/// Why an operation was billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The listener: its first contents, and every later change.
    Listener,
    /// A look-up: an order outside of the window, a list, an account.
    Lookup,
    /// A write.
    Write,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    cause: &'static str,
}

impl From<Cause> for Labels {
    fn from(cause: Cause) -> Self {
        Self {
            cause: match cause {
                Cause::Listener => "listener",
                Cause::Lookup => "lookup",
                Cause::Write => "write",
            },
        }
    }
}

/// Billed operations of this process since the last midnight in California, when Google's billing day begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Billed {
    /// Documents read.
    pub reads: u64,
    /// Documents written.
    pub writes: u64,
    /// Documents removed.
    pub deletes: u64,
    /// When the day began, in milliseconds since the epoch.
    pub since: u64,
}

/// Counts billed operations.
pub(super) struct Meter {
    clock: Clock,
    days: BillingDays,
    reads: Family<Labels, Counter>,
    writes: Family<Labels, Counter>,
    deletes: Family<Labels, Counter>,
    today: Mutex<Billed>,
}

impl Meter {
    pub(super) fn new(clock: Clock) -> Self {
        let meter = Self {
            clock,
            days: BillingDays::default(),
            reads: Family::default(),
            writes: Family::default(),
            deletes: Family::default(),
            today: Mutex::default(),
        };
        // Present from the first scrape on: a rate needs a zero to begin with.
        for cause in [Cause::Listener, Cause::Lookup, Cause::Write] {
            drop(meter.reads.get_or_create(&cause.into()));
            drop(meter.writes.get_or_create(&cause.into()));
            drop(meter.deletes.get_or_create(&cause.into()));
        }
        meter
    }

    pub(super) fn read(&self, cause: Cause, documents: u64) {
        self.reads.get_or_create(&cause.into()).inc_by(documents);
        self.on_today(|today| today.reads += documents);
    }

    pub(super) fn write(&self, cause: Cause, documents: u64) {
        self.writes.get_or_create(&cause.into()).inc_by(documents);
        self.on_today(|today| today.writes += documents);
    }

    pub(super) fn delete(&self, cause: Cause, documents: u64) {
        self.deletes.get_or_create(&cause.into()).inc_by(documents);
        self.on_today(|today| today.deletes += documents);
    }

    pub(super) fn today(&self) -> Billed {
        self.on_today(|today| *today)
    }

    fn on_today<T>(&self, act: impl FnOnce(&mut Billed) -> T) -> T {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let since = self.days.start(self.clock.millis());
        if today.since != since {
            *today = Billed {
                since,
                ..Billed::default()
            };
        }
        act(&mut today)
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let counters = [
            (
                "firestore_reads",
                "Document reads that Firestore bills",
                &self.reads,
            ),
            (
                "firestore_writes",
                "Document writes that Firestore bills",
                &self.writes,
            ),
            (
                "firestore_deletes",
                "Document removals that Firestore bills",
                &self.deletes,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn the_day_ends_at_midnight_in_california() {
        let now = Arc::new(AtomicU64::new(1_772_092_799_000_000)); // 2026-02-25T23:59:59-08:00
        let clock = Clock::from_fn({
            let now = Arc::clone(&now);
            move || now.load(Ordering::Relaxed)
        });
        let meter = Meter::new(clock);
        meter.read(Cause::Listener, 7);
        meter.write(Cause::Write, 2);
        meter.delete(Cause::Write, 1);
        assert_eq!(
            meter.today(),
            Billed {
                reads: 7,
                writes: 2,
                deletes: 1,
                since: 1_772_006_400_000
            }
        );
        now.fetch_add(1_000_000, Ordering::Relaxed);
        assert_eq!(
            meter.today(),
            Billed {
                since: 1_772_092_800_000,
                ..Billed::default()
            }
        );
        meter.read(Cause::Lookup, 1);
        assert_eq!(meter.today().reads, 1);
    }

    #[test]
    fn metrics_tell_the_cause() {
        let meter = Meter::new(Clock::system());
        meter.read(Cause::Lookup, 3);
        let mut registry = Registry::default();
        meter.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        assert!(
            text.contains("firestore_reads_total{cause=\"lookup\"} 3"),
            "{text}"
        );
        assert!(
            text.contains("firestore_writes_total{cause=\"write\"} 0"),
            "{text}"
        );
    }
}
