//! Lists of orders that reach beyond the window.

use firestore::gcloud_sdk::tonic::Code;

use super::FirestoreStore;
use super::document::to_order;
use super::fault::Fault;
use super::query::{self, TimeType};
use super::usage::Cause;
use crate::orders::Order;
use crate::store::ListQuery;

/// Phones whose clocks are ahead by less than this don't upset the order of a list.
const SLACK_MILLIS: i64 = 10 * 60 * 1_000;
/// Orders from the future that are looked at: phones whose clocks are far ahead.
const AHEAD: usize = 100;
/// Orders read at once.
const LEAST_CHUNK: usize = 50;
/// Most orders read for one page when the index by status is missing.
const MOST_SCANNED: usize = 1_000;

/// One of the two types of `timestamp`, read from the newest on.
struct Cursor {
    of: TimeType,
    /// Orders that are placed no later than this may be unread still; `None` before the first chunk and after the last.
    unread_below: Option<i64>,
    done: bool,
}

impl FirestoreStore {
    /// A page of orders by the time of placing, which may differ from the field `timestamp` that the database sorts by: it
    /// never runs ahead of the commit. An order is listed once nothing unread can stand before it.
    pub(super) async fn list_orders(&self, query: &ListQuery) -> Result<Vec<Order>, Fault> {
        let now = signed(self.clock.millis());
        let bound = query.upper_bound();
        let top = bound
            .as_ref()
            .map_or(now, |bound| now.min(signed(bound.micros() / 1_000)));
        let top = top.saturating_add(SLACK_MILLIS);
        // An order is placed no later than its `timestamp` says, so none of the range has an older one.
        let oldest = Some(signed(query.placed.start / 1_000)).filter(|oldest| *oldest > 0);
        let mut found = Vec::new();
        for of in [TimeType::Number, TimeType::Timestamp] {
            let (orders, _) = self
                .chunk(
                    query,
                    of,
                    Some(now.saturating_add(SLACK_MILLIS)),
                    None,
                    AHEAD,
                )
                .await?;
            found.extend(orders);
        }
        let mut cursors = [TimeType::Number, TimeType::Timestamp].map(|of| Cursor {
            of,
            unread_below: None,
            done: false,
        });
        let mut scanned = 0;
        while let Some(cursor) = next_cursor(&mut cursors) {
            let from = cursor.unread_below.unwrap_or(top);
            let size = (query.limit + 1).max(LEAST_CHUNK);
            let (orders, last) = self
                .chunk(query, cursor.of, oldest, Some(from), size)
                .await?;
            scanned += size;
            // A whole chunk within one millisecond can't be told from its own end.
            cursor.done = last.is_none_or(|last| last >= from && cursor.unread_below.is_some());
            cursor.unread_below = last;
            found.extend(orders);
            let horizon = cursors
                .iter()
                .filter(|cursor| !cursor.done)
                .filter_map(|cursor| cursor.unread_below)
                .max();
            let settled = found.iter().filter(|order| belongs(query, order));
            let settled = settled.filter(|order| {
                horizon.is_none_or(|horizon| signed(order.placed_millis()) > horizon)
            });
            let mut ids: Vec<_> = settled.map(|order| &order.id).collect();
            ids.sort_unstable();
            ids.dedup();
            let begun = cursors
                .iter()
                .all(|cursor| cursor.done || cursor.unread_below.is_some());
            if begun && ids.len() >= query.limit || scanned >= MOST_SCANNED + 2 * size {
                break;
            }
        }
        Ok(page(found, query))
    }

    /// Orders from `to` downwards, and the `timestamp` of the last one where there may be more.
    async fn chunk(
        &self,
        query: &ListQuery,
        of: TimeType,
        from: Option<i64>,
        to: Option<i64>,
        size: usize,
    ) -> Result<(Vec<Order>, Option<i64>), Fault> {
        let collection = &self.connection.settings().collection;
        let statuses: &[String] = &query.statuses;
        let wanted = query::between(collection, of, from, to, statuses, size);
        let documents = match self.connection.query(wanted, Cause::Lookup).await {
            // Without the index by status, orders of all statuses are read.
            Err(fault) if fault.code == Some(Code::FailedPrecondition) && !statuses.is_empty() => {
                let all = query::between(collection, of, from, to, &[], size);
                self.connection.query(all, Cause::Lookup).await?
            }
            other => other?,
        };
        let more = documents.len() >= size;
        let orders: Vec<Order> = documents
            .iter()
            .filter_map(|document| to_order(document).ok())
            .collect();
        let oldest = orders
            .iter()
            .filter_map(Order::timestamp_millis)
            .min()
            .filter(|_| more);
        Ok((orders, oldest))
    }
}

/// The type to read on: one that hasn't begun, or the one whose unread orders may be newest.
fn next_cursor(cursors: &mut [Cursor; 2]) -> Option<&mut Cursor> {
    cursors
        .iter_mut()
        .filter(|cursor| !cursor.done)
        .max_by_key(|cursor| cursor.unread_below.unwrap_or(i64::MAX))
}

fn belongs(query: &ListQuery, order: &Order) -> bool {
    query.has_place(order.placed_micros(), &order.id) && query.wants(order.status())
}

fn page(mut found: Vec<Order>, query: &ListQuery) -> Vec<Order> {
    found.retain(|order| belongs(query, order));
    found.sort_by(|a, b| (b.placed_micros(), &b.id).cmp(&(a.placed_micros(), &a.id)));
    found.dedup_by(|a, b| a.id == b.id);
    found.truncate(query.limit);
    found
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}
