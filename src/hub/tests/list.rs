//! Lists that are answered from memory.

use std::ops::Range;

use super::*;

const MINUTE: u64 = 60_000_000;

/// Order `n` was placed in minute `n`, by `Customer n`, for `n` dollars, and is finished.
fn finished(n: u64) -> Change {
    let placed = START + n * MINUTE;
    let fields = json!({
        "status": "DELIVERED",
        "timestamp": placed / 1_000,
        "customerName": format!("Customer {n}"),
        "totalAmount": n,
    });
    let Value::Object(fields) = fields else {
        panic!("fields are an object")
    };
    Change::Upsert(Arc::new(HeldOrder::from(&Order {
        id: OrderId::parse(&format!("O{n}")).expect("an id"),
        fields,
        created_micros: placed,
        updated_micros: placed,
    })))
}

/// A hub whose window holds the orders from 10 to 19; the store may know older ones.
fn full_window() -> Arc<Hub> {
    let (hub, _) = hub_with(10);
    hub.take(initial((10..20).map(finished).collect()));
    hub
}

fn minutes(range: Range<u64>) -> ListQuery {
    ListQuery {
        placed: START + range.start * MINUTE..START + range.end * MINUTE,
        ..ListQuery::newest(100)
    }
}

fn place(n: u64) -> Position {
    position(START + n * MINUTE, &format!("O{n}"))
}

fn names(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("O{n}")).collect()
}

type Page = Option<(Vec<Arc<Item>>, Option<Position>)>;

fn told(page: Page) -> Option<(Vec<String>, Option<Position>)> {
    page.map(|(items, next)| (ids(&items), next))
}

#[test]
fn a_time_within_the_window_needs_no_store() {
    let hub = full_window();
    let all = Search::default();
    for range in [11..15, 11..16, 15..99, 19..20, 20..99] {
        let held = names((range.start..range.end.min(20)).rev());
        let query = minutes(range.clone());
        let expected = Some((held, None));
        assert_eq!(told(hub.list_held(&query, &all)), expected, "{range:?}");
        assert_eq!(told(hub.list(&query, &all)), expected, "{range:?}");
    }
}

#[test]
fn a_time_that_begins_before_the_window_goes_on_in_the_store() {
    let hub = full_window();
    let all = Search::default();
    let query = minutes(5..12);
    let held = Some((names([11, 10]), Some(place(10))));
    assert_eq!(told(hub.list_held(&query, &all)), held);
    assert_eq!(told(hub.list(&query, &all)), None, "the page isn't full");
    for range in [3..10, 0..4] {
        let query = minutes(range);
        assert_eq!(told(hub.list_held(&query, &all)), None);
        assert_eq!(told(hub.list(&query, &all)), None);
        let customer = Search::default().with_text("customer");
        assert_eq!(told(hub.list(&query, &customer)), None);
    }
}

#[test]
fn a_search_ends_where_memory_ends_and_says_where_to_go_on() {
    let hub = full_window();
    let one = Search::default().with_text("CUSTOMER 13");
    let page = |before, limit, search: &Search| {
        let query = ListQuery {
            before,
            ..ListQuery::newest(limit)
        };
        told(hub.list(&query, search))
    };
    let found = Some((names([13]), Some(place(10))));
    assert_eq!(page(None, 3, &one), found);
    assert_eq!(
        told(hub.list_held(&ListQuery::newest(99), &one)),
        found,
        "and so without a limit"
    );
    let nothing_left = Some((Vec::new(), Some(place(10))));
    assert_eq!(page(Some(place(12)), 3, &one), nothing_left);
    assert_eq!(page(Some(place(10)), 3, &one), None, "the store's turn");
    let cheap = Search::default().with_amount(None, Some(15.0));
    let first = Some((names([15, 14]), Some(place(14))));
    assert_eq!(page(None, 2, &cheap), first);
    let second = Some((names([13, 12]), Some(place(12))));
    assert_eq!(page(Some(place(14)), 2, &cheap), second);
    let dear = Search::default().with_amount(Some(18.0), None);
    assert_eq!(
        page(None, 2, &dear),
        Some((names([19, 18]), Some(place(10))))
    );
}

/// The store's page: it knows orders from 0 to `orders`.
fn stored(orders: u64, query: &ListQuery) -> (Vec<u64>, Option<Position>) {
    let all = (0..orders).rev();
    let listed = |n: &u64| {
        let place = place(*n);
        query.placed.contains(&place.micros())
            && query.before.as_ref().is_none_or(|before| place < *before)
    };
    let mut page: Vec<u64> = all.filter(listed).collect();
    let goes_on = page.len() > query.limit;
    page.truncate(query.limit);
    let next = page.last().filter(|_| goes_on).map(|last| place(*last));
    (page, next)
}

proptest! {
    /// Some orders are there from the first snapshot, the others come one by one and push old ones out.
    #[test]
    fn pages_from_memory_and_then_from_the_store_are_the_list(
        window in 1..12_usize, orders in 0..30_u64, first in 0..30_u64, limit in 1..8_usize, from in 0..30_u64,
        length in 1..30_u64, dollars in 0..30_u32, digit in "[0-9]?", is_unlimited: bool,
    ) {
        let (hub, _) = hub_with(window);
        let first = first.min(orders);
        let oldest = first.saturating_sub(window.try_into().expect("a small number"));
        hub.take(initial((oldest..first).map(finished).collect()));
        for n in first..orders {
            hub.take(live(vec![finished(n)]));
        }
        let mut search = Search::default().with_amount(None, Some(dollars.into()));
        if dollars > 20 {
            search = Search::default();
        }
        if !digit.is_empty() {
            search = search.with_text(&digit);
        }
        let wanted = |n: &u64| (dollars > 20 || *n <= dollars.into()) && format!("O{n}").contains(&digit);
        let mut query = ListQuery { limit, ..minutes(from..from + length) };
        let mut seen = Vec::new();
        let mut pages = 0;
        if is_unlimited {
            let whole = ListQuery { limit: 100, ..query.clone() };
            if let Some((page, next)) = told(hub.list_held(&whole, &search)) {
                seen.extend(page);
                query.before = next;
                pages = 1;
            }
        }
        while pages == 0 || query.before.is_some() {
            let next = if let Some((page, next)) = told(hub.list(&query, &search)) {
                prop_assert!(page.len() <= limit);
                seen.extend(page);
                next
            } else {
                let (page, next) = stored(orders, &query);
                seen.extend(names(page.into_iter().filter(wanted)));
                next
            };
            if let (Some(next), Some(before)) = (&next, &query.before) {
                prop_assert!(next < before);
            }
            query.before = next;
            pages += 1;
        }
        let all = (0..orders).rev().filter(|n| (from..from + length).contains(n));
        prop_assert_eq!(seen, names(all.filter(wanted)));
    }
}

#[test]
fn a_full_window_is_listed_from_memory_and_tells_where_the_next_page_begins() {
    let (hub, _) = hub_with(4);
    let finished = |n: u64| order(&format!("O{n}"), START + n, START + n, "DELIVERED");
    let all_orders = Search::default();
    let held = |limit| {
        let (items, next) = hub.list_held(&ListQuery::newest(limit), &all_orders)?;
        Some((ids(&items), next))
    };
    assert_eq!(held(4), None, "before the watch has begun");
    hub.take(initial(
        (0..4).map(|n| Change::Upsert(finished(n))).collect(),
    ));
    let oldest = position(START, "O0");
    let all = ["O3", "O2", "O1", "O0"].map(str::to_owned).to_vec();
    assert_eq!(held(9), Some((all.clone(), Some(oldest.clone()))));
    let (items, next) = hub
        .list(&ListQuery::newest(4), &all_orders)
        .expect("a page");
    assert_eq!((ids(&items), next), (all, Some(oldest.clone())));
    assert!(hub.list(&ListQuery::newest(5), &all_orders).is_none());
    let removed = |n: u64| Change::Remove {
        id: OrderId::parse(&format!("O{n}")).expect("an id"),
        micros: START + 10 + n,
    };
    hub.take(live(vec![removed(3), removed(2)]));
    let left = ["O1", "O0"].map(str::to_owned).to_vec();
    assert_eq!(held(9), Some((left, Some(oldest))));
    hub.take(live(vec![removed(1)]));
    assert_eq!(held(9), None, "too few are left to stand for the window");
}
