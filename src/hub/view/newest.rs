use std::collections::BTreeSet;

use super::age::Age;
use crate::orders::{FORGOTTEN_AFTER_MICROS, WindowLimits};

/// The newest orders by the time of placing, open or not, and the open orders that are older.
pub(super) struct Newest {
    limits: WindowLimits,
    /// The first is the next to leave.
    recent: BTreeSet<Age>,
    older_open: BTreeSet<Age>,
}

impl Newest {
    pub(super) fn new(limits: WindowLimits) -> Self {
        Self {
            limits,
            recent: BTreeSet::new(),
            older_open: BTreeSet::new(),
        }
    }

    /// The newest orders, then the open ones that are older, from newest to oldest.
    pub(super) fn by_age(&self) -> impl Iterator<Item = &Age> {
        self.recent.iter().rev().chain(self.older_open.iter().rev())
    }

    /// The newest orders.
    pub(super) fn recent(&self) -> &BTreeSet<Age> {
        &self.recent
    }

    /// Number of open orders that are older than the newest.
    pub(super) fn older_open(&self) -> usize {
        self.older_open.len()
    }

    /// Whether there are as many newest orders as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.recent.len() >= self.limits.orders
    }

    /// The oldest of the newest orders, if there are as many as there may be.
    pub(super) fn oldest(&self) -> Option<&Age> {
        self.recent.first().filter(|_| self.is_full())
    }

    /// Whether there are as many newest orders as there may be, and all are newer than this one.
    pub(super) fn are_newer_than(&self, age: &Age) -> bool {
        self.oldest().is_some_and(|oldest| age < oldest)
    }

    /// Puts an order among the newest, and returns the oldest one if it has to leave them.
    pub(super) fn insert(&mut self, age: Age) -> Option<Age> {
        self.recent.insert(age);
        if self.recent.len() > self.limits.orders {
            self.recent.pop_first()
        } else {
            None
        }
    }

    /// Puts an order among the older open ones.
    pub(super) fn insert_older(&mut self, age: Age) {
        self.older_open.insert(age);
    }

    pub(super) fn remove(&mut self, age: &Age) {
        self.recent.remove(age);
        self.older_open.remove(age);
    }

    /// Moves older open orders up where removals have left room among the newest.
    pub(super) fn fill(&mut self) {
        while !self.is_full()
            && let Some(newest) = self.older_open.pop_last()
        {
            self.recent.insert(newest);
        }
    }

    /// Removes one of the older open orders if there are too many: the oldest if it was forgotten, otherwise the newest. In a
    /// flood, those that wait longest stay.
    pub(super) fn hide_one(&mut self, now_micros: u64) -> Option<Age> {
        if self.older_open.len() <= self.limits.open {
            return None;
        }
        let forgotten = now_micros.saturating_sub(FORGOTTEN_AFTER_MICROS);
        let oldest = self.older_open.first();
        if oldest.is_some_and(|(placed, _)| *placed < forgotten) {
            self.older_open.pop_first()
        } else {
            self.older_open.pop_last()
        }
    }
}
