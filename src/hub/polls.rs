//! Orders and counts for polls and pages, read from the view.

use std::collections::BTreeMap;

use super::filter::Filter;
use super::hub::Hub;
use super::item::Item;
use super::resume::ResumeState;
use crate::orders::{OrderId, Position};
use crate::sync::Arc;

/// An answer to a poll.
pub struct Recent {
    /// The orders, and removals if the poll had a cursor.
    pub items: Vec<Arc<Item>>,
    /// The cursor of the next poll.
    pub cursor: Position,
    /// Whether the cursor was older than the window: `items` are then all orders of the window.
    pub reset: bool,
}

/// Counts over the window.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Orders in the window.
    pub total_orders: usize,
    /// Sum of their amounts.
    pub total_revenue: f64,
    /// Number of orders by status.
    pub status_counts: BTreeMap<String, usize>,
}

impl Hub {
    /// The newest `limit` orders that pass `filter`, newest first by the time of placing.
    pub fn newest(&self, limit: usize, filter: Option<&Filter>) -> Recent {
        let state = self.read();
        let wanted = |item: &&Arc<Item>| {
            filter.is_none_or(|filter| item.order().is_some_and(|order| filter.has(order.status())))
        };
        Recent {
            items: state
                .view
                .newest()
                .filter(wanted)
                .take(limit)
                .cloned()
                .collect(),
            cursor: state.view.head().clone(),
            reset: false,
        }
    }

    /// The first `limit` changes after `cursor`, oldest first.
    ///
    /// The answer's cursor is that of the next poll, also if the answer was cut at `limit`.
    pub fn since(&self, cursor: &Position, limit: usize, filter: Option<&Filter>) -> Recent {
        let state = self.read();
        let (mut items, head, reset) = match ResumeState::of(&state.view, cursor, &self.clock) {
            ResumeState::Behind { missed, head } => (missed, head, false),
            ResumeState::Current => (Vec::new(), cursor.clone(), false),
            ResumeState::Lost { head } => {
                let beginning = Position::beginning();
                let window = state
                    .view
                    .after(&beginning)
                    .filter(|item| item.order().is_some());
                (window.cloned().collect(), head, true)
            }
        };
        if let Some(filter) = filter {
            items.retain(|item| filter.passes_replay(item));
        }
        if items.len() > limit && !reset {
            items.truncate(limit);
            let cursor = items.last().map_or(head, |last| last.position().clone());
            return Recent {
                items,
                cursor,
                reset,
            };
        }
        Recent {
            items,
            cursor: head,
            reset,
        }
    }

    /// The order with this id, if it is in the window. `None` too for finished orders kept for returning readers only.
    pub fn get(&self, id: &OrderId) -> Option<Arc<Item>> {
        self.read().view.get(id).cloned()
    }

    /// Counts over the window.
    pub fn stats(&self) -> Stats {
        let state = self.read();
        let mut stats = Stats {
            total_orders: 0,
            total_revenue: 0.0,
            status_counts: BTreeMap::new(),
        };
        for order in state.view.newest().filter_map(|item| item.order()) {
            stats.total_orders += 1;
            stats.total_revenue += order.total.unwrap_or_default();
            *stats
                .status_counts
                .entry(order.status().to_owned())
                .or_default() += 1;
        }
        // Amounts are decimal: without this, ten orders of 0.1 sum up to 0.9999999999999999.
        stats.total_revenue = (stats.total_revenue * 1e4).round() / 1e4;
        stats
    }
}
