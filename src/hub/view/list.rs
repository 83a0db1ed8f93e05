use std::sync::Arc;

use super::{Age, View};
use crate::hub::item::Item;
use crate::orders::{ListQuery, Position};

/// Orders of a list that are held without a gap, newest first.
pub(in crate::hub) struct Held {
    pub items: Vec<Arc<Item>>,
    pub end: HeldEnd,
}

/// Why the scan stopped.
pub(in crate::hub) enum HeldEnd {
    /// There are no more orders from the list's time, or there are as many as were wanted.
    Whole,
    /// Older orders may be missing.
    Gap {
        /// The last order from the list's time, of any status.
        last: Option<Position>,
        /// How many orders were passed, from any time.
        seen: usize,
    },
}

/// The place in a list of orders that [`ListQuery::before`] takes.
fn place((micros, id): &Age) -> Position {
    Position::new(*micros, id)
}

impl View {
    /// The newest `most` orders of the list's time and statuses that are held without a gap; `None` before the first snapshot.
    pub(in crate::hub) fn listed(&self, query: &ListQuery, most: usize) -> Option<Held> {
        if !self.started() {
            return None;
        }
        let mut items = Vec::new();
        let (mut last, mut seen) = (None, 0);
        let is_whole = |time: u64| time < query.placed.start;
        for age in self.without_gap() {
            seen += 1;
            if is_whole(age.0) || items.len() >= most {
                let end = HeldEnd::Whole;
                return Some(Held { items, end });
            }
            if !query.has_place(age.0, &age.1) {
                continue;
            }
            let wanted = self.by_id.get(&age.1).filter(|item| {
                let order = item.order();
                order.is_some_and(|order| query.wants(order.status()))
            });
            items.extend(wanted.cloned());
            last = Some(age);
        }
        let end = match &self.gap {
            Some(gap) if !is_whole(gap.0) => HeldEnd::Gap {
                last: last.map(place),
                seen,
            },
            _ => HeldEnd::Whole,
        };
        Some(Held { items, end })
    }
}
