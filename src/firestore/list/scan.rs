//! Which documents a page of a list needs, and which orders are on it. Knows no connection.
//!
//! The database sorts by the field `timestamp`, lists by the time of placing, which is never later: a `timestamp` that runs
//! ahead of the commit counts as the time of the commit. So documents are read from the newest `timestamp` on, and an order is
//! *settled* once no unread document can stand before it in the list. Only settled orders are on a page.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};

use crate::firestore::document::{rank, to_order};
use crate::firestore::query::TimeType;
use crate::orders::{ListQuery, Order, OrderId, Position};

const MINUTE: i64 = 60_000;

/// How far a phone's clock may run ahead without an effect on lists.
const SLACK_MILLIS: i64 = 24 * 60 * MINUTE;
/// The same where a day has more orders than [`Bounds::slack`].
const LEAST_SLACK_MILLIS: i64 = 10 * MINUTE;

/// Numbers of documents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most read of the future beyond the slack, for each type of `timestamp`: phones whose clocks are far ahead.
    ahead: usize,
    /// Most read of the slack, for each type of `timestamp`.
    slack: usize,
    /// Least read at once.
    chunk: usize,
    /// Orders of the list's time after which a page ends, unless its size needs more. Reached only without the index by status,
    /// or when both types of `timestamp` are in use.
    scanned: usize,
}

pub(super) const BOUNDS: Bounds = Bounds {
    ahead: 100,
    slack: 500,
    chunk: 50,
    scanned: 1_000,
};

/// Documents to read, from the newest `timestamp` on.
#[derive(Debug, Clone)]
pub(in crate::firestore) struct Chunk {
    pub of: TimeType,
    /// Only from this millisecond on.
    pub from: Option<i64>,
    /// Only up to this millisecond, inclusive.
    pub to: Option<i64>,
    /// Only after this document.
    pub after: Option<Place>,
    /// At most this many.
    pub size: usize,
}

/// A document's place in the database's order.
#[derive(Debug, Clone)]
pub(in crate::firestore) struct Place {
    pub timestamp: Value,
    pub name: String,
}

/// What was read of one type of `timestamp`.
struct Cursor {
    of: TimeType,
    /// Unread documents have no later `timestamp` than this, in milliseconds.
    unread: i64,
    /// The last document that was read; `None` where the next one to read is the newest up to `unread`.
    after: Option<Place>,
    read: usize,
    done: bool,
}

/// The state of reading one page.
pub(super) struct Scan<'a> {
    query: &'a ListQuery,
    bounds: Bounds,
    /// The end of the list's time, or now where that is earlier, in milliseconds.
    start: i64,
    now: i64,
    cursors: [Cursor; 2],
    found: HashMap<OrderId, Order>,
    /// How many of the documents that were read belong to the list's time.
    scanned: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(query: &'a ListQuery, now_millis: u64, bounds: Bounds) -> Self {
        let now = signed(now_millis);
        let end = query.upper_bound();
        let start = end.map_or(now, |end| now.min(signed(end.micros() / 1_000)));
        Self {
            query,
            bounds,
            start,
            now,
            cursors: [TimeType::Number, TimeType::Timestamp].map(|of| Cursor {
                of,
                unread: start.saturating_add(SLACK_MILLIS),
                after: None,
                read: 0,
                done: false,
            }),
            found: HashMap::new(),
            scanned: 0,
        }
    }

    /// What is read beside the list's time: orders of phones whose clocks are so far ahead that they still are in the future.
    pub(super) fn ahead(&self) -> [Chunk; 2] {
        [TimeType::Number, TimeType::Timestamp].map(|of| Chunk {
            of,
            from: Some(self.now.saturating_add(SLACK_MILLIS)),
            to: None,
            after: None,
            size: self.bounds.ahead,
        })
    }

    /// What to read next; `None` once the page is known.
    pub(super) fn next_chunk(&self) -> Option<Chunk> {
        // The page, and one order more that tells whether the list goes on; they are settled by one more.
        let wanted = self.query.limit.saturating_add(2);
        let settled = self.settled().count();
        let is_long = self.scanned >= self.bounds.scanned.max(wanted.saturating_mul(2));
        if settled > self.query.limit || is_long && self.has_progress() {
            return None;
        }
        let cursors = self.cursors.iter().filter(|cursor| !cursor.done);
        let cursor = cursors.max_by_key(|cursor| cursor.unread)?;
        // An order is placed no later than its `timestamp` says, so none of the list's time has an older one.
        let oldest = signed(self.query.placed.start / 1_000);
        Some(Chunk {
            of: cursor.of,
            from: Some(oldest).filter(|oldest| *oldest > 0),
            to: Some(if cursor.after.is_some() {
                self.start.saturating_add(SLACK_MILLIS)
            } else {
                cursor.unread
            }),
            after: cursor.after.clone(),
            size: (wanted - settled).max(self.bounds.chunk),
        })
    }

    /// Takes the documents of a chunk of [`Scan::next_chunk`].
    pub(super) fn take(&mut self, chunk: &Chunk, documents: &[Document]) {
        self.scanned += self.keep(documents);
        let near = self.start.saturating_add(LEAST_SLACK_MILLIS);
        for cursor in &mut self.cursors {
            if cursor.of != chunk.of {
                continue;
            }
            cursor.read += documents.len();
            let last = documents.last().filter(|_| documents.len() >= chunk.size);
            let Some((last, millis)) = last.and_then(|last| Some((last, rank(last)?))) else {
                cursor.done = true;
                continue;
            };
            #[expect(clippy::cast_possible_truncation, reason = "saturating is meant")]
            let millis = millis as i64;
            cursor.unread = millis;
            cursor.after = last.fields.get("timestamp").map(|timestamp| Place {
                timestamp: timestamp.clone(),
                name: last.name.clone(),
            });
            if cursor.read >= self.bounds.slack && cursor.unread > near {
                cursor.unread = near;
                cursor.after = None;
            }
        }
    }

    /// Keeps the orders among these documents, and says how many of them belong to the list's time.
    pub(super) fn keep(&mut self, documents: &[Document]) -> usize {
        let orders = documents
            .iter()
            .filter_map(|document| to_order(document).ok());
        let mut count = 0;
        for order in orders {
            if self.query.has_place(order.placed_micros(), &order.id) {
                count += 1;
                if self.query.wants(order.status()) {
                    self.found.insert(order.id.clone(), order);
                }
            }
        }
        count
    }

    /// The page, and where the next one begins; `None` where the list ends.
    pub(super) fn page(self) -> (Vec<Order>, Option<Position>) {
        let ids: Vec<OrderId> = self.settled().map(|order| order.id.clone()).collect();
        let settled_down_to = self.settled_down_to();
        let Self {
            query, mut found, ..
        } = self;
        let mut orders: Vec<Order> = ids.iter().filter_map(|id| found.remove(id)).collect();
        orders.sort_by(|a, b| (b.placed_micros(), &b.id).cmp(&(a.placed_micros(), &a.id)));
        let next = if orders.len() > query.limit {
            orders.truncate(query.limit);
            orders
                .last()
                .map(|last| Position::new(last.placed_micros(), &last.id))
        } else {
            settled_down_to.filter(|place| place.micros() > query.placed.start)
        };
        (orders, next)
    }

    fn settled(&self) -> impl Iterator<Item = &Order> {
        let unread = self.unread();
        self.found
            .values()
            .filter(move |order| unread.is_none_or(|unread| signed(order.placed_millis()) > unread))
    }

    /// The latest millisecond that an unread order may be placed in. Times before 1970 count as its beginning.
    fn unread(&self) -> Option<i64> {
        let cursors = self.cursors.iter().filter(|cursor| !cursor.done);
        cursors.map(|cursor| cursor.unread.max(0)).max()
    }

    /// The place that all unread orders come after.
    fn settled_down_to(&self) -> Option<Position> {
        let unread = u64::try_from(self.unread()?).unwrap_or_default();
        Some(Position::at(unread.saturating_add(1).saturating_mul(1_000)))
    }

    /// Whether the next page would begin further down than this one.
    fn has_progress(&self) -> bool {
        match (self.settled_down_to(), self.query.upper_bound()) {
            (Some(next), Some(start)) => next < start,
            _ => true,
        }
    }
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
