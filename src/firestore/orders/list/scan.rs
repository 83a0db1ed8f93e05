//! Selects the documents to read for a page of a list, and the orders on it. Makes no calls itself.
//!
//! The database sorts by the field `timestamp`, lists by the time of placing, which is never later: a `timestamp` ahead of the
//! commit counts as the time of the commit. So documents are read from the newest `timestamp` down, and an order is *settled*
//! once no unread document can come before it in the list. Only settled orders are on a page.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::firestore::document::{rank, to_order};
use crate::firestore::query::{Chunk, Place, TimeType};
use crate::orders::{ListQuery, Order, OrderId, Position};

const MINUTE: i64 = 60_000;

/// How far a phone's clock may be ahead without an effect on lists.
const SLACK_MILLIS: i64 = 24 * 60 * MINUTE;
/// The same, if a day has more orders than [`Bounds::slack`].
const LEAST_SLACK_MILLIS: i64 = 10 * MINUTE;

/// Limits of a scan, in documents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Maximum read beyond the slack, per type of `timestamp`: orders of phones whose clocks are far ahead.
    ahead: usize,
    /// Maximum read within the slack, per type of `timestamp`.
    slack: usize,
    /// Minimum read at once.
    chunk: usize,
    /// Orders in the list's time range after which a page ends, unless its size needs more. Reached only without the index by
    /// status, or when both types of `timestamp` are in use.
    scanned: usize,
}

pub(super) const BOUNDS: Bounds = Bounds {
    ahead: 100,
    slack: 500,
    chunk: 50,
    scanned: 1_000,
};

/// Progress through the documents of one type of `timestamp`.
struct TypeProgress {
    of: TimeType,
    /// Latest `timestamp` that an unread document can have, in milliseconds.
    unread: i64,
    /// The last document read; `None` if the next one to read is the newest up to `unread`.
    after: Option<Place>,
    read: usize,
    done: bool,
}

/// State of reading one page.
pub(super) struct Scan<'a> {
    query: &'a ListQuery,
    bounds: Bounds,
    /// The end of the list's time range, or now if that is earlier, in milliseconds.
    start: i64,
    now: i64,
    types: [TypeProgress; 2],
    found: HashMap<OrderId, Order>,
    /// Number of documents read that are in the list's time range.
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
            types: [TimeType::Number, TimeType::Timestamp].map(|of| TypeProgress {
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

    /// Chunks to read in addition: orders of phones whose clocks are so far ahead that their `timestamp` is still in the future.
    pub(super) fn ahead(&self) -> [Chunk; 2] {
        [TimeType::Number, TimeType::Timestamp].map(|of| Chunk {
            of,
            from: Some(self.now.saturating_add(SLACK_MILLIS)),
            to: None,
            after: None,
            size: self.bounds.ahead,
        })
    }

    /// The next chunk to read; `None` once the page is complete.
    pub(super) fn next_chunk(&self) -> Option<Chunk> {
        // The page, one order to detect that the list goes on, and one more that settles them.
        let wanted = self.query.limit.saturating_add(2);
        let settled = self.settled().count();
        let is_long = self.scanned >= self.bounds.scanned.max(wanted.saturating_mul(2));
        if settled > self.query.limit || is_long && self.has_progress() {
            return None;
        }
        let types = self.types.iter().filter(|progress| !progress.done);
        let progress = types.max_by_key(|progress| progress.unread)?;
        // An order is placed no later than its `timestamp`, so no order in the list's time range has an earlier one.
        let oldest = signed(self.query.placed.start / 1_000);
        Some(Chunk {
            of: progress.of,
            from: Some(oldest).filter(|oldest| *oldest > 0),
            to: Some(if progress.after.is_some() {
                self.start.saturating_add(SLACK_MILLIS)
            } else {
                progress.unread
            }),
            after: progress.after.clone(),
            size: (wanted - settled).max(self.bounds.chunk),
        })
    }

    /// Takes the documents of a chunk returned by [`Scan::next_chunk`].
    pub(super) fn take(&mut self, chunk: &Chunk, documents: &[Document]) {
        self.scanned += self.keep(documents);
        let near = self.start.saturating_add(LEAST_SLACK_MILLIS);
        for progress in &mut self.types {
            if progress.of != chunk.of {
                continue;
            }
            progress.read += documents.len();
            let last = documents.last().filter(|_| documents.len() >= chunk.size);
            let Some((last, millis)) = last.and_then(|last| Some((last, rank(last)?))) else {
                progress.done = true;
                continue;
            };
            #[expect(clippy::cast_possible_truncation, reason = "saturating is meant")]
            let millis = millis as i64;
            progress.unread = millis;
            progress.after = last.fields.get("timestamp").map(|timestamp| Place {
                timestamp: timestamp.clone(),
                name: last.name.clone(),
            });
            if progress.read >= self.bounds.slack && progress.unread > near {
                progress.unread = near;
                progress.after = None;
            }
        }
    }

    /// Keeps the wanted orders among these documents. Returns how many of all orders are in the list's time range.
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

    /// The page, and the position of the next one; `None` at the end of the list.
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

    /// Latest millisecond that an unread order can be placed in. Times before 1970 count as the epoch.
    fn unread(&self) -> Option<i64> {
        let types = self.types.iter().filter(|progress| !progress.done);
        types.map(|progress| progress.unread.max(0)).max()
    }

    /// The position that all unread orders come after.
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
