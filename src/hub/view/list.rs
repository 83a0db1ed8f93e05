use std::sync::Arc;

use super::{Age, View};
use crate::hub::Item;
use crate::orders::{Position, Search};
use crate::store::ListQuery;

/// Orders of a list, and where to go on.
pub(in crate::hub) type Page = (Vec<Arc<Item>>, Option<Position>);

/// Why a look through the orders in memory has ended.
enum End {
    /// There are no more orders from the time that is asked for.
    Whole,
    /// The page is full, and there is another order for the next one, which begins after this place.
    Full(Position),
    /// Older orders may be missing.
    Gap {
        /// The last order from the time that is asked for.
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
    /// A page of the list, and the place where the next one begins if there may be one; `None` where only the store can tell.
    ///
    /// With a `search`, a page may end early where memory ends.
    pub(in crate::hub) fn list(&self, query: &ListQuery, search: &Search) -> Option<Page> {
        if !self.started() {
            return None;
        }
        let (items, end) = self.scan(query, search);
        match end {
            End::Whole => Some((items, None)),
            End::Full(next) => Some((items, Some(next))),
            End::Gap { last, .. } if items.len() == query.limit || !search.is_everything() => {
                Some((items, Some(last?)))
            }
            End::Gap { .. } => None,
        }
    }

    /// The newest orders that are held without a gap, as a page: those of them that are asked for, and where the next page
    /// begins if there may be older ones. `None` where less than half of the window is left of them, because many were removed,
    /// or none is from the time that is asked for: only the store can tell then.
    pub(in crate::hub) fn list_held(&self, query: &ListQuery, search: &Search) -> Option<Page> {
        if !self.started() || query.before.is_some() {
            return None;
        }
        let (items, end) = self.scan(query, search);
        match end {
            End::Whole => Some((items, None)),
            End::Full(next) => Some((items, Some(next))),
            End::Gap { last, seen } => {
                (seen >= self.limits.orders.div_ceil(2)).then_some((items, Some(last?)))
            }
        }
    }

    /// Looks for a page of orders among those that are held without a gap.
    fn scan(&self, query: &ListQuery, search: &Search) -> (Vec<Arc<Item>>, End) {
        let mut items = Vec::new();
        let mut last = None;
        let mut seen = 0;
        for age in self.without_gap() {
            seen += 1;
            if age.0 < query.placed.start {
                return (items, End::Whole);
            }
            if !query.has_place(age.0, &age.1) {
                continue;
            }
            let wanted = self.by_id.get(&age.1).filter(|item| {
                item.order()
                    .is_some_and(|order| query.wants(order.status()) && search.matches(order))
            });
            if let Some(item) = wanted {
                if let Some(last) = last.filter(|_| items.len() == query.limit) {
                    return (items, End::Full(place(last)));
                }
                items.push(Arc::clone(item));
            }
            last = Some(age);
        }
        let is_whole = |(gap, _): &Age| *gap < query.placed.start;
        let end = match &self.gap {
            Some(gap) if !is_whole(gap) => End::Gap {
                last: last.map(place),
                seen,
            },
            _ => End::Whole,
        };
        (items, end)
    }
}
