use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::problem::ProblemKind;
use crate::http::Certificates;

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

/// Reports when the current certificate expires, in seconds since the epoch.
#[derive(Debug)]
pub struct ExpiryCollector(pub Certificates);

impl Collector for ExpiryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(facts) = self.0.current() else {
            return Ok(());
        };
        let seconds = super::record::millis(facts.not_after) / 1_000;
        let gauge = ConstGauge::new(i64::try_from(seconds).unwrap_or(i64::MAX));
        let encoder = encoder.encode_descriptor(
            "certificate_expiry_timestamp",
            "When the certificate expires, in seconds since the epoch",
            Some(&Unit::Seconds),
            gauge.metric_type(),
        )?;
        gauge.encode(encoder)
    }
}
