//! Rows of the table `orders`.

use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::{Map, Value};

use crate::orders::{Order, OrderId};

/// The columns that [`read_order`] reads.
pub(super) const COLUMNS: &str = "id, data, created_micros, updated_micros";

/// The order with this id.
pub(super) fn find_row(connection: &Connection, id: &OrderId) -> rusqlite::Result<Option<Order>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM orders WHERE id = ?1"))?
        .query_row([id.as_str()], read_order)
        .optional()
}

/// Reads a row of [`COLUMNS`].
pub(super) fn read_order(row: &Row<'_>) -> rusqlite::Result<Order> {
    let id: String = row.get(0)?;
    let data: Rc<str> = row.get(1)?;
    let fields: Map<String, Value> =
        serde_json::from_str(&data).map_err(|error| bad_column(1, error))?;
    Ok(Order {
        id: stored_id(&id)?,
        fields,
        created_micros: row.get(2)?,
        updated_micros: row.get(3)?,
    })
}

/// An id as stored. An invalid one is an error of the row, since only valid ids are written.
pub(super) fn stored_id(id: &str) -> rusqlite::Result<OrderId> {
    OrderId::parse(id).map_err(|error| bad_column(0, error))
}

fn bad_column(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
