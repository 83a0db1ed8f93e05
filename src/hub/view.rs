mod age;
mod documents;
mod list;
mod newest;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::item::Item;
use crate::orders::{Change, HeldOrder, ListQuery, OrderId, Position, Snapshot, WindowLimits};
use age::{Age, age};
use documents::Documents;
pub(super) use list::{Held, HeldEnd};
use newest::Newest;

/// The newest state of the newest orders and of all open orders, by position: a compacted log.
///
/// Removed orders, and finished orders older than the newest, are kept for readers that have not received the change yet. Readers
/// between `floor` and `head` can get exactly the changes that they have missed.
pub(super) struct View {
    limits: WindowLimits,
    /// The head of the first snapshot, once it was applied.
    started_at: Option<Position>,
    head: Position,
    floor: Position,
    by_position: BTreeMap<Position, Arc<Item>>,
    by_id: HashMap<OrderId, Arc<Item>>,
    newest: Newest,
    /// Positions of items that only returning readers need: removals, and finished orders older than the newest.
    remnants: BTreeSet<Position>,
    /// Orders placed before this one may be missing from the view; all newer ones are held. `None` if none is missing.
    gap: Option<Age>,
    documents: Documents,
    /// Minimum number of open orders that were left out.
    hidden_open: usize,
}

/// Amounts of what a view holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// Bytes of all orders.
    pub bytes: usize,
    /// Open orders.
    pub open: usize,
    /// Minimum number of open orders that were left out because there are too many.
    pub hidden_open: usize,
    /// Number of documents dropped from memory so far.
    pub dropped_documents: u64,
}

impl View {
    pub(super) fn new(limits: WindowLimits) -> Self {
        Self {
            limits,
            started_at: None,
            head: Position::beginning(),
            floor: Position::beginning(),
            by_position: BTreeMap::new(),
            by_id: HashMap::new(),
            newest: Newest::new(limits),
            remnants: BTreeSet::new(),
            gap: None,
            documents: Documents::new(limits.bytes),
            hidden_open: 0,
        }
    }

    pub(super) fn started(&self) -> bool {
        self.started_at.is_some()
    }

    /// Position of the newest change of the first snapshot; `None` before that.
    pub(super) fn started_at(&self) -> Option<&Position> {
        self.started_at.as_ref()
    }

    /// Position of the newest change.
    pub(super) fn head(&self) -> &Position {
        &self.head
    }

    /// Readers before this position may have missed orders or removals that the view doesn't hold any more.
    pub(super) fn floor(&self) -> &Position {
        &self.floor
    }

    pub(super) fn holding(&self) -> Holding {
        let is_open = |id: &OrderId| self.held(id).is_some_and(|order| !order.is_finished());
        let open = self.newest.recent().iter().filter(|(_, id)| is_open(id));
        Holding {
            bytes: self.documents.bytes(),
            open: open.count() + self.newest.older_open(),
            hidden_open: self.hidden_open,
            dropped_documents: self.documents.dropped(),
        }
    }

    /// Whether open orders were left out and there is room for some of them now.
    pub(super) fn has_room_for_hidden(&self) -> bool {
        self.hidden_open > 0 && self.newest.older_open() < self.limits.open
    }

    /// Takes the number of open orders that the store has left out. It replaces the known number only if the store has delivered
    /// all open orders again (`is_all`).
    pub(super) fn set_hidden_open(&mut self, hidden: usize, is_all: bool) {
        self.hidden_open = if is_all {
            hidden
        } else {
            self.hidden_open.max(hidden)
        };
    }

    /// Applies the first snapshot of a watch.
    pub(super) fn start(&mut self, snapshot: &Snapshot) {
        self.apply(snapshot);
        self.started_at = Some(self.head.clone());
        self.hidden_open += snapshot.hidden_open.unwrap_or_default();
        let floor = match &snapshot.complete_after {
            Some(position) => Some(position.clone()),
            // There may be older orders that were never in the view.
            None if self.newest.is_full() => self
                .newest
                .recent()
                .iter()
                .filter_map(|(_, id)| self.by_id.get(id)?.created().cloned())
                .min(),
            None => None,
        };
        self.raise_floor(floor);
        self.begin_list();
        if self.removals() >= self.limits.orders {
            let oldest = self
                .remnants
                .iter()
                .find(|position| self.by_position[*position].order().is_none());
            self.raise_floor(oldest.cloned());
        }
        self.forget_unreachable();
    }

    /// Applies changes in the order of their positions, and returns the resulting items.
    ///
    /// Skips states that are not newer than the known ones. A late change, whose position isn't after the head, is placed just
    /// after the head: readers are there already, and ids must increase.
    pub(super) fn apply(&mut self, snapshot: &Snapshot) -> Vec<Arc<Item>> {
        let mut touched = HashMap::new();
        let oldest_before = self.newest.oldest().cloned();
        for change in &snapshot.changes {
            let item = match change {
                Change::Upsert(order) => {
                    self.upsert(order, oldest_before.as_ref(), snapshot.repeats)
                }
                Change::Remove { id, micros } => self.remove(id, *micros),
            };
            if let Some(item) = item {
                self.head = self.head.clone().max(item.position().clone());
                self.insert(&item);
                touched.insert(item.id().clone(), item);
            }
        }
        self.hide_open();
        if snapshot.has_gap {
            self.raise_floor(Some(self.head.clone()));
            self.begin_list();
        }
        self.forget_unreachable();
        // Includes items that were evicted at once: current readers must get these changes too.
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

    /// The newest orders, then the open ones that are older, from newest to oldest.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Arc<Item>> {
        let newest = self.newest.by_age();
        newest.filter_map(|(_, id)| self.by_id.get(id))
    }

    fn held(&self, id: &OrderId) -> Option<&Arc<HeldOrder>> {
        self.by_id.get(id)?.order()
    }

    /// The order with this id. `None` for finished orders older than the newest, which are kept for returning readers only:
    /// Firestore's listener no longer delivers their changes.
    pub(super) fn get(&self, id: &OrderId) -> Option<&Arc<Item>> {
        self.by_id
            .get(id)
            .filter(|item| item.order().is_some() && !self.remnants.contains(item.position()))
    }

    /// The orders down to the gap, newest first.
    fn without_gap(&self) -> impl Iterator<Item = &Age> {
        // Includes the order at the gap if it is held.
        self.newest
            .by_age()
            .take_while(|age| self.gap.as_ref().is_none_or(|gap| *age >= gap))
    }

    /// The newest `most` orders of the list's time and statuses that are held without a gap; `None` before the first snapshot.
    pub(super) fn listed(&self, query: &ListQuery, most: usize) -> Option<Held> {
        let item = |id: &OrderId| self.by_id.get(id);
        self.started()
            .then(|| list::scan(query, most, self.without_gap(), self.gap.as_ref(), item))
    }

    /// The new item of an order, if its state is news. `oldest_before` is the oldest of the newest orders before the snapshot, if
    /// the window was full.
    fn upsert(
        &mut self,
        order: &Arc<HeldOrder>,
        oldest_before: Option<&Age>,
        repeats: bool,
    ) -> Option<Arc<Item>> {
        let known = self.by_id.get(&order.id).cloned();
        if let Some(known) = &known {
            let known_micros = known
                .order()
                .map_or(known.position().micros(), |order| order.updated_micros);
            if order.updated_micros <= known_micros {
                return None;
            }
        } else if order.is_finished()
            && self.started()
            && oldest_before.is_some_and(|oldest| age(order) < *oldest)
        {
            // No reader has this order either, since it was in no window.
            self.widen_gap(age(order));
            return None;
        }
        let position = self.after_head(order.updated_micros, &order.id);
        // An order that comes back under the id of a removed one is another order.
        let known = known.filter(|known| known.order().is_some());
        let created = match known.as_ref().and_then(|known| known.created()) {
            Some(created) => created.clone(),
            // A new order that is delivered late is new to all readers, even to those beyond its commit time.
            None if order.created_micros == order.updated_micros && !repeats => position.clone(),
            None => Position::new(order.created_micros, &order.id),
        };
        Some(Item::order_at(
            Arc::clone(order),
            position,
            created,
            known.as_deref(),
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
        if position > self.head || !self.started() {
            position
        } else {
            Position::new(self.head.micros() + 1, id)
        }
    }

    fn insert(&mut self, item: &Arc<Item>) {
        if let Some(known) = self.by_id.get(item.id()).cloned() {
            self.drop_item(&known);
        }
        let order = item.order().cloned();
        self.by_position
            .insert(item.position().clone(), Arc::clone(item));
        self.by_id.insert(item.id().clone(), Arc::clone(item));
        match order {
            None => self.keep_remnant(item.position().clone()),
            Some(order) => {
                self.documents.insert(&order);
                self.place(&order, item.position());
                let held = |id: &OrderId| self.by_id.get(id)?.order();
                self.documents.make_room(held);
            }
        }
        self.newest.fill();
    }

    /// Puts an order among the newest, the older open ones, or the remnants. The oldest of the newest may have to leave them.
    fn place(&mut self, order: &HeldOrder, position: &Position) {
        if !self.newest.are_newer_than(&age(order)) {
            if let Some((_, id)) = self.newest.insert(age(order))
                && let Some(item) = self.by_id.get(&id).cloned()
            {
                self.leave_recent(&item);
            }
        } else if order.is_finished() {
            // Readers that know the order as open must get this change.
            self.widen_gap(age(order));
            self.keep_remnant(position.clone());
        } else {
            self.newest.insert_older(age(order));
        }
    }

    fn leave_recent(&mut self, item: &Arc<Item>) {
        match item.order() {
            Some(order) if !order.is_finished() => {
                self.newest.insert_older(age(order));
            }
            _ => self.evict(item),
        }
    }

    /// Leaves open orders out where there are too many.
    fn hide_open(&mut self) {
        while let Some((_, id)) = self.newest.hide_one(self.head.micros()) {
            if let Some(item) = self.by_id.get(&id).cloned() {
                self.hidden_open += 1;
                self.evict(&item);
            }
        }
    }

    fn keep_remnant(&mut self, position: Position) {
        self.remnants.insert(position);
        // Enough for as many removals as changed orders.
        if self.remnants.len() > 2 * self.limits.orders
            && let Some(oldest) = self.remnants.first().cloned()
            && let Some(item) = self.by_position.get(&oldest).cloned()
        {
            self.evict(&item);
        }
    }

    /// Drops an item. Readers from before its last change will get `reset`, since they can't get that change any more.
    fn evict(&mut self, item: &Arc<Item>) {
        self.drop_item(item);
        self.raise_floor(Some(item.position().clone()));
        if let Some(order) = item.order() {
            self.widen_gap(age(order));
        }
    }

    /// Records that orders older than the newest may never have been in the view.
    fn begin_list(&mut self) {
        if let Some(oldest) = self.newest.oldest().cloned() {
            self.widen_gap(oldest);
        }
    }

    fn widen_gap(&mut self, to: Age) {
        self.gap = self.gap.take().max(Some(to));
    }

    fn raise_floor(&mut self, to: Option<Position>) {
        if let Some(to) = to
            && to > self.floor
        {
            self.floor = to;
        }
    }

    fn drop_item(&mut self, item: &Arc<Item>) {
        self.by_position.remove(item.position());
        self.by_id.remove(item.id());
        self.remnants.remove(item.position());
        if let Some(order) = item.order() {
            let age = age(order);
            self.documents.remove(order);
            self.newest.remove(&age);
        }
    }

    /// Drops remnants before the floor, which no reader can get.
    fn forget_unreachable(&mut self) {
        while let Some(oldest) = self.remnants.first()
            && *oldest <= self.floor
            && let Some(item) = self.by_position.get(oldest).cloned()
        {
            self.drop_item(&item);
        }
    }

    fn removals(&self) -> usize {
        self.remnants
            .iter()
            .filter(|position| self.by_position[*position].order().is_none())
            .count()
    }
}
