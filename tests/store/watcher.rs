//! A watch on a store, and what it has delivered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orderbell::orders::{Change, HeldOrder, OrderId, SourceState, WatchEvent, WindowLimits};
use orderbell::store::OrderStore;
use tokio::sync::watch;

/// Far longer than any event takes: only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a watch has delivered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) orders: BTreeMap<OrderId, Arc<HeldOrder>>,
    pub(crate) removed: BTreeMap<OrderId, u64>,
    /// Every change after the first snapshot.
    pub(crate) changes: Vec<Change>,
    pub(crate) initial: usize,
    pub(crate) source: Option<SourceState>,
}

/// Limits of a window: the number of newest orders, and of open ones beside them.
pub(crate) fn window(orders: usize, open: usize) -> WindowLimits {
    WindowLimits {
        orders,
        open,
        bytes: 64 << 20,
    }
}

/// Watches a store.
pub(crate) struct Watcher(watch::Receiver<Received>);

impl Watcher {
    pub(crate) fn new(store: &(impl OrderStore + ?Sized)) -> Self {
        Self::with_window(store, window(100, 100))
    }

    pub(crate) fn with_window(store: &(impl OrderStore + ?Sized), window: WindowLimits) -> Self {
        let (sender, receiver) = watch::channel(Received::default());
        store.watch(
            window,
            Box::new(move |event| sender.send_modify(|received| received.take(event))),
        );
        Self(receiver)
    }

    pub(crate) fn now(&self) -> Received {
        self.0.borrow().clone()
    }

    /// Waits until what was delivered is as `wanted`.
    pub(crate) async fn until(
        &self,
        what: &str,
        mut wanted: impl FnMut(&Received) -> bool,
    ) -> Received {
        let mut received = self.0.clone();
        if let Ok(Ok(received)) =
            tokio::time::timeout(PATIENCE, received.wait_for(|received| wanted(received))).await
        {
            return received.clone();
        }
        panic!("not delivered in time: {what}; {:?}", self.now())
    }

    pub(crate) async fn live(&self) -> Received {
        self.until("live", |received| {
            received.initial == 1 && received.source == Some(SourceState::Live)
        })
        .await
    }
}

impl Received {
    fn take(&mut self, event: WatchEvent) {
        let snapshot = match event {
            WatchEvent::Source(state) => {
                self.source = Some(state);
                return;
            }
            WatchEvent::Snapshot(snapshot) => snapshot,
        };
        assert!(
            snapshot.changes.is_sorted_by_key(Change::position),
            "{snapshot:?}"
        );
        self.initial += usize::from(snapshot.initial);
        for change in &snapshot.changes {
            match change {
                Change::Upsert(order) => {
                    self.orders.insert(order.id.clone(), Arc::clone(order));
                }
                Change::Remove { id, micros } => {
                    self.orders.remove(id);
                    self.removed.insert(id.clone(), *micros);
                }
            }
        }
        if !snapshot.initial {
            self.changes.extend(snapshot.changes);
        }
    }

    /// Status of an order that was delivered and not removed.
    pub(crate) fn status(&self, id: &str) -> Option<&str> {
        self.orders
            .get(&OrderId::parse(id).ok()?)
            .map(|order| order.status())
    }

    pub(crate) fn is_removed(&self, id: &str) -> bool {
        OrderId::parse(id).is_ok_and(|id| self.removed.contains_key(&id))
    }
}
