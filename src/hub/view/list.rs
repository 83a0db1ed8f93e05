use std::sync::Arc;

use super::age::Age;
use crate::hub::item::Item;
use crate::orders::{ListQuery, OrderId, Position};

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

/// Scans orders for the newest `most` of the list's time and statuses.
///
/// `ages` are the orders that are held without a gap, newest first. `gap` is where the gap begins, if there is one, and `item`
/// finds an order by its id.
pub(super) fn scan<'a>(
    query: &ListQuery,
    most: usize,
    ages: impl Iterator<Item = &'a Age>,
    gap: Option<&Age>,
    item: impl Fn(&OrderId) -> Option<&'a Arc<Item>>,
) -> Held {
    let mut items = Vec::new();
    let (mut last, mut seen) = (None, 0);
    let is_whole = |time: u64| time < query.placed.start;
    for age in ages {
        seen += 1;
        if is_whole(age.0) || items.len() >= most {
            let end = HeldEnd::Whole;
            return Held { items, end };
        }
        if !query.has_place(age.0, &age.1) {
            continue;
        }
        let wanted = item(&age.1).filter(|item| {
            let order = item.order();
            order.is_some_and(|order| query.wants(order.status()))
        });
        items.extend(wanted.cloned());
        last = Some(age);
    }
    let end = match gap {
        Some(gap) if !is_whole(gap.0) => HeldEnd::Gap {
            last: last.map(place),
            seen,
        },
        _ => HeldEnd::Whole,
    };
    Held { items, end }
}
