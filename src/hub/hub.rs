use std::mem;

use tokio::sync::{broadcast, watch};

use super::batch::Batch;
use super::frame::{self, Frame};
use super::metrics::HubMetrics;
use super::settings::HubSettings;
use super::signal::Signal;
use super::source::Source;
use super::view::{Holding, View};
use crate::clock::Clock;
use crate::orders::{Position, Snapshot, SourceState, WatchEvent};
use crate::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Capacity of the broadcast: a relay that is further behind makes its subscribers catch up from the view. Small in tests, to be
/// reached.
const RELAY_BACKLOG: usize = if cfg!(test) { 4 } else { 1_024 };

/// The view of the orders, and the broadcast to the relays.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use orderbell::clock::Clock;
/// use orderbell::hub::{Hub, HubSettings};
/// use orderbell::orders::{
///     Change, HeldOrder, Order, OrderId, Position, Snapshot, WatchEvent, WindowLimits,
/// };
///
/// let settings = HubSettings {
///     window: WindowLimits { orders: 500, open: 2_000, bytes: 64 << 20 },
///     heartbeat: Duration::from_secs(30),
///     retry: Duration::from_secs(2),
///     max_age: Duration::from_secs(3_600),
/// };
/// let hub = Hub::new(settings, Clock::system());
/// // A store's watch begins with one snapshot of the window, and continues with changes.
/// hub.take(WatchEvent::Snapshot(Snapshot { initial: true, ..Snapshot::default() }));
/// let order = Order {
///     id: OrderId::parse("ORD1")?,
///     fields: serde_json::Map::new(),
///     created_micros: 1_771_842_399_000_001,
///     updated_micros: 1_771_842_399_000_001,
/// };
/// let changes = vec![Change::Upsert(Arc::new(HeldOrder::from(&order)))];
/// hub.take(WatchEvent::Snapshot(Snapshot { changes, ..Snapshot::default() }));
///
/// let recent = hub.since(&Position::beginning(), 10, None);
/// assert_eq!(recent.items.len(), 1);
/// assert_eq!(recent.cursor.to_string(), "1771842399000001-ORD1");
/// assert!(hub.since(&recent.cursor, 10, None).items.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Hub {
    pub(super) settings: HubSettings,
    pub(super) clock: Clock,
    metrics: HubMetrics,
    state: RwLock<State>,
    failure: watch::Sender<Option<&'static str>>,
}

pub(super) struct State {
    pub(super) view: View,
    pub(super) source: Source,
    /// `None` once the hub is closed.
    pub(super) relays: Option<broadcast::Sender<Signal>>,
}

impl Hub {
    /// An empty hub that waits for the first snapshot.
    pub fn new(settings: HubSettings, clock: Clock) -> Arc<Self> {
        let (relays, _) = broadcast::channel(RELAY_BACKLOG);
        Arc::new(Self {
            state: RwLock::new(State {
                view: View::new(settings.window),
                source: Source {
                    state: SourceState::Away {
                        message: "starting".to_owned(),
                    },
                    since: clock.millis(),
                },
                relays: Some(relays),
            }),
            settings,
            clock,
            metrics: HubMetrics::default(),
            failure: watch::Sender::new(None),
        })
    }

    /// Takes an event of the store's watch.
    pub fn take(&self, event: WatchEvent) {
        match event {
            WatchEvent::Snapshot(snapshot) => self.apply(&snapshot),
            WatchEvent::Source(state) => self.set_source(state),
        }
    }

    /// Applies a snapshot and broadcasts its events.
    fn apply(&self, snapshot: &Snapshot) {
        let mut state = self.write();
        self.metrics.snapshots.inc();
        self.metrics.snapshot_at.set(self.clock.millis());
        if snapshot.initial {
            state.view.start(snapshot);
            state.send(Signal::Started);
            return;
        }
        let prev = state.view.head().clone();
        // Before the changes: the view adds those that it leaves out itself.
        if let Some(hidden) = snapshot.hidden_open {
            state.view.set_hidden_open(hidden, snapshot.repeats);
        }
        let events = state.view.apply(snapshot);
        if events.is_empty() {
            return;
        }
        self.metrics.events.inc_by(events.len() as u64);
        if snapshot.has_gap {
            state.send(Signal::Gap);
            return;
        }
        // Sent under the same lock: a new subscriber sees a change either in the view or in the broadcast, never in neither.
        state.send(Signal::Batch(Arc::new(Batch::new(prev, events))));
    }

    fn set_source(&self, source: SourceState) {
        let mut state = self.write();
        if state.source.state == source {
            return;
        }
        // A new reason doesn't restart the time.
        let is_same_kind = mem::discriminant(&state.source.state) == mem::discriminant(&source);
        let since = if is_same_kind {
            state.source.since
        } else {
            self.clock.millis()
        };
        state.source = Source {
            state: source,
            since,
        };
        let frame = Frame::new(frame::source(&state.source));
        state.send(Signal::Notice(Arc::new(frame)));
    }

    /// The state of the store's watch.
    pub fn source(&self) -> Source {
        self.read().source.clone()
    }

    /// True once the first snapshot was applied.
    pub fn started(&self) -> bool {
        self.read().view.started()
    }

    /// Position of the newest change, `None` before the first snapshot.
    pub fn head(&self) -> Option<Position> {
        let state = self.read();
        state.view.started().then(|| state.view.head().clone())
    }

    /// The settings.
    pub fn settings(&self) -> &HubSettings {
        &self.settings
    }

    /// The counters.
    pub fn metrics(&self) -> &HubMetrics {
        &self.metrics
    }

    /// Amounts of what the view holds.
    pub fn holding(&self) -> Holding {
        self.read().view.holding()
    }

    /// Whether the store should deliver its open orders again: some were left out, and there is room now.
    pub fn wants_open_orders(&self) -> bool {
        self.read().view.has_room_for_hidden()
    }

    /// Makes every stream check whether its admin may still read.
    pub fn check_subscribers(&self) {
        self.write().send(Signal::Check);
    }

    /// Ends every stream with `bye`; new ones end at once.
    pub fn close(&self) {
        self.write().relays = None;
    }

    /// Records that a part of the hub has failed; see [`failed`](Self::failed).
    pub(super) fn fail(&self, reason: &'static str) {
        self.failure.send_replace(Some(reason));
    }

    /// Returns when a part of the hub has failed, with the reason. The process must end then.
    pub async fn failed(&self) -> anyhow::Error {
        let mut failure = self.failure.subscribe();
        let reason = failure
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|reason| *reason);
        anyhow::anyhow!(reason.unwrap_or("the hub was dropped"))
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        // Code that changes the view doesn't panic half-way; a poisoned lock means that the process is ending.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&self, signal: Signal) {
        if let Some(relays) = &self.relays {
            // An error means that there are no receivers.
            let _ = relays.send(signal);
        }
    }
}
