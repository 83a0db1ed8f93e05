//! Pages of lists over a database that is a sorted list of documents.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::prost_types::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::firestore::value;

const NOW: i64 = 1_771_842_400_000;
const HOUR: i64 = 60 * MINUTE;

/// Small enough to be reached with a few dozen documents, except for the slack.
const SMALL: Bounds = Bounds {
    ahead: 100,
    slack: 1_000,
    chunk: 3,
    scanned: 6,
};

/// A document that was committed once, at `created`, by a phone whose clock said `timestamp`.
fn document(n: usize, timestamp: i64, created: i64, of: TimeType, status: &str) -> Document {
    let time = |millis: i64| Timestamp {
        seconds: millis.div_euclid(1_000),
        nanos: i32::try_from(millis.rem_euclid(1_000) * 1_000_000).expect("below 10^9"),
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds fit into 53 bits")]
    let timestamp = match of {
        TimeType::Number if n.is_multiple_of(3) => ValueType::DoubleValue(timestamp as f64 + 0.25),
        TimeType::Number => ValueType::IntegerValue(timestamp),
        TimeType::Timestamp => ValueType::TimestampValue(time(timestamp)),
    };
    Document {
        name: format!("projects/p/databases/d/documents/orders/O{n:03}"),
        fields: HashMap::from([
            ("timestamp".to_owned(), value::wire(timestamp)),
            ("status".to_owned(), value::text(status)),
        ]),
        create_time: Some(time(created)),
        update_time: Some(time(created)),
    }
}

struct Database {
    documents: Vec<Document>,
    has_index: bool,
}

impl Database {
    fn read(&self, chunk: &Chunk, statuses: &[String]) -> Vec<Document> {
        let is_of = |document: &Document| {
            let timestamp = document.fields["timestamp"].value_type.as_ref();
            let is_timestamp = matches!(timestamp, Some(ValueType::TimestampValue(_)));
            is_timestamp == (chunk.of == TimeType::Timestamp)
        };
        let place = |document: &Document| (rank(document).expect("a time"), document.name.clone());
        let newer =
            |a: &(f64, String), b: &(f64, String)| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(&a.1));
        let after = chunk.after.as_ref().map(|after| {
            let same = self
                .documents
                .iter()
                .find(|document| document.name == after.name);
            place(same.expect("a known document"))
        });
        #[expect(clippy::cast_precision_loss, reason = "milliseconds fit into 53 bits")]
        let is_within = |rank: f64| {
            chunk.from.is_none_or(|from| rank >= from as f64)
                && chunk.to.is_none_or(|to| rank <= to as f64)
        };
        let mut found: Vec<Document> = self.documents.clone();
        found.retain(|document| {
            let status = to_order(document).expect("an order").status().to_owned();
            is_of(document)
                && is_within(place(document).0)
                && after
                    .as_ref()
                    .is_none_or(|after| newer(after, &place(document)) == Ordering::Less)
                && (statuses.is_empty() || !self.has_index || statuses.contains(&status))
        });
        found.sort_by(|a, b| newer(&place(a), &place(b)));
        found.truncate(chunk.size);
        found
    }

    /// One page, the beginning of the next one, and the number of documents read.
    fn page(&self, query: &ListQuery, bounds: Bounds) -> (Vec<String>, Option<Position>, usize) {
        let mut scan = Scan::new(query, NOW.cast_unsigned(), bounds);
        let mut reads = 0;
        for chunk in scan.ahead() {
            let documents = self.read(&chunk, &query.statuses);
            reads += documents.len();
            scan.keep(&documents);
        }
        for _ in 0..1_000 {
            let Some(chunk) = scan.next_chunk() else {
                let (orders, next) = scan.page();
                let ids = orders.iter().map(|order| order.id.to_string());
                return (ids.collect(), next, reads);
            };
            let documents = self.read(&chunk, &query.statuses);
            reads += documents.len();
            scan.take(&chunk, &documents);
        }
        panic!("reads without end")
    }

    /// The whole list, page by page.
    fn list(&self, mut query: ListQuery, bounds: Bounds) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..1_000 {
            let (page, next, _) = self.page(&query, bounds);
            assert!(page.len() <= query.limit);
            ids.extend(page);
            let Some(next) = next else {
                return ids;
            };
            assert!(query.before.is_none_or(|before| next < before), "{next}");
            query.before = Some(next);
        }
        panic!("pages without end")
    }

    /// The expected list.
    fn expected(&self, query: &ListQuery) -> Vec<String> {
        let orders = self
            .documents
            .iter()
            .map(|document| to_order(document).expect("an order"));
        let mut orders: Vec<Order> = orders
            .filter(|order| query.has_place(order.placed_micros(), &order.id))
            .filter(|order| query.wants(order.status()))
            .collect();
        orders.sort_by(|a, b| (b.placed_micros(), &b.id).cmp(&(a.placed_micros(), &a.id)));
        orders.iter().map(|order| order.id.to_string()).collect()
    }
}

fn query(placed: Range<i64>, limit: usize, status: Option<&str>) -> ListQuery {
    ListQuery {
        statuses: status.map(str::to_owned).into_iter().collect(),
        placed: placed.start.cast_unsigned() * 1_000..placed.end.cast_unsigned() * 1_000,
        ..ListQuery::newest(limit)
    }
}

/// Days with an order every hour, of which one in 20 is pending, in a database without the index by status.
fn without_index(days: i64) -> Database {
    let documents = (0..days * 24).map(|n| {
        let placed = NOW - n * HOUR;
        let status = if n % 20 == 19 { "PENDING" } else { "DELIVERED" };
        let n = usize::try_from(n).expect("a small number");
        document(n, placed, placed, TimeType::Number, status)
    });
    Database {
        documents: documents.collect(),
        has_index: false,
    }
}

#[test]
fn without_the_index_by_status_every_order_is_reached() {
    let database = without_index(20);
    let query = query(0..NOW + 1, 10, Some("PENDING"));
    let (page, next, _) = database.page(&query, SMALL);
    assert!(page.len() < 10 && next.is_some(), "{page:?}");
    let all = database.list(query.clone(), SMALL);
    assert_eq!(all, database.expected(&query));
    assert_eq!(all.len(), 24);
}

#[test]
fn a_page_reads_what_it_shows_and_the_day_after_it() {
    let database = without_index(100);
    for (limit, most) in [(1, 50 + 50), (100, 102 + 50), (500, 502 + 50)] {
        let mut query = query(0..NOW + 1, limit, None);
        query.before = Some(Position::at((NOW - 100 * HOUR).cast_unsigned() * 1_000));
        let (page, _, reads) = database.page(&query, BOUNDS);
        assert_eq!(page.len(), limit);
        // Of the day after it 24, in a chunk of 50 at least.
        assert!(reads <= most, "{reads} for {limit}");
    }
}

#[test]
fn without_the_index_by_status_a_page_reads_so_many_documents() {
    let database = without_index(100);
    let mut query = query(0..NOW + 1, 200, Some("PENDING"));
    let mut pages = 0;
    loop {
        let (_, next, reads) = database.page(&query, BOUNDS);
        assert!(reads < BOUNDS.scanned + 24 + 202, "{reads}");
        pages += 1;
        match next {
            Some(next) => query.before = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, 3, "2,400 orders");
}

/// An order of a phone whose clock is nearly a day ahead belongs to the day on which it was committed.
#[test]
fn a_clock_that_is_nearly_a_day_ahead_loses_no_order_of_a_day_in_the_past() {
    let noon = NOW - 100 * 24 * HOUR;
    for (ahead, is_listed) in [(11 * MINUTE, true), (23 * HOUR, true), (25 * HOUR, false)] {
        let documents = [TimeType::Number, TimeType::Timestamp]
            .into_iter()
            .zip(1..)
            .map(|(of, n)| document(n, noon + ahead, noon, of, "DELIVERED"));
        let database = Database {
            documents: documents.collect(),
            has_index: true,
        };
        let expected: &[&str] = if is_listed { &["O002", "O001"] } else { &[] };
        let day = query(noon - 12 * HOUR..noon + 1, 1, None);
        assert_eq!(database.list(day, BOUNDS), expected, "{ahead}");
    }
}

#[test]
fn a_day_of_very_many_orders_costs_no_more_than_so_many_reads() {
    let noon = NOW - 10 * 24 * HOUR;
    let documents = (0..200).map(|n| {
        let placed = noon - 1_000 + i64::try_from(n).expect("a small number") * 7 * MINUTE;
        document(n, placed, placed, TimeType::Number, "DELIVERED")
    });
    let database = Database {
        documents: documents.collect(),
        has_index: true,
    };
    let bounds = Bounds { slack: 50, ..SMALL };
    let (page, next, reads) = database.page(&query(0..noon, 5, None), bounds);
    assert_eq!((page, next), (vec!["O000".to_owned()], None));
    assert!(reads <= 50 + SMALL.chunk.max(7) + 3, "{reads}");
}

#[test]
fn more_orders_of_one_millisecond_than_a_page_reads_are_all_listed() {
    let noon = NOW - 10 * 24 * HOUR;
    let of = |n: usize| {
        if n.is_multiple_of(2) {
            TimeType::Number
        } else {
            TimeType::Timestamp
        }
    };
    let documents = (0..60).map(|n| document(n, noon, noon - 5, of(n), "DELIVERED"));
    let database = Database {
        documents: documents
            .chain([document(
                60,
                noon - HOUR,
                noon - HOUR,
                TimeType::Number,
                "DELIVERED",
            )])
            .collect(),
        has_index: true,
    };
    let query = query(0..NOW, 2, None);
    assert_eq!(
        database.list(query.clone(), SMALL),
        database.expected(&query)
    );
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    let ahead = prop_oneof![
        4 => Just(0),
        1 => -50..50_i64,
        2 => (1..24_i64).prop_map(|hours| hours * HOUR - 1),
        1 => Just(10_000 * HOUR),
    ];
    let one = (0..200_i64, ahead, any::<bool>(), 0..4);
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(n, (hours, ahead, is_number, status))| {
            let created = NOW - hours * HOUR;
            let of = if is_number {
                TimeType::Number
            } else {
                TimeType::Timestamp
            };
            let status = if status == 0 { "PENDING" } else { "DELIVERED" };
            document(n, created + ahead, created, of, status)
        })
        .collect()
    })
}

proptest! {
    #[test]
    fn pages_are_the_list_without_a_gap_or_a_repeat(
        documents in documents(), has_index: bool, limit in 1..8_usize, from in 0..220_i64, hours in 1..220_i64,
        status in prop_oneof![Just(None), Just(Some("PENDING"))],
    ) {
        let database = Database { documents, has_index };
        let start = NOW - from * HOUR;
        for placed in [start..start + hours * HOUR + 1, 0..start, start..NOW + HOUR] {
            let query = query(placed, limit, status);
            prop_assert_eq!(database.list(query.clone(), SMALL), database.expected(&query));
        }
    }
}
