use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Metrics of the routes.
#[derive(Debug, Clone)]
pub struct RouteMetrics {
    /// From the arrival of an order's body to its durability, in seconds.
    pub submit_seconds: Histogram,
    /// Requests that were refused, by the answer's code.
    pub refusals: Family<Refusal, Counter>,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refusal {
    /// The code of the error's answer.
    pub reason: &'static str,
}

impl Default for RouteMetrics {
    fn default() -> Self {
        // 0.5 ms to 8 s: a durable commit takes about one flush of the disk.
        let buckets = std::iter::successors(Some(0.000_5), |bound| Some(bound * 2.0)).take(15);
        Self {
            submit_seconds: Histogram::new(buckets),
            refusals: Family::default(),
        }
    }
}

impl RouteMetrics {
    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "submit_seconds",
            "From the arrival of an order's body to its durability",
            self.submit_seconds.clone(),
        );
        registry.register(
            "refusals",
            "Requests that were refused, by reason",
            self.refusals.clone(),
        );
    }
}
