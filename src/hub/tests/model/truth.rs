use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use crate::orders::FORGOTTEN_AFTER_MICROS;

/// Statuses of the model's orders; the first is that of a new one.
pub(super) const STATUSES: [&str; 4] = ["PENDING", "CONFIRMED", "PREPARING_ORDER", "DELIVERED"];

/// What happens to the store.
#[derive(Debug, Clone)]
pub(super) enum Commit {
    Create,
    /// As finished already.
    CreateFinished,
    /// By a phone whose clock is behind.
    CreateOld,
    /// The same, by weeks.
    CreateForgotten,
    /// The order with this number, counted round, gets another status.
    Update(usize),
    Remove(usize),
}

/// The store as it is, and its history of removals.
#[derive(Default)]
pub(super) struct Truth {
    pub(super) now: u64,
    pub(super) created: usize,
    pub(super) orders: BTreeMap<String, Arc<HeldOrder>>,
    pub(super) removed: BTreeMap<String, u64>,
    /// Orders that were outside of the window at some time.
    pub(super) outside: BTreeSet<String>,
    /// There were more open orders than are held.
    pub(super) has_hidden: bool,
    /// Orders that were the newest when they were placed, and when that was: every reader that was there learns of them.
    pub(super) news: BTreeMap<String, u64>,
}

impl Truth {
    pub(super) fn commit(&mut self, commits: &[Commit]) -> Vec<Change> {
        let mut changes = BTreeMap::new();
        for commit in commits {
            self.now += 7;
            let micros = START + self.now;
            let pick = |n: usize| {
                self.orders
                    .keys()
                    .nth(n % self.orders.len().max(1))
                    .cloned()
            };
            match commit {
                Commit::Create
                | Commit::CreateFinished
                | Commit::CreateOld
                | Commit::CreateForgotten => {
                    self.created += 1;
                    // Ids don't sort as they were made.
                    let id = format!("{}-{}", self.created * 7 % 10, self.created);
                    let placed = match commit {
                        Commit::CreateOld => micros - 1_000_000_000,
                        Commit::CreateForgotten => micros - 2 * FORGOTTEN_AFTER_MICROS,
                        _ => micros,
                    };
                    let status = match commit {
                        Commit::CreateFinished => "DELIVERED",
                        _ => STATUSES[0],
                    };
                    if placed == micros {
                        self.news.insert(id.clone(), micros);
                    }
                    let order = order_placed(&id, placed, micros, micros, status);
                    self.orders.insert(id.clone(), Arc::clone(&order));
                    changes.insert(id, Change::Upsert(order));
                }
                Commit::Update(n) => {
                    let Some(id) = pick(*n) else { continue };
                    let known = &self.orders[&id];
                    let status = STATUSES[(self.now as usize / 7) % STATUSES.len()];
                    let placed = known.placed_micros;
                    let order = order_placed(&id, placed, known.created_micros, micros, status);
                    self.orders.insert(id.clone(), Arc::clone(&order));
                    changes.insert(id, Change::Upsert(order));
                }
                Commit::Remove(n) => {
                    let Some(id) = pick(*n) else { continue };
                    self.orders.remove(&id);
                    self.removed.insert(id.clone(), micros);
                    let id_ = OrderId::parse(&id).expect("an id");
                    changes.insert(id, Change::Remove { id: id_, micros });
                }
            }
        }
        let mut changes: Vec<_> = changes.into_values().collect();
        changes.sort_by_cached_key(Change::position);
        changes
    }

    /// The same, as a store tells it that has seen the newest orders before and after, and all open ones.
    pub(super) fn compare(&mut self, commits: &[Commit], limits: WindowLimits) -> Snapshot {
        let before = START + self.now;
        let mut changes = self.commit(commits);
        let newest = self.by_age();
        let newest: BTreeSet<_> = newest
            .iter()
            .take(limits.orders)
            .map(|order| &order.id)
            .collect();
        let mut has_gap = false;
        changes.retain(|change| match change {
            Change::Upsert(order) if order.created_micros > before => {
                let is_told = newest.contains(&order.id) || !order.is_finished();
                has_gap |= !is_told && order.placed_micros > before;
                is_told
            }
            _ => true,
        });
        Snapshot {
            changes,
            has_gap,
            ..Snapshot::default()
        }
    }

    /// Newest first.
    fn by_age(&self) -> Vec<Arc<HeldOrder>> {
        let mut newest: Vec<_> = self.orders.values().cloned().collect();
        newest.sort_by_key(|order| std::cmp::Reverse((order.placed_micros, order.id.clone())));
        newest
    }

    /// The open orders that are held, and how many are not.
    fn open(&self, limits: WindowLimits) -> (Vec<Arc<HeldOrder>>, usize) {
        let mut newest = self.by_age();
        let mut older = newest.split_off(limits.orders.min(newest.len()));
        older.retain(|order| !order.is_finished());
        newest.retain(|order| !order.is_finished());
        let forgotten = (START + self.now).saturating_sub(FORGOTTEN_AFTER_MICROS);
        let mut hidden = 0;
        while older.len() > limits.open {
            let last = older.last().expect("one at least");
            let is_forgotten = last.placed_micros < forgotten;
            older.remove(if is_forgotten { older.len() - 1 } else { 0 });
            hidden += 1;
        }
        newest.extend(older);
        (newest, hidden)
    }

    pub(super) fn deliver_open(&self, limits: WindowLimits) -> Snapshot {
        let (open, hidden) = self.open(limits);
        let mut changes: Vec<_> = open.into_iter().map(Change::Upsert).collect();
        changes.sort_by_cached_key(Change::position);
        Snapshot {
            changes,
            repeats: true,
            hidden_open: Some(hidden),
            ..Snapshot::default()
        }
    }

    /// What a store's watch begins with.
    pub(super) fn window(&self, limits: WindowLimits) -> Snapshot {
        let window = limits.orders;
        let mut changed: Vec<_> = self.orders.values().cloned().collect();
        changed.sort_by_key(|order| std::cmp::Reverse(order.position()));
        changed.truncate(window);
        let complete_after = match changed.last() {
            Some(last) if changed.len() == window => last.position(),
            _ => Position::beginning(),
        };
        let (open, hidden) = self.open(limits);
        let newest = self.by_age().into_iter().take(window);
        let held: BTreeMap<_, _> = newest
            .chain(open)
            .chain(changed)
            .map(|order| (order.id.clone(), order))
            .collect();
        let orders = held.into_values().map(Change::Upsert);
        let mut removed: Vec<_> = self
            .removed
            .iter()
            .map(|(id, micros)| (*micros, id))
            .collect();
        removed.sort_unstable_by(|a, b| b.cmp(a));
        let removed = removed
            .into_iter()
            .take(window)
            .map(|(micros, id)| Change::Remove {
                id: OrderId::parse(id).expect("an id"),
                micros,
            });
        let mut changes: Vec<_> = orders.chain(removed).collect();
        changes.sort_by_cached_key(Change::position);
        Snapshot {
            changes,
            initial: true,
            complete_after: Some(complete_after),
            hidden_open: Some(hidden),
            ..Snapshot::default()
        }
    }
}
