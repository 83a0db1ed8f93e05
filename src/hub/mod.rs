//! The hub: the window of orders in memory, and everybody who watches it.
//!
//! A [store's watch](crate::store::OrderStore::watch) is applied here, snapshot by snapshot. The *view* holds the newest
//! state of every order in the window by position; it is the replay log, the polling cache and the source of every page
//! at once. A batch of frames, encoded once, goes from each snapshot to the *relays*, one for each worker thread, and
//! from there to that thread's *subscribers*.

mod body_encoder;
mod filter;
mod frame;
mod gzip;
mod item;
mod keep_alive;
mod list;
mod metrics;
mod relay;
mod signal;
mod slots;
mod subscriber;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use tokio::sync::{broadcast, watch};

pub use filter::Filter;
pub use item::Item;
pub use metrics::HubMetrics;
pub use relay::{Listener, Relay};
pub use subscriber::{Options, Start, Subscriber};
pub use view::Holding;

use crate::clock::Clock;
use crate::orders::{Position, Snapshot, SourceState, WatchEvent, WindowLimits};
use crate::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use frame::{Batch, Frame};
use signal::Signal;
use view::View;

/// Capacity of the broadcast: a relay that is further behind makes its subscribers catch up from the view. Small in tests, to be
/// reached.
const RELAY_BACKLOG: usize = if cfg!(test) { 4 } else { 1_024 };
/// How far a cursor may be ahead of this machine's clock and still be accepted: another instance may be ahead of this one.
const FUTURE_TOLERANCE: Duration = Duration::from_secs(60);

/// Settings of the hub and its streams.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Limits of the view.
    pub window: WindowLimits,
    /// Time without an event after which a heartbeat is sent.
    pub heartbeat: Duration,
    /// Reconnection time sent to clients as `retry`.
    pub retry: Duration,
    /// Maximum age of a stream; it ends with `bye` at a random time in the last fifth.
    pub max_age: Duration,
}

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
/// // A store's watch begins with one snapshot of what is there, and goes on with what changes.
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
    settings: HubSettings,
    clock: Clock,
    metrics: HubMetrics,
    state: RwLock<State>,
    failure: watch::Sender<Option<&'static str>>,
}

struct State {
    view: View,
    source: Source,
    /// `None` once the hub is closed.
    relays: Option<broadcast::Sender<Signal>>,
}

/// State of the store's watch, and when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The state.
    pub state: SourceState,
    /// When the state began, in milliseconds since the epoch.
    pub since: u64,
}

/// An answer to a poll.
pub struct Recent {
    /// The orders, and removals where the poll said since when.
    pub items: Vec<Arc<Item>>,
    /// The cursor of the next poll.
    pub cursor: Position,
    /// Whether the cursor was older than the window: `items` are then all orders of the window.
    pub reset: bool,
}

/// How a reader with a cursor can resume.
enum ResumeState {
    /// By receiving `missed`, in the order of positions; then it is at `head`.
    Behind {
        missed: Vec<Arc<Item>>,
        head: Position,
    },
    /// It has missed nothing: its cursor is the head, or ahead of it.
    Current,
    /// It has to start over: its cursor is older than the view reaches.
    Lost { head: Position },
}

/// Counts over the window.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Orders in the window.
    pub total_orders: usize,
    /// Sum of their amounts.
    pub total_revenue: f64,
    /// How many have which status.
    pub status_counts: BTreeMap<String, usize>,
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

    /// The newest `limit` orders, or those of them that `filter` wants, newest first by the time of placing.
    pub fn newest(&self, limit: usize, filter: Option<&Filter>) -> Recent {
        let state = self.read();
        let wanted = |item: &&Arc<Item>| {
            filter.is_none_or(|filter| item.order().is_some_and(|order| filter.has(order.status())))
        };
        Recent {
            items: state
                .view
                .newest()
                .filter(wanted)
                .take(limit)
                .cloned()
                .collect(),
            cursor: state.view.head().clone(),
            reset: false,
        }
    }

    /// What has changed since `cursor`, oldest change first, at most `limit` of it.
    ///
    /// The answer's cursor is that of the next poll, also when `limit` has cut the answer short.
    pub fn since(&self, cursor: &Position, limit: usize, filter: Option<&Filter>) -> Recent {
        let state = self.read();
        let (mut items, head, reset) = match self.resume_state(&state.view, cursor) {
            ResumeState::Behind { missed, head } => (missed, head, false),
            ResumeState::Current => (Vec::new(), cursor.clone(), false),
            ResumeState::Lost { head } => {
                let beginning = Position::beginning();
                let window = state
                    .view
                    .after(&beginning)
                    .filter(|item| item.order().is_some());
                (window.cloned().collect(), head, true)
            }
        };
        if let Some(filter) = filter {
            items.retain(|item| filter.passes_replay(item));
        }
        if items.len() > limit && !reset {
            items.truncate(limit);
            let cursor = items.last().map_or(head, |last| last.position().clone());
            return Recent {
                items,
                cursor,
                reset,
            };
        }
        Recent {
            items,
            cursor: head,
            reset,
        }
    }

    /// The order with this id, if it is in the window.
    pub fn get(&self, id: &crate::orders::OrderId) -> Option<Arc<Item>> {
        self.read().view.get(id).cloned()
    }

    /// How much the view holds.
    pub fn holding(&self) -> Holding {
        self.read().view.holding()
    }

    /// Whether the store should tell its open orders anew: some were left out, and there is room now.
    pub fn wants_open_orders(&self) -> bool {
        self.read().view.has_room_for_hidden()
    }

    /// Counts over the window.
    pub fn stats(&self) -> Stats {
        let state = self.read();
        let mut stats = Stats {
            total_orders: 0,
            total_revenue: 0.0,
            status_counts: BTreeMap::new(),
        };
        for order in state.view.newest().filter_map(|item| item.order()) {
            stats.total_orders += 1;
            stats.total_revenue += order.total.unwrap_or_default();
            *stats
                .status_counts
                .entry(order.status().to_owned())
                .or_default() += 1;
        }
        // Amounts are decimal: without this, ten orders of 0.1 sum up to 0.9999999999999999.
        stats.total_revenue = (stats.total_revenue * 1e4).round() / 1e4;
        stats
    }

    /// Makes every stream check whether its admin may still read.
    pub fn check_subscribers(&self) {
        self.write().send(Signal::Check);
    }

    /// Ends every stream with `bye`; new ones end at once.
    pub fn close(&self) {
        self.write().relays = None;
    }

    fn fail(&self, reason: &'static str) {
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

    fn resume_state(&self, view: &View, cursor: &Position) -> ResumeState {
        let head = view.head();
        if cursor < view.floor() {
            return ResumeState::Lost { head: head.clone() };
        }
        if cursor > head {
            let tolerance = u64::try_from(FUTURE_TOLERANCE.as_micros()).unwrap_or(u64::MAX);
            if cursor.micros() > self.clock.micros().saturating_add(tolerance) {
                return ResumeState::Lost { head: head.clone() };
            }
            return ResumeState::Current;
        }
        if cursor == head {
            return ResumeState::Current;
        }
        ResumeState::Behind {
            missed: view.after(cursor).cloned().collect(),
            head: head.clone(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
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
