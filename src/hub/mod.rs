//! The hub: the window of orders in memory, and everybody who watches it.
//!
//! A [store's watch](crate::store::OrderStore::watch) is applied here, snapshot by snapshot. The *view* holds the newest
//! state of every order in the window by position; it is the replay log, the polling cache and the source of every page
//! at once. A batch of frames, encoded once, goes from each snapshot to the *relays*, one for each worker thread, and
//! from there to that thread's *subscribers*.

mod filter;
mod frame;
mod gzip;
mod item;
mod list;
mod metrics;
mod outlet;
mod pulse;
mod relay;
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
use crate::orders::{Position, Snapshot, WindowLimits};
use crate::store::{SourceState, WatchEvent};
use crate::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use frame::{Batch, Frame};
use view::View;

/// Signals that a relay may be behind before it catches up from the view; few in tests, so that they get there.
const RELAY_BACKLOG: usize = if cfg!(test) { 4 } else { 1_024 };
/// How far a cursor may run ahead of this machine's clock and still be believed: another instance may be ahead of us.
const FUTURE_TOLERANCE: Duration = Duration::from_secs(60);

/// What streams are like.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// How many orders are held in memory.
    pub window: WindowLimits,
    /// A stream without an event for so long carries a heartbeat.
    pub heartbeat: Duration,
    /// How long clients wait before they come back, as a stream's first line tells them.
    pub retry: Duration,
    /// A stream is asked to come back after so long; spread by a fifth.
    pub max_age: Duration,
}

/// The orders in memory, and the way to everybody who watches them.
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
    /// Gone once the hub is closed.
    relays: Option<broadcast::Sender<Signal>>,
}

/// The state of the store's watch, and since when it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the watch says.
    pub state: SourceState,
    /// Milliseconds since the epoch.
    pub since: u64,
}

/// What goes to the relays.
#[derive(Clone)]
enum Signal {
    /// A snapshot was applied.
    Batch(Arc<Batch>),
    /// The first snapshot was applied: positions mean something from now on.
    Started,
    /// A snapshot was applied that doesn't tell everything: every reader has to look where it stands.
    Gap,
    /// An event without a position, for everybody who is there.
    Notice(Arc<Frame>),
    /// Somebody's permission may have ended: look.
    Check,
}

/// An answer to a poll.
pub struct Recent {
    /// The orders, and removals where the poll said since when.
    pub items: Vec<Arc<Item>>,
    /// Where to go on.
    pub cursor: Position,
    /// The poller's position is older than the window, these are all orders of it.
    pub reset: bool,
}

/// Where a reader with a cursor stands.
enum Standing {
    /// It has missed these, in the order of their positions; afterwards it is at `head`.
    Behind {
        missed: Vec<Arc<Item>>,
        head: Position,
    },
    /// It has missed nothing: its position is the head, or ahead of it.
    Current,
    /// Nobody can tell what it has missed.
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
    /// A hub without orders, whose source isn't there yet.
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

    /// Takes what a store's watch tells.
    pub fn take(&self, event: WatchEvent) {
        match event {
            WatchEvent::Snapshot(snapshot) => self.apply(&snapshot),
            WatchEvent::Source(state) => self.set_source(state),
        }
    }

    /// Applies a snapshot whole: afterwards every poll shows it, and every stream will.
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
        // Before the changes: what the view leaves out of them comes on top.
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
        // Sent under the lock that the view changed under: whoever subscribes has either the items or the batch.
        state.send(Signal::Batch(Arc::new(Batch::new(prev, events))));
    }

    fn set_source(&self, source: SourceState) {
        let mut state = self.write();
        if state.source.state == source {
            return;
        }
        // Another reason for being away doesn't make it younger.
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

    /// What streams are like.
    pub fn settings(&self) -> &HubSettings {
        &self.settings
    }

    /// What the hub counts.
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
    /// The answer's cursor is where the next poll goes on, whether or not `limit` has cut the answer short.
    pub fn since(&self, cursor: &Position, limit: usize, filter: Option<&Filter>) -> Recent {
        let state = self.read();
        let (mut items, head, reset) = match self.standing(&state.view, cursor) {
            Standing::Behind { missed, head } => (missed, head, false),
            Standing::Current => (Vec::new(), cursor.clone(), false),
            Standing::Lost { head } => {
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

    /// How much is held.
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

    /// Has every subscriber look whether it may still read.
    pub fn check_subscribers(&self) {
        self.write().send(Signal::Check);
    }

    /// Ends every stream with a `bye`; later ones end at once.
    pub fn close(&self) {
        self.write().relays = None;
    }

    fn fail(&self, reason: &'static str) {
        self.failure.send_replace(Some(reason));
    }

    /// Waits until a part of the hub has ended by itself, and says which. The process ends then.
    pub async fn failed(&self) -> anyhow::Error {
        let mut failure = self.failure.subscribe();
        let reason = failure
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|reason| *reason);
        anyhow::anyhow!(reason.unwrap_or("the hub was dropped"))
    }

    fn standing(&self, view: &View, cursor: &Position) -> Standing {
        let head = view.head();
        if cursor < view.floor() {
            return Standing::Lost { head: head.clone() };
        }
        if cursor > head {
            let tolerance = u64::try_from(FUTURE_TOLERANCE.as_micros()).unwrap_or(u64::MAX);
            if cursor.micros() > self.clock.micros().saturating_add(tolerance) {
                return Standing::Lost { head: head.clone() };
            }
            return Standing::Current;
        }
        if cursor == head {
            return Standing::Current;
        }
        Standing::Behind {
            missed: view.after(cursor).cloned().collect(),
            head: head.clone(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // The view is changed by code that doesn't panic half-way; a poisoned lock means that the process is ending.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&self, signal: Signal) {
        if let Some(relays) = &self.relays {
            // An error means that nobody listens.
            let _ = relays.send(signal);
        }
    }
}
