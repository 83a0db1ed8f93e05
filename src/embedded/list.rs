use std::iter::repeat_n;

use rusqlite::Connection;
use rusqlite::types::Value as SqlValue;

use super::rows::{COLUMNS, read_order};
use crate::orders::{HeldOrder, ListPage, ListQuery, Position};

/// A page of the list, newest first.
pub(super) fn list(connection: &Connection, query: &ListQuery) -> rusqlite::Result<ListPage> {
    let mut orders = connection
        .prepare_cached(&statement(query.statuses.len()))?
        .query_map(rusqlite::params_from_iter(parameters(query)), |row| {
            // One by one: all of them as parsed documents could take gigabytes.
            read_order(row).map(|order| HeldOrder::from(&order))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let goes_on = orders.len() > query.limit;
    orders.truncate(query.limit);
    let next = orders
        .last()
        .filter(|_| goes_on)
        .map(|last| Position::new(last.placed_micros, &last.id));
    Ok(ListPage { orders, next })
}

/// The query for a number of statuses. Each status is read from its own range of an index and the ranges are merged, so a rare
/// status among a million orders costs no more than a common one.
fn statement(statuses: usize) -> String {
    let found = if statuses == 0 {
        newest("")
    } else {
        let parts = repeat_n(newest("AND status = ?"), statuses).enumerate();
        // All parts share parameters 1 to 4; the statuses follow.
        let parts = parts.map(|(index, part)| {
            let numbered = part.replace("status = ?", &format!("status = ?{}", index + 5));
            format!("SELECT * FROM ({numbered})")
        });
        parts.collect::<Vec<_>>().join(" UNION ALL ")
    };
    format!(
        "SELECT {COLUMNS} FROM orders JOIN
           (SELECT number FROM ({found}) ORDER BY placed_micros DESC, id DESC LIMIT ?4) ON orders.rowid = number
         ORDER BY orders.placed_micros DESC, orders.id DESC"
    )
}

/// Numbers of the newest orders before a place and not before a time.
fn newest(by_status: &str) -> String {
    format!(
        "SELECT rowid AS number, placed_micros, id FROM orders
         WHERE (placed_micros, id) < (?1, ?2) AND placed_micros >= ?3 {by_status}
         ORDER BY placed_micros DESC, id DESC LIMIT ?4"
    )
}

fn parameters(query: &ListQuery) -> Vec<SqlValue> {
    let signed = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
    let (micros, id) = query
        .upper_bound()
        .map_or((i64::MAX, String::new()), |place| {
            (signed(place.micros()), place.id().to_owned())
        });
    // One more than the page holds, to detect a next page.
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let bounds: [SqlValue; 4] = [
        micros.into(),
        id.into(),
        signed(query.placed.start).into(),
        limit.saturating_add(1).into(),
    ];
    let statuses = query.statuses.iter().cloned().map(SqlValue::from);
    bounds.into_iter().chain(statuses).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::schema;

    #[test]
    fn no_list_reads_more_orders_than_it_shows() -> anyhow::Result<()> {
        let mut connection = Connection::open_in_memory()?;
        schema::prepare(&mut connection)?;
        for statuses in [0, 1, 2, 11] {
            let query = ListQuery {
                statuses: (0..statuses)
                    .map(|number| format!("STATUS {number}"))
                    .collect(),
                limit: 50,
                before: None,
                placed: 0..u64::MAX,
            };
            let mut plan =
                connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement(statuses)))?;
            let steps: Vec<String> = plan
                .query_map(rusqlite::params_from_iter(parameters(&query)), |row| {
                    row.get(3)
                })?
                .collect::<Result<_, _>>()?;
            let index = if statuses == 0 {
                "orders_newest"
            } else {
                "orders_by_status (status=?"
            };
            let searches = steps.iter().filter(|step| step.contains(index)).count();
            assert_eq!(searches, statuses.max(1), "{steps:#?}");
            assert!(
                !steps.iter().any(|step| step == "SCAN orders"),
                "{steps:#?}"
            );
        }
        Ok(())
    }
}
