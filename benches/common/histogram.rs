use hdrhistogram::Histogram as HdrHistogram;
use serde::{Deserialize, Serialize};

/// Durations in microseconds, exact to three digits. One of more than an hour counts as an hour.
pub(crate) struct Histogram(HdrHistogram<u64>);

/// What is told of a histogram, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self(HdrHistogram::new_with_max(3_600_000_000, 3).expect("the bounds are valid"))
    }

    pub(crate) fn record(&mut self, micros: u64) {
        self.0.saturating_record(micros);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let millis = |micros: u64| micros as f64 / 1e3;
        Percentiles {
            p50: millis(self.0.value_at_quantile(0.5)),
            p99: millis(self.0.value_at_quantile(0.99)),
            max: millis(self.0.max()),
        }
    }
}
