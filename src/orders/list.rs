use std::ops::Range;

use super::{HeldOrder, OrderId, Position};

/// Which orders a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only orders with one of these statuses; all where empty.
    pub statuses: Vec<String>,
    /// At most this many.
    pub limit: usize,
    /// Only orders that come after this place in the list: the time of placing in microseconds, and the id.
    pub before: Option<Position>,
    /// Only orders that were placed within this time, in microseconds since the epoch. It ends at `u64::MAX` where it has no end.
    pub placed: Range<u64>,
}

impl ListQuery {
    /// The newest orders of all.
    pub fn newest(limit: usize) -> Self {
        Self {
            statuses: Vec::new(),
            limit,
            before: None,
            placed: 0..u64::MAX,
        }
    }

    /// The place that every listed order comes after: `before`, or the end of `placed` where that is older. `None` where the
    /// list begins with the newest order.
    pub fn upper_bound(&self) -> Option<Position> {
        let end = Some(self.placed.end).filter(|end| *end < u64::MAX);
        self.before
            .clone()
            .into_iter()
            .chain(end.map(Position::at))
            .min()
    }

    /// Whether an order that was placed at this time, in microseconds, is listed.
    pub fn has_place(&self, placed_micros: u64, id: &OrderId) -> bool {
        let is_before =
            |before: &Position| (placed_micros, id.as_str()) < (before.micros(), before.id());
        self.placed.contains(&placed_micros) && self.before.as_ref().is_none_or(is_before)
    }

    /// Whether orders with this status are listed.
    pub fn wants(&self, status: &str) -> bool {
        self.statuses.is_empty() || self.statuses.iter().any(|wanted| wanted == status)
    }
}

/// A page of a list.
#[derive(Debug)]
pub struct ListPage {
    /// The orders, [`ListQuery::limit`] at most. A store that has to read many others may end a page early: it may be short or
    /// empty although the list goes on.
    pub orders: Vec<HeldOrder>,
    /// The `before` of the next page: further down the list than this page's, and every order of the list above it was on this
    /// page or one before. `None` where the list ends, and only there.
    pub next: Option<Position>,
}
