use std::sync::Arc;

use super::{HeldOrder, OrderId, Position};

/// The newest state of one order, as delivered by a store's watch.
#[derive(Debug, Clone)]
pub enum Change {
    /// The order was created or changed.
    Upsert(Arc<HeldOrder>),
    /// The order was removed at this position.
    Remove {
        /// The removed order.
        id: OrderId,
        /// When its removal was committed, in microseconds since the epoch.
        micros: u64,
    },
}

impl Change {
    /// Position of the change in the order of all changes.
    pub fn position(&self) -> Position {
        match self {
            Self::Upsert(order) => order.position(),
            Self::Remove { id, micros } => Position::new(*micros, id),
        }
    }
}

/// All changes up to one moment of the store: applied atomically, in the order of their positions.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The changes, at most one per order.
    pub changes: Vec<Change>,
    /// True for the first one of a watch, which carries the state of the window and no news.
    pub initial: bool,
    /// True if readers may have seen these orders before: none of them is new.
    pub repeats: bool,
    /// For a first snapshot: every order changed after this position is among the changes, in the window or not. `None` if the
    /// store doesn't know.
    pub complete_after: Option<Position>,
    /// Number of open orders left out for lack of room; `None` if unknown.
    pub hidden_open: Option<usize>,
    /// True if orders may have been created or removed since the last snapshot without being among the changes.
    pub has_gap: bool,
}

/// Age at which an open order was most likely forgotten: at the limit, such orders are left out first.
pub const FORGOTTEN_AFTER_MICROS: u64 = 7 * 24 * 3_600 * 1_000_000;

/// Limits of the orders held in memory.
#[derive(Debug, Clone, Copy)]
pub struct WindowLimits {
    /// Number of newest orders, by time of placing.
    pub orders: usize,
    /// Number of older open orders.
    pub open: usize,
    /// Total bytes of the orders. Beyond it, documents are dropped from memory; cards stay.
    pub bytes: usize,
}
