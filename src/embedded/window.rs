//! Reads the snapshots that a watch delivers.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::rows::{COLUMNS, find_row, read_order, stored_id};
use crate::orders::{
    Change, FORGOTTEN_AFTER_MICROS, HeldOrder, Order, OrderId, Position, Snapshot, WindowLimits,
};

/// The exact condition of the partial index `orders_open`: SQLite uses the index only for the same text.
const IS_OPEN: &str = "status NOT IN ('DELIVERED', 'COMPLETED', 'CANCELLED', 'RETURNED')";

/// The first snapshot of a watch: the newest orders, all open ones, the last changed ones, and the newest removals, in the
/// order of their positions.
pub(super) fn initial(connection: &Connection, window: WindowLimits) -> rusqlite::Result<Snapshot> {
    let mut reading = Reading::new(connection, window);
    // Open orders first, so that when memory is short, the documents of finished orders are left out.
    let hidden_open = reading.read_open()?;
    reading.read(
        "ORDER BY placed_micros DESC, id DESC LIMIT ?1",
        [window.orders],
    )?;
    let complete_after = reading.read_changed()?;
    reading.read_removals()?;
    let mut changes = reading.changes;
    changes.sort_by_cached_key(Change::position);
    Ok(Snapshot {
        changes,
        initial: true,
        complete_after: Some(complete_after),
        hidden_open: Some(hidden_open),
        ..Snapshot::default()
    })
}

/// A snapshot that repeats the open orders.
pub(super) fn open_orders(
    connection: &Connection,
    window: WindowLimits,
) -> rusqlite::Result<Snapshot> {
    let mut reading = Reading::new(connection, window);
    let hidden_open = reading.read_open()?;
    let mut changes = reading.changes;
    changes.sort_by_cached_key(Change::position);
    Ok(Snapshot {
        changes,
        repeats: true,
        hidden_open: Some(hidden_open),
        ..Snapshot::default()
    })
}

struct Reading<'a> {
    connection: &'a Connection,
    window: WindowLimits,
    ids: HashSet<OrderId>,
    changes: Vec<Change>,
    /// Bytes read so far.
    bytes: usize,
}

impl<'a> Reading<'a> {
    fn new(connection: &'a Connection, window: WindowLimits) -> Self {
        Self {
            connection,
            window,
            ids: HashSet::new(),
            changes: Vec::new(),
            bytes: 0,
        }
    }

    /// Reads the open orders, and returns how many are left out. Beyond the limit they are chosen as [`View`](crate::hub) does:
    /// forgotten ones last, and among the others the longest waiting first.
    fn read_open(&mut self) -> rusqlite::Result<usize> {
        let open = self.window.open;
        let newest = self.newest_begin()?;
        let older = format!("{IS_OPEN} AND (placed_micros, id) < (?1, ?2)");
        let all: usize = self
            .connection
            .prepare_cached(&format!("SELECT count(*) FROM orders WHERE {older}"))?
            .query_row(params![newest.0, newest.1], |row| row.get(0))?;
        if all <= open {
            self.read(
                &format!("WHERE {IS_OPEN} ORDER BY placed_micros DESC, id DESC"),
                [],
            )?;
            return Ok(0);
        }
        self.read(
            &format!("WHERE {IS_OPEN} AND (placed_micros, id) >= (?1, ?2)"),
            params![newest.0, newest.1],
        )?;
        let before = self.changes.len();
        let forgotten = self.newest_change()?.saturating_sub(FORGOTTEN_AFTER_MICROS);
        self.read(
            &format!("WHERE {older} AND placed_micros >= ?3 ORDER BY placed_micros, id LIMIT ?4"),
            params![newest.0, newest.1, forgotten, open],
        )?;
        let rest = open - (self.changes.len() - before);
        self.read(
            &format!(
                "WHERE {older} AND placed_micros < ?3 ORDER BY placed_micros DESC, id DESC LIMIT ?4"
            ),
            params![newest.0, newest.1, forgotten, rest],
        )?;
        Ok(all - open)
    }

    /// When the oldest of the newest orders was placed, and its id.
    fn newest_begin(&self) -> rusqlite::Result<(u64, String)> {
        let oldest = self
            .connection
            .prepare_cached(
                "SELECT placed_micros, id FROM orders ORDER BY placed_micros DESC, id DESC LIMIT 1 OFFSET ?1",
            )?
            .query_row([self.window.orders - 1], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(oldest.unwrap_or_default())
    }

    /// Commit time of the newest change, in microseconds.
    fn newest_change(&self) -> rusqlite::Result<u64> {
        self.connection
            .prepare_cached("SELECT coalesce(max(updated_micros), 0) FROM orders")?
            .query_row([], |row| row.get(0))
    }

    /// Reads the last changed orders. Returns a position after which no other order has changed.
    fn read_changed(&mut self) -> rusqlite::Result<Position> {
        let changed: Vec<(String, u64)> = self
            .connection
            .prepare_cached(
                "SELECT id, updated_micros FROM orders ORDER BY updated_micros DESC, id DESC LIMIT ?1",
            )?
            .query_map([self.window.orders], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (id, _) in &changed {
            let id = stored_id(id)?;
            if !self.ids.contains(&id)
                && let Some(order) = find_row(self.connection, &id)?
            {
                self.take(&order);
            }
        }
        match changed.last() {
            Some((id, micros)) if changed.len() == self.window.orders => {
                Ok(Position::new(*micros, &stored_id(id)?))
            }
            _ => Ok(Position::beginning()),
        }
    }

    fn read_removals(&mut self) -> rusqlite::Result<()> {
        let mut removals = self
            .connection
            .prepare_cached("SELECT id, micros FROM removals ORDER BY micros DESC LIMIT ?1")?;
        let removals = removals.query_map([self.window.orders], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        })?;
        for removal in removals {
            let (id, micros) = removal?;
            self.changes.push(Change::Remove {
                id: stored_id(&id)?,
                micros,
            });
        }
        Ok(())
    }

    /// Reads orders one by one: all of them as parsed documents could take gigabytes.
    fn read(&mut self, which: &str, params: impl Params) -> rusqlite::Result<()> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM orders {which}"))?;
        for order in statement.query_map(params, read_order)? {
            self.take(&order?);
        }
        Ok(())
    }

    fn take(&mut self, order: &Order) {
        if !self.ids.insert(order.id.clone()) {
            return;
        }
        let held = HeldOrder::from(order);
        if self.bytes + held.size() > self.window.bytes {
            held.drop_document();
        }
        self.bytes += held.size();
        self.changes.push(Change::Upsert(Arc::new(held)));
    }
}
