use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::problem::ProblemKind;

/// `reason` and its value.
type Labels = [(&'static str, &'static str); 1];

/// Counts of attempts to get a certificate.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) attempts: Counter,
    failures: Family<Labels, Counter>,
}

impl Metrics {
    pub(super) fn count_failure(&self, kind: ProblemKind) {
        let labels = [("reason", kind.label())];
        self.failures.get_or_create(&labels).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "acme_attempts",
            "Attempts of this process to get a certificate",
            self.attempts.clone(),
        );
        registry.register(
            "acme_failures",
            "Attempts of this process that have failed, by reason",
            self.failures.clone(),
        );
    }
}
