use super::item::Item;
use crate::orders::{Position, Status};

/// A set of statuses that a stream is limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Box<[Status]>);

impl Filter {
    /// A filter for these statuses; `None` if there are none.
    pub fn new(statuses: Vec<Status>) -> Option<Self> {
        (!statuses.is_empty()).then(|| Self(statuses.into()))
    }

    /// Whether `item` is sent to a reader that has received everything up to `position`: if it is in the set now, or was at that
    /// position, so that no reader keeps showing an order that has left the set.
    pub(super) fn passes_live(&self, item: &Item, position: &Position) -> bool {
        self.is_in(item)
            || item
                .last_status(position)
                .is_none_or(|status| self.has(status))
    }

    /// Whether `item` is part of a replay: if it is in the set now, or may ever have been.
    ///
    /// A cursor doesn't tell what its reader shows: it may have been cut off in the middle of a replay, and may have fetched
    /// newer states.
    pub(super) fn passes_replay(&self, item: &Item) -> bool {
        self.is_in(item) || item.may_have_been(|status| self.has(status))
    }

    /// Removals are sent to every reader: they are few, and an order may have changed unseen while it was outside the window.
    fn is_in(&self, item: &Item) -> bool {
        item.order().is_none_or(|order| self.has(order.status()))
    }

    /// Whether orders with this status are in the set.
    pub(super) fn has(&self, status: &str) -> bool {
        self.0.iter().any(|wanted| wanted.as_str() == status)
    }
}
