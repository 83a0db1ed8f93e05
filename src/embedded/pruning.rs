//! Removes expired rows in small steps.

use rusqlite::{Connection, OptionalExtension as _};

use crate::store::IDEMPOTENCY_MILLIS;

/// Time between looks for old rows, in milliseconds.
const INTERVAL: u64 = 600_000;
/// Maximum rows of a table removed at once. If there are more, the next write removes more.
const LIMIT: usize = 500;
/// Minimum time that the record of a removal is kept, in milliseconds.
const REMOVALS_KEPT: u64 = 90 * 24 * 3_600_000;

/// When to prune next, and what to keep.
#[derive(Default)]
pub(super) struct Pruning {
    next: u64,
    /// Number of removals in a watch's first snapshot, which tell returning readers what is gone. `None` before the first
    /// watch.
    window: Option<usize>,
}

impl Pruning {
    /// Keeps at least the newest `window` removals, whatever their age.
    pub(super) fn keep(&mut self, window: usize) {
        self.window = self.window.max(Some(window));
    }

    /// Removes some old rows when due. After a failure, the next run tries again.
    pub(super) fn run_when_due(&mut self, connection: &Connection, now: u64) {
        // Setting the clock back doesn't lengthen the interval.
        if now < self.next && self.next <= now + INTERVAL {
            return;
        }
        self.next = now + INTERVAL;
        match self.run(connection, now) {
            Ok(true) => self.next = now,
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, "old rows can't be removed yet; a later write tries again");
            }
        }
    }

    /// Removes some old rows. True if there may be more.
    fn run(&self, connection: &Connection, now: u64) -> rusqlite::Result<bool> {
        let keys = connection
            .prepare_cached(
                "DELETE FROM idempotency WHERE key IN
                 (SELECT key FROM idempotency WHERE created_millis < ?1 LIMIT ?2)",
            )?
            .execute((now.saturating_sub(IDEMPOTENCY_MILLIS), LIMIT))?;
        let removals = match self.oldest_removal_kept(connection, now)? {
            Some(micros) => connection
                .prepare_cached(
                    "DELETE FROM removals WHERE micros IN
                     (SELECT micros FROM removals WHERE micros < ?1 ORDER BY micros LIMIT ?2)",
                )?
                .execute((micros, LIMIT))?,
            None => 0,
        };
        Ok(keys == LIMIT || removals == LIMIT)
    }

    /// Removals before this time, in microseconds, may be deleted. `None` before the first watch, or without removals.
    fn oldest_removal_kept(
        &self,
        connection: &Connection,
        now: u64,
    ) -> rusqlite::Result<Option<u64>> {
        let Some(window) = self.window else {
            return Ok(None);
        };
        let newest: Option<u64> = connection
            .prepare_cached("SELECT micros FROM removals ORDER BY micros DESC LIMIT 1 OFFSET ?1")?
            .query_row([window.saturating_sub(1)], |row| row.get(0))
            .optional()?;
        let young = now.saturating_sub(REMOVALS_KEPT) * 1_000;
        Ok(newest.map(|newest| newest.min(young)))
    }
}
