//! Lists that are answered from memory.
//!
//! The lock is held only while the orders of the list's time and statuses are collected. Amounts and texts are searched
//! afterwards, because snapshots wait for the lock, and with them all streams.

use super::hub::Hub;
use super::item::Item;
use super::view::{Held, HeldEnd};
use crate::orders::{ListQuery, Position, Search};
use crate::sync::Arc;

/// Orders of a list, and the `before` of the next page if there may be one.
type Page = (Vec<Arc<Item>>, Option<Position>);

impl Hub {
    /// A page of the list, or `None` if the window doesn't reach that far. With a `search`, a page may be short or empty because
    /// the window has ended.
    pub fn list(&self, query: &ListQuery, search: &Search) -> Option<Page> {
        let held = self.held(query, search)?;
        let (items, next) = held.page(query.limit, search);
        if next.is_some() {
            return Some((items, next));
        }
        match held.end {
            HeldEnd::Whole => Some((items, None)),
            HeldEnd::Gap { last, .. } if items.len() == query.limit || !search.is_everything() => {
                Some((items, Some(last?)))
            }
            HeldEnd::Gap { .. } => None,
        }
    }

    /// The first page of the list, as far as the orders are held without a gap, and the `before` of the next page if there may be
    /// older ones. `None` if only the store can answer: fewer orders than half of the window are left because many were removed,
    /// or none is from the list's time.
    pub fn list_held(&self, query: &ListQuery, search: &Search) -> Option<Page> {
        if query.before.is_some() {
            return None;
        }
        let held = self.held(query, search)?;
        let (items, next) = held.page(query.limit, search);
        if next.is_some() {
            return Some((items, next));
        }
        match held.end {
            HeldEnd::Whole => Some((items, None)),
            HeldEnd::Gap { last, seen } => {
                (seen >= self.settings.window.orders.div_ceil(2)).then_some((items, Some(last?)))
            }
        }
    }

    /// Collects the orders of a list. Without a `search`, one more than the page holds is enough.
    fn held(&self, query: &ListQuery, search: &Search) -> Option<Held> {
        let most = if search.is_everything() {
            query.limit.saturating_add(1)
        } else {
            usize::MAX
        };
        self.read().view.listed(query, most)
    }
}

impl Held {
    /// The first `limit` orders that match, and the place of the last one if more match.
    fn page(&self, limit: usize, search: &Search) -> Page {
        let matches = |item: &&Arc<Item>| item.order().is_some_and(|order| search.matches(order));
        let mut matching = self.items.iter().filter(matches);
        let items: Vec<_> = matching.by_ref().take(limit).cloned().collect();
        let next = matching
            .next()
            .and(items.last())
            .and_then(|last| last.order());
        let next = next.map(|order| Position::new(order.placed_micros, &order.id));
        (items, next)
    }
}
