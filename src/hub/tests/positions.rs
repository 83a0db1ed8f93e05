//! Where streams start, and what they get from there.

use super::*;

#[test]
fn what_was_there_at_the_start_is_not_new() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut early = subscribe(&relay, Start::Now);
        let events = drain(&mut early).await;
        assert_eq!(names(&events), ["message", "source"]);
        assert_eq!(events[0].id, None);

        hub.take(initial(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        hub.take(WatchEvent::Source(SourceState::Live));
        assert_eq!(names(&drain(&mut early).await), ["source"]);
        hub.take(live(vec![Change::Upsert(order(
            "B",
            START + 5,
            START + 5,
            "PENDING",
        ))]));
        assert_eq!(names(&drain(&mut early).await), ["new_order"]);
    });
}

#[test]
fn what_comes_right_after_the_start_is_told_to_those_who_waited_for_it() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut early = subscribe(&relay, Start::Now);
        drain(&mut early).await;
        let upsert = |id, micros| Change::Upsert(order(id, micros, micros, "PENDING"));
        hub.take(initial(vec![upsert("A", START)]));
        hub.take(live(vec![upsert("B", START + 5)]));
        hub.take(live(vec![upsert("C", START + 6)]));
        assert_eq!(names(&drain(&mut early).await), ["new_order", "new_order"]);
    });
}

#[test]
fn a_reader_that_waits_for_the_start_with_a_cursor_is_caught_up() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut early = subscribe(&relay, Start::After(position(START, "A")));
        drain(&mut early).await;
        hub.take(initial(vec![
            Change::Upsert(order("A", START, START, "PENDING")),
            Change::Upsert(order("B", START - 9, START + 1, "CONFIRMED")),
            Change::Upsert(order("C", START + 2, START + 2, "PENDING")),
        ]));
        assert_eq!(
            names(&drain(&mut early).await),
            ["order_update", "new_order"]
        );
    });
}

#[test]
fn positions_that_mean_nothing_end_in_one_reset() {
    run(async {
        let (hub, _) = hub_with(2);
        let relay = Relay::start(Arc::clone(&hub));
        let orders = ["A", "B", "C", "D"].into_iter().zip(1..);
        hub.take(initial(Vec::new()));
        for (id, n) in orders {
            hub.take(live(vec![Change::Upsert(order(
                id,
                START + n * 1_000,
                START + n * 1_000,
                "PENDING",
            ))]));
        }
        hub.take(WatchEvent::Source(SourceState::Live));
        settle().await;
        let starts = [
            Start::Unreadable,
            Start::After(position(START + 1_500, "A")),
            Start::After(Position::beginning()),
            Start::After(position(START + 3_600_000_000, "Z")),
        ];
        for start in starts {
            let mut lost = subscribe(&relay, start.clone());
            let events = drain(&mut lost).await;
            assert_eq!(names(&events), ["message", "reset"], "{start:?}");
            assert_eq!(events[0].id.as_deref(), Some("1771842000004000-D"));
        }
        let mut known = subscribe(&relay, Start::After(position(START + 2_000, "B")));
        assert_eq!(
            names(&drain(&mut known).await),
            ["message", "new_order", "new_order"]
        );
    });
}

#[test]
fn a_reader_ahead_of_this_instance_is_told_what_comes_after_its_position() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        hub.take(WatchEvent::Source(SourceState::Live));
        settle().await;
        let mut ahead = subscribe(&relay, Start::After(position(START + 10, "C")));
        hub.take(live(vec![
            Change::Upsert(order("B", START + 5, START + 5, "PENDING")),
            Change::Upsert(order("C", START + 10, START + 10, "PENDING")),
            Change::Upsert(order("D", START + 12, START + 12, "PENDING")),
        ]));
        let events = drain(&mut ahead).await;
        assert_eq!(names(&events), ["message", "new_order"]);
        assert_eq!(events[1].data["id"], "D");
    });
}

#[test]
fn a_late_change_is_placed_after_the_head_and_an_old_state_is_refused() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(vec![Change::Upsert(order(
            "A",
            START,
            START,
            "CONFIRMED",
        ))]));
        hub.take(WatchEvent::Source(SourceState::Live));
        settle().await;
        let mut reader = subscribe(&relay, Start::Now);
        hub.take(live(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        hub.take(live(vec![Change::Upsert(order(
            "B",
            START - 7,
            START - 7,
            "PENDING",
        ))]));
        let events = drain(&mut reader).await;
        assert_eq!(names(&events), ["message", "new_order"]);
        assert_eq!(events[1].id.as_deref(), Some("1771842000000001-B"));
        hub.take(live(vec![Change::Upsert(order(
            "B",
            START - 7,
            START + 9,
            "CONFIRMED",
        ))]));
        assert_eq!(names(&drain(&mut reader).await), ["order_update"]);
    });
}

#[test]
fn a_snapshot_with_a_gap_resets_every_stream_and_is_not_counted_as_a_lag() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        hub.take(initial(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        hub.take(WatchEvent::Source(SourceState::Live));
        settle().await;
        let mut readers = [subscribe(&relay, Start::Now), subscribe(&relay, Start::Now)];
        for reader in &mut readers {
            drain(reader).await;
        }
        let snapshot = |id: &str, n, has_gap| {
            let order = order(id, START + n, START + n, "PENDING");
            WatchEvent::Snapshot(Snapshot {
                changes: vec![Change::Upsert(order)],
                has_gap,
                ..Snapshot::default()
            })
        };
        hub.take(snapshot("B", 1, true));
        hub.take(snapshot("C", 2, false));
        for reader in &mut readers {
            assert_eq!(names(&drain(reader).await), ["reset"]);
        }
        let counts = |hub: &Hub| (hub.metrics().gaps.get(), hub.metrics().lagged.get());
        assert_eq!(counts(&hub), (2, 0));

        // More than the slots hold.
        for n in 3..20 {
            hub.take(snapshot(&format!("O{n}"), n, false));
            settle().await;
        }
        assert!(!drain(&mut readers[0]).await.is_empty());
        assert_eq!(counts(&hub), (2, 1));
    });
}
