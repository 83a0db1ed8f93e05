//! Pages of orders.

use std::ops::Range;
use std::sync::Arc;

use orderbell::orders::{ListQuery, OrderId, Position};

use super::Store;
use crate::drafts::{draft, to_status};

pub(crate) async fn a_list_is_paged_from_newest_to_oldest(store: Arc<impl Store>) {
    for number in 1..=7 {
        store.submit(draft("u1"), None).await.expect("placed");
        if number % 2 == 0 {
            store
                .change(&OrderId::sequential(number), to_status("CONFIRMED"), "Ana")
                .await
                .expect("changed");
        }
    }
    let all = pages(&*store, &[]).await;
    assert_eq!(
        all,
        ["ORD7", "ORD6", "ORD5", "ORD4", "ORD3", "ORD2", "ORD1"]
    );
    assert_eq!(
        pages(&*store, &["CONFIRMED"]).await,
        ["ORD6", "ORD4", "ORD2"]
    );
    assert_eq!(pages(&*store, &["CONFIRMED", "PENDING"]).await, all);
    assert_eq!(pages(&*store, &["DELIVERED"]).await, Vec::<String>::new());
}

/// Also where the last page is full.
pub(crate) async fn a_list_ends_where_the_store_says_so(store: Arc<impl Store>) {
    let nothing = store.list(&ListQuery::newest(3)).await.expect("listed");
    assert!(nothing.orders.is_empty() && nothing.next.is_none());
    for number in 1..=4 {
        store.submit(draft("u1"), None).await.expect("placed");
        if number > 2 {
            let id = OrderId::sequential(number);
            let delivered = to_status("DELIVERED");
            store.change(&id, delivered, "Ana").await.expect("changed");
        }
    }
    let page = async |statuses: &[&str], limit| {
        let query = ListQuery {
            statuses: statuses.iter().map(|status| (*status).to_owned()).collect(),
            ..ListQuery::newest(limit)
        };
        let page = store.list(&query).await.expect("listed");
        let last = page.orders.last().expect("an order");
        let last = Position::new(last.placed_micros, &last.id);
        (page.orders.len(), page.next.map(|next| next == last))
    };
    assert_eq!(page(&[], 3).await, (3, Some(true)));
    assert_eq!(page(&[], 4).await, (4, None));
    assert_eq!(page(&[], 5).await, (4, None));
    assert_eq!(page(&["DELIVERED"], 1).await, (1, Some(true)));
    assert_eq!(page(&["DELIVERED"], 2).await, (2, None));
}

/// The beginning of a time belongs to it, its end doesn't.
pub(crate) async fn a_list_can_be_of_a_time(store: Arc<impl Store>) {
    for number in 1..=7 {
        store.submit(draft("u1"), None).await.expect("placed");
        if number % 2 == 0 {
            store
                .change(&OrderId::sequential(number), to_status("CONFIRMED"), "Ana")
                .await
                .expect("changed");
        }
    }
    let page = store.list(&ListQuery::newest(9)).await.expect("listed");
    let orders = page.orders;
    let time = |number: u64| {
        let mut orders = orders.iter();
        let order = orders.find(|order| order.id == OrderId::sequential(number));
        order.expect("listed").placed_micros
    };
    let names = |numbers: &[u64]| -> Vec<String> {
        let names = numbers.iter().map(|number| format!("ORD{number}"));
        names.collect()
    };
    for from in 1..=7 {
        for to in from..=7 {
            let all: Vec<u64> = (from..to).rev().collect();
            let placed = time(from)..time(to);
            assert_eq!(
                pages_of(&*store, &[], placed.clone()).await,
                names(&all),
                "{placed:?}"
            );
            let even: Vec<u64> = all.into_iter().filter(|number| number % 2 == 0).collect();
            assert_eq!(
                pages_of(&*store, &["CONFIRMED"], placed).await,
                names(&even)
            );
        }
    }
    for (placed, numbers) in [
        (time(3)..time(3) + 1, &[3][..]),
        (time(6)..u64::MAX, &[7, 6]),
        (0..time(2) + 1, &[2, 1]),
        (time(7) + 1..u64::MAX, &[]),
        (0..time(1), &[]),
    ] {
        assert_eq!(pages_of(&*store, &[], placed).await, names(numbers));
    }
}

async fn pages(store: &impl Store, statuses: &[&str]) -> Vec<String> {
    pages_of(store, statuses, 0..u64::MAX).await
}

async fn pages_of(store: &impl Store, statuses: &[&str], placed: Range<u64>) -> Vec<String> {
    let mut query = ListQuery {
        statuses: statuses.iter().map(|status| (*status).to_owned()).collect(),
        placed,
        ..ListQuery::newest(3)
    };
    let mut ids = Vec::new();
    for _ in 0..10 {
        let page = store.list(&query).await.expect("the store answers");
        assert!(page.orders.len() <= query.limit);
        ids.extend(page.orders.iter().map(|order| order.id.to_string()));
        let Some(next) = page.next else {
            return ids;
        };
        assert!(query.before.is_none_or(|before| next < before), "{next}");
        for order in &page.orders {
            assert!(Position::new(order.placed_micros, &order.id) >= next);
        }
        query.before = Some(next);
    }
    panic!("pages without end: {ids:?}")
}
