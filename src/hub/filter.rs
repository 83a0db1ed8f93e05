use super::Item;
use crate::orders::{Position, Status};

/// The statuses that a reader wants to know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Box<[Status]>);

impl Filter {
    /// A filter for these statuses, none where there are none.
    pub fn new(statuses: Vec<Status>) -> Option<Self> {
        (!statuses.is_empty()).then(|| Self(statuses.into()))
    }

    /// Whether a reader that is at `position` without a gap is told of `item`: when it is in the reader's set now, or was at
    /// that position, so that no reader keeps showing an order that has left.
    pub(super) fn passes_live(&self, item: &Item, position: &Position) -> bool {
        self.is_in(item)
            || item
                .last_status(position)
                .is_none_or(|status| self.has(status))
    }

    /// Whether a reader that comes back with `position` is told of `item`.
    ///
    /// It may have been cut off in the middle of a replay, so that its position says what it was told of the orders that it
    /// was told of, and not that it knows all others as they were then. What it shows is what they were at some time before.
    pub(super) fn passes_replay(&self, item: &Item, position: &Position) -> bool {
        self.is_in(item) || item.may_have_been(position, |status| self.has(status))
    }

    /// Removals are told to everybody: they are few, and an order may have changed unseen while it was outside of the window.
    fn is_in(&self, item: &Item) -> bool {
        item.order().is_none_or(|order| self.has(order.status()))
    }

    /// Whether orders with this status are in the set.
    pub(super) fn has(&self, status: &str) -> bool {
        self.0.iter().any(|wanted| wanted.as_str() == status)
    }
}
