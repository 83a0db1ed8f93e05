use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// Counters of the hub.
#[derive(Debug, Default)]
pub struct HubMetrics {
    /// Snapshots that the store's watch has delivered.
    pub(super) snapshots: Counter,
    /// When the last of them was applied, in milliseconds since the epoch; 0 before the first.
    pub(super) snapshot_at: Gauge<u64, AtomicU64>,
    /// Events, each counted once.
    pub(super) events: Counter,
    /// Events sent, counted once per stream.
    pub(super) deliveries: Counter,
    /// Times that a stream fell behind its relay and was caught up from the view.
    pub(super) lagged: Counter,
    /// Times that a stream had to start over because a snapshot had a gap.
    pub(super) gaps: Counter,
    /// Replays of missed events.
    pub(super) replays: Counter,
    /// `reset` events.
    pub(super) resets: Counter,
}

impl HubMetrics {
    /// Registers the counters.
    pub(super) fn register(&self, registry: &mut Registry) {
        let counters = [
            ("snapshots", "Snapshots applied", &self.snapshots),
            ("events", "Events, each counted once", &self.events),
            ("deliveries", "Events handed to streams", &self.deliveries),
            (
                "stream_lags",
                "Streams that fell behind and were caught up from the view",
                &self.lagged,
            ),
            (
                "stream_gaps",
                "Streams that had to start over because the store's watch may have missed changes",
                &self.gaps,
            ),
            (
                "stream_replays",
                "Streams that resumed from a cursor",
                &self.replays,
            ),
            (
                "stream_resets",
                "Streams whose cursor could not be continued",
                &self.resets,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
    }
}
