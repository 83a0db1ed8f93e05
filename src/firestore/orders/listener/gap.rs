//! Detects orders that come and go between two snapshots.
//!
//! A target holds the newest orders, up to its limit. If more than that come before the next snapshot, the first of them are
//! never sent. They are placed between the newest order of the last snapshot and the oldest of this one.

/// Sort keys of a target's orders at a snapshot, in milliseconds.
pub(super) struct Before {
    newest: Option<f64>,
    /// Sort keys after the snapshot: clients' clocks may be ahead, and such an order is the newest for a long time.
    future: Vec<f64>,
}

impl Before {
    /// `ranks` are the target's sort keys at a snapshot with the read time `read_micros`.
    pub(super) fn new(ranks: impl Iterator<Item = f64>, read_micros: u64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of this era fit nearly"
        )]
        let now = read_micros as f64 / 1e3;
        let (past, future): (Vec<f64>, Vec<f64>) = ranks.partition(|rank| *rank <= now);
        Self {
            newest: past.into_iter().reduce(f64::max),
            future,
        }
    }

    /// Whether the target, which is full and holds `ranks` now, may have left out orders that came since.
    pub(super) fn has_gap(&self, ranks: impl Iterator<Item = f64>) -> bool {
        let Some(oldest) = ranks.reduce(f64::min) else {
            return false;
        };
        self.newest.is_none_or(|newest| newest < oldest) && !self.future.contains(&oldest)
    }
}
