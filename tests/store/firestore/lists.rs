//! Lists over what other writers have written, in both types of `timestamp`.

use std::ops::Range;

use orderbell::clock::Clock;
use orderbell::firestore::FirestoreStore;
use orderbell::orders::ListQuery;
use orderbell::store::OrderStore;
use serde_json::{Value, json};

use super::outside::{Outside, order};
use super::settings;

/// 2026-02-23T00:00:00Z.
const START: u64 = 1_771_804_800_000;
const DAY: u64 = 86_400_000;

fn whole(millis: u64) -> Value {
    json!({"integerValue": millis.to_string()})
}

fn double(millis: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds fit into 53 bits")]
    let millis = millis as f64 + 0.25;
    json!({"doubleValue": millis})
}

/// A Timestamp `millis` after START, within its month.
fn timestamp(millis: u64) -> Value {
    let (day, rest) = (millis / DAY, millis % DAY);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    let text = format!(
        "2026-02-{:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z",
        23 + day
    );
    json!({"timestampValue": text})
}

/// The ids of the list, page by page, and how many documents were read for it.
async fn list(store: &FirestoreStore, placed: Range<u64>, limit: usize) -> (Vec<String>, u64) {
    let reads = || OrderStore::usage(store).expect("a usage").reads;
    let before = reads();
    let mut query = ListQuery {
        placed: placed.start * 1_000..placed.end.saturating_mul(1_000),
        ..ListQuery::newest(limit)
    };
    let mut ids = Vec::new();
    loop {
        let page = store.list(&query).await.expect("listed");
        ids.extend(page.orders.iter().map(|order| order.id.to_string()));
        if page.next.is_none() {
            return (ids, reads() - before);
        }
        query.before = page.next;
    }
}

#[tokio::test]
async fn a_time_covers_numbers_and_timestamps_and_reads_no_others() {
    let settings = settings();
    let phone = Outside::new(&settings);
    let store = FirestoreStore::start(settings.clone(), Clock::system());
    // Five days, each with ten orders half an hour apart from noon on, of all types in turn; and one in the first and in the last
    // millisecond.
    let mut all = Vec::new();
    for day in 0..5 {
        let mut times: Vec<u64> = (0..10)
            .map(|n| day * DAY + DAY / 2 + n * 1_800_000)
            .collect();
        times.extend([day * DAY, day * DAY + DAY - 1]);
        for (n, time) in times.into_iter().enumerate() {
            let value = match n % 3 {
                0 => whole(START + time),
                1 => double(START + time),
                _ => timestamp(time),
            };
            let id = format!("d{day}-{n:02}");
            phone
                .put(&format!("orders/{id}"), &order("PENDING", &value))
                .await;
            all.push((START + time, id));
        }
    }
    all.sort_unstable_by(|a, b| b.cmp(a));
    let expected = |placed: Range<u64>| -> Vec<String> {
        let within = all.iter().filter(|(time, _)| placed.contains(time));
        within.map(|(_, id)| id.clone()).collect()
    };
    for (from, to) in [(0, 1), (2, 3), (1, 4), (4, 5), (5, 9), (0, 9)] {
        let placed = START + from * DAY..START + to * DAY;
        let found = list(&store, placed.clone(), 100).await;
        assert_eq!(found.0, expected(placed.clone()), "{placed:?}");
        // Beside the orders: those of the next day and its end, since clocks may be a day ahead, and four queries of which each
        // counts for one read at least.
        let most = u64::try_from(found.0.len()).expect("a small number") + 13 + 4;
        assert!(found.1 <= most, "{placed:?}: {} reads", found.1);
        for limit in [1, 5] {
            let paged = list(&store, placed.clone(), limit).await.0;
            assert_eq!(paged, found.0, "{placed:?} in pages of {limit}");
        }
    }
    // A phone whose clock is an hour ahead: the order was placed when it was committed.
    let now = Clock::system().millis();
    let ahead = order("PENDING", &whole(now + 3_600_000));
    phone.put("orders/ahead", &ahead).await;
    let found = list(&store, now - 60_000..now + 60_000, 100).await;
    assert_eq!(found.0, ["ahead"]);

    // Two days later it is no longer in the future, but belongs to the same day.
    let later = FirestoreStore::start(settings, Clock::from_fn(move || now + 2 * DAY));
    for limit in [1, 100] {
        let found = list(&later, now - 60_000..now + 60_000, limit).await;
        assert_eq!(found.0, ["ahead"], "in pages of {limit}");
    }

    let noon = START + DAY / 2;
    for placed in [noon..noon + 1, noon + 1..noon + 1_800_001, 0..START + 1] {
        let found = list(&store, placed.clone(), 100).await;
        assert_eq!(found.0, expected(placed.clone()), "{placed:?}");
    }
}
