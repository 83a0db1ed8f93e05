use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::Item;
use crate::orders::{Change, Order, OrderId, Position};
use crate::store::ListQuery;

/// The newest state of every order in the window, by position: a compacted log.
///
/// Removed orders leave a tombstone for as long as the window reaches back. Readers between `floor` and `head` can be told
/// exactly what they have missed.
pub(super) struct View {
    window: usize,
    started: bool,
    head: Position,
    floor: Position,
    by_position: BTreeMap<Position, Arc<Item>>,
    by_id: HashMap<OrderId, Arc<Item>>,
    /// The orders (not the tombstones) by the time of placing: the last is the newest, the first the next to be evicted.
    by_age: BTreeSet<(u64, OrderId)>,
}

impl View {
    pub(super) fn new(window: usize) -> Self {
        Self {
            window,
            started: false,
            head: Position::beginning(),
            floor: Position::beginning(),
            by_position: BTreeMap::new(),
            by_id: HashMap::new(),
            by_age: BTreeSet::new(),
        }
    }

    pub(super) fn started(&self) -> bool {
        self.started
    }

    /// Position of the newest change.
    pub(super) fn head(&self) -> &Position {
        &self.head
    }

    /// Readers before this position may have missed orders or removals that the view doesn't hold any more.
    pub(super) fn floor(&self) -> &Position {
        &self.floor
    }

    /// Takes the state that a watch begins with.
    pub(super) fn start(&mut self, changes: &[Change]) {
        self.apply(changes);
        self.started = true;
        if self.by_age.len() == self.window {
            // There may be older orders that were never in here: whoever left before the window begins has missed some.
            let oldest = self
                .by_position
                .values()
                .filter(|item| item.order().is_some())
                .filter_map(|item| item.created())
                .min();
            self.floor = oldest
                .cloned()
                .into_iter()
                .chain([self.floor.clone()])
                .max()
                .unwrap_or_else(Position::beginning);
        }
        if self.tombstones() >= self.window
            && let Some(oldest) = self
                .by_position
                .values()
                .find(|item| item.order().is_none())
        {
            self.floor = self.floor.clone().max(oldest.position().clone());
        }
        self.forget_unreachable();
    }

    /// Applies changes in the order of their positions, and answers with what has become of the orders concerned.
    ///
    /// States that are not newer than what is known are passed over. A change that comes late, whose position isn't after
    /// the head, is placed just after it: readers have gone on, and ids only ever increase.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Vec<Arc<Item>> {
        let mut touched = HashMap::new();
        for change in changes {
            let item = match change {
                Change::Upsert(order) => self.upsert(order),
                Change::Remove { id, micros } => self.remove(id, *micros),
            };
            if let Some(item) = item {
                self.head = self.head.clone().max(item.position().clone());
                self.insert(Arc::clone(&item));
                touched.insert(item.id().clone(), item);
            }
        }
        self.evict();
        self.forget_unreachable();
        // Also what was evicted at once: whoever is there now was there when it happened.
        let mut events: Vec<_> = touched.into_values().collect();
        events.sort_by(|a, b| a.position().cmp(b.position()));
        events
    }

    /// Everything after `position`, oldest change first.
    pub(super) fn after(&self, position: &Position) -> impl Iterator<Item = &Arc<Item>> {
        self.by_position
            .range((Bound::Excluded(position), Bound::Unbounded))
            .map(|(_, item)| item)
    }

    /// The orders from newest to oldest.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.by_age
            .iter()
            .rev()
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The order with this id.
    pub(super) fn get(&self, id: &OrderId) -> Option<&Arc<Item>> {
        self.by_id.get(id).filter(|item| item.order().is_some())
    }

    /// A page of the list, and whether there is more; `None` where only the store can tell.
    pub(super) fn list(&self, query: &ListQuery) -> Option<(Vec<Arc<Item>>, bool)> {
        let mut page = Vec::new();
        for (placed, id) in self.by_age.iter().rev() {
            let is_before =
                |before: &Position| (*placed, id.as_str()) < (before.micros(), before.id());
            if !query.before.as_ref().is_none_or(is_before) {
                continue;
            }
            let Some(item) = self.by_id.get(id) else {
                continue;
            };
            let Some(order) = item.order() else { continue };
            if query.statuses.is_empty()
                || query.statuses.iter().any(|status| status == order.status())
            {
                if page.len() == query.limit {
                    return Some((page, true));
                }
                page.push(Arc::clone(item));
            }
        }
        // The window has come to its end before the page was full. Unless the window was never full, the store has more.
        let complete =
            self.started && self.by_age.len() < self.window && self.floor == Position::beginning();
        complete.then_some((page, false))
    }

    fn upsert(&self, order: &Arc<Order>) -> Option<Arc<Item>> {
        let known = self.by_id.get(&order.id);
        if let Some(known) = known {
            let known_micros = known
                .order()
                .map_or(known.position().micros(), |order| order.updated_micros);
            if order.updated_micros <= known_micros {
                return None;
            }
        } else if self.by_age.len() >= self.window
            && self
                .by_age
                .first()
                .is_some_and(|oldest| (order.placed_micros(), &order.id) < (oldest.0, &oldest.1))
        {
            return None;
        }
        let position = self.after_head(order.updated_micros, &order.id);
        // An order that comes back under the id of a removed one is another order.
        let known = known.filter(|known| known.order().is_some());
        let created = match known.and_then(|known| known.created()) {
            Some(created) => created.clone(),
            // An order that is told of late is new to everybody, even to readers beyond its commit time.
            None if order.created_micros == order.updated_micros => position.clone(),
            None => Position::new(order.created_micros, &order.id),
        };
        Some(Item::order_at(
            Arc::clone(order),
            position,
            created,
            known.map(|known| &**known),
        ))
    }

    fn remove(&self, id: &OrderId, micros: u64) -> Option<Arc<Item>> {
        match self.by_id.get(id) {
            Some(known) if known.order().is_none() => None,
            known => Some(Item::removed_at(
                id.clone(),
                self.after_head(micros, id),
                known.map(|known| &**known),
            )),
        }
    }

    fn after_head(&self, micros: u64, id: &OrderId) -> Position {
        let position = Position::new(micros, id);
        if position > self.head || !self.started {
            position
        } else {
            Position::new(self.head.micros() + 1, id)
        }
    }

    fn insert(&mut self, item: Arc<Item>) {
        if let Some(known) = self.by_id.get(item.id()).cloned() {
            self.drop_item(&known);
        }
        if let Some(order) = item.order() {
            self.by_age
                .insert((order.placed_micros(), order.id.clone()));
        }
        self.by_position
            .insert(item.position().clone(), Arc::clone(&item));
        self.by_id.insert(item.id().clone(), item);
    }

    fn drop_item(&mut self, item: &Arc<Item>) {
        self.by_position.remove(item.position());
        self.by_id.remove(item.id());
        if let Some(order) = item.order() {
            self.by_age
                .remove(&(order.placed_micros(), order.id.clone()));
        }
    }

    /// Drops the oldest orders beyond the window. Readers from before their creation have missed that they were ever there.
    fn evict(&mut self) {
        while self.by_age.len() > self.window {
            let Some((_, id)) = self.by_age.first().cloned() else {
                return;
            };
            let Some(item) = self.by_id.get(&id).cloned() else {
                return;
            };
            self.drop_item(&item);
            if let Some(created) = item.created()
                && *created > self.floor
            {
                self.floor = created.clone();
            }
        }
        while self.tombstones() > self.window {
            let Some(oldest) = self
                .by_position
                .values()
                .find(|item| item.order().is_none())
                .cloned()
            else {
                return;
            };
            self.drop_item(&oldest);
            self.floor = self.floor.clone().max(oldest.position().clone());
        }
    }

    /// Tombstones before the floor serve no reader.
    fn forget_unreachable(&mut self) {
        let unreachable: Vec<_> = self
            .by_position
            .range(..=self.floor.clone())
            .map(|(_, item)| item)
            .filter(|item| item.order().is_none())
            .cloned()
            .collect();
        for item in &unreachable {
            self.drop_item(item);
        }
    }

    fn tombstones(&self) -> usize {
        self.by_position.len() - self.by_age.len()
    }
}
