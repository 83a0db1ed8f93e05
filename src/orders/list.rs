use std::ops::Range;

use super::{HeldOrder, OrderId, Position};

/// A query for a list of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only orders with one of these statuses; all if empty.
    pub statuses: Vec<String>,
    /// Maximum number of orders.
    pub limit: usize,
    /// Only orders after this place in the list: time of placing in microseconds, and id.
    pub before: Option<Position>,
    /// Only orders placed in this range, in microseconds since the epoch. `u64::MAX` means no end.
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

    /// The place that all listed orders come after: `before`, or the end of `placed` if that is older. `None` if the list
    /// begins with the newest order.
    pub fn upper_bound(&self) -> Option<Position> {
        let end = Some(self.placed.end).filter(|end| *end < u64::MAX);
        self.before
            .clone()
            .into_iter()
            .chain(end.map(Position::at))
            .min()
    }

    /// Whether an order placed at this time, in microseconds, is listed.
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
    /// At most [`ListQuery::limit`] orders. May be short or empty although the list continues: a store that has to read many
    /// others may end a page early.
    pub orders: Vec<HeldOrder>,
    /// The `before` of the next page. Every order of the list before it was on this page or an earlier one. `None` exactly at
    /// the end of the list.
    pub next: Option<Position>,
}
