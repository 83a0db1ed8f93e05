use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::hub::Hub;
use crate::orders::SourceState;
use crate::sync::Arc;

impl Hub {
    /// Registers the hub's metrics.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        self.metrics().register(registry);
        registry.register_collector(Box::new(Arc::clone(self)));
    }
}

/// Gauges that are computed on each scrape.
impl Collector for Hub {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot_at = self.metrics().snapshot_at.get();
        if snapshot_at > 0 {
            let age = self.clock.millis().saturating_sub(snapshot_at);
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds fit into 52 bits for a long time"
            )]
            let seconds = age as f64 / 1e3;
            gauge(
                &mut encoder,
                "snapshot_age_seconds",
                "Time since the store's watch has delivered something.",
                seconds,
            )?;
        }
        gauge(
            &mut encoder,
            "source_live",
            "Whether changes of the store reach this process.",
            u32::from(self.source().state == SourceState::Live),
        )?;
        let holding = self.holding();
        for (name, help, value) in [
            (
                "window_bytes",
                "Memory of the orders held.",
                holding.bytes as u64,
            ),
            ("open_orders", "Open orders held.", holding.open as u64),
            (
                "open_orders_hidden",
                "Minimum number of open orders left out because there are too many.",
                holding.hidden_open as u64,
            ),
            (
                "documents_dropped",
                "Documents dropped from memory since the start.",
                holding.dropped_documents,
            ),
        ] {
            gauge(&mut encoder, name, help, value)?;
        }
        Ok(())
    }
}

fn gauge<N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: N,
) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
