use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Metrics of the routes.
#[derive(Debug, Clone)]
pub struct RouteMetrics {
    /// From the arrival of an order's body to its durable commit, in seconds.
    pub submit_seconds: Histogram,
    /// Refused requests, by error code.
    pub refusals: Family<Refusal, Counter>,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refusal {
    /// The error code of the response.
    pub reason: &'static str,
}

impl Default for RouteMetrics {
    fn default() -> Self {
        // 0.5 ms to 8 s: a durable commit takes about one disk flush.
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
