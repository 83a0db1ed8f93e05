use std::sync::Arc;

use super::{HeldOrder, OrderId, Position};

/// One order's newest state, as a store's watch tells of it.
#[derive(Debug, Clone)]
pub enum Change {
    /// The order was created or changed.
    Upsert(Arc<HeldOrder>),
    /// The order was removed at this position.
    Remove {
        /// Which order is gone.
        id: OrderId,
        /// When its removal was committed, in microseconds since the epoch.
        micros: u64,
    },
}

impl Change {
    /// Where the change stands among all others.
    pub fn position(&self) -> Position {
        match self {
            Self::Upsert(order) => order.position(),
            Self::Remove { id, micros } => Position::new(*micros, id),
        }
    }
}

/// All changes up to one moment of the store: applied whole or not at all, in the order of their positions.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The changes, at most one for each order.
    pub changes: Vec<Change>,
    /// True for the first one of a watch: the state of the window, not something that has just happened.
    pub initial: bool,
    /// Readers may have been told of these orders before: none of them is new.
    pub repeats: bool,
    /// Of a first one: every order that has changed after this position is among the changes, also those that are in no window.
    /// `None` where the store can't tell.
    pub complete_after: Option<Position>,
    /// How many open orders were left out because there are too many; `None` where the snapshot doesn't say.
    pub hidden_open: Option<usize>,
    /// Orders may have come and gone since the last snapshot that are not among the changes.
    pub has_gap: bool,
}

/// An open order that was placed so long ago was most likely forgotten: where there are too many, such orders are left out first.
pub const FORGOTTEN_AFTER_MICROS: u64 = 7 * 24 * 3_600 * 1_000_000;

/// How many orders are held in memory.
#[derive(Debug, Clone, Copy)]
pub struct WindowLimits {
    /// Newest orders, by the time of placing.
    pub orders: usize,
    /// Open orders that are older than those.
    pub open: usize,
    /// Bytes of all orders held. Beyond it documents leave memory; cards stay.
    pub bytes: usize,
}
