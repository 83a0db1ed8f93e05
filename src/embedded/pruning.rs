//! Removes rows that no longer count, a few at a time.

use rusqlite::{Connection, OptionalExtension as _};

use crate::store::IDEMPOTENCY_MILLIS;

/// How often old rows are looked for, in milliseconds.
const INTERVAL: u64 = 600_000;
/// Most rows of a table that one look removes. Where there are more, the next write removes more.
const LIMIT: usize = 500;
/// How long the record of a removal is kept at least, in milliseconds.
const REMOVALS_KEPT: u64 = 90 * 24 * 3_600_000;

/// When to look, and what to leave alone.
#[derive(Default)]
pub(super) struct Pruning {
    next: u64,
    /// Newest removals that a watch begins with: they tell returning readers what is gone. `None` before the first watch.
    window: Option<usize>,
}

impl Pruning {
    /// Keeps the newest `window` removals, however old they are.
    pub(super) fn keep(&mut self, window: usize) {
        self.window = self.window.max(Some(window));
    }

    /// Removes some old rows when it is time to. Failures are left to the next time.
    pub(super) fn run_when_due(&mut self, connection: &Connection, now: u64) {
        // A clock that was set back doesn't make the interval longer.
        if now < self.next && self.next <= now + INTERVAL {
            return;
        }
        self.next = now + INTERVAL;
        match self.run(connection, now) {
            Ok(true) => self.next = now,
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "old rows stay for now"),
        }
    }

    /// Whether there may be more.
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

    /// Removals before this time, in microseconds, are neither young nor among the newest. `None` where all are.
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
