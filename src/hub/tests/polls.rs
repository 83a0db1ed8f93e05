//! Polls.

use super::*;

#[test]
fn polls_are_cut_short_without_a_gap() {
    let (hub, _) = hub_with(10);
    hub.take(initial(
        (0..5)
            .map(|n| Change::Upsert(order(&format!("O{n}"), START + n, START + n, "PENDING")))
            .collect(),
    ));
    let mut cursor = Position::beginning();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let recent = hub.since(&cursor, 2, None);
        seen.extend(recent.items.iter().map(|item| item.id().to_string()));
        cursor = recent.cursor;
    }
    assert_eq!(seen, ["O0", "O1", "O2", "O3", "O4"]);
    assert_eq!(Some(cursor), hub.head());
}

#[test]
fn an_order_that_only_returning_readers_may_need_is_not_found_by_its_id() {
    let (hub, _) = hub_within(WindowLimits {
        orders: 2,
        open: 5,
        bytes: 1 << 20,
    });
    let upsert = |id, micros| Change::Upsert(order(id, micros, micros, "PENDING"));
    hub.take(initial(vec![
        upsert("A", START),
        upsert("B", START + 1),
        upsert("C", START + 2),
    ]));
    let id = OrderId::parse("A").expect("an id");
    let before = hub.head().expect("it has started");
    assert!(
        hub.get(&id).is_some(),
        "open orders are found however old they are"
    );
    hub.take(live(vec![Change::Upsert(order(
        "A",
        START,
        START + 9,
        "DELIVERED",
    ))]));
    assert!(hub.get(&id).is_none());
    assert_eq!(ids(&hub.since(&before, 10, None).items), ["A"]);

    // Finished orders among the newest are found.
    hub.take(live(vec![Change::Upsert(order(
        "C",
        START + 2,
        START + 10,
        "DELIVERED",
    ))]));
    assert!(hub.get(&OrderId::parse("C").expect("an id")).is_some());
    let removed = OrderId::parse("B").expect("an id");
    hub.take(live(vec![Change::Remove {
        id: removed.clone(),
        micros: START + 11,
    }]));
    assert!(hub.get(&removed).is_none());
}
