//! Snapshots of documents that come and change.

use super::*;

#[test]
fn nothing_is_published_before_every_target_is_complete() {
    let mut driven = Driven::new(10);
    driven.tick();
    driven.stream(StreamEvent::Opened);
    driven.receive([
        target(TargetChangeType::Add, &ALL),
        changed(order("ORD1", 1, 10), NUMBERS),
        target(TargetChangeType::Current, &[NUMBERS]),
        consistent(20),
        changed(
            document(order_name("t"), ValueType::TimestampValue(at(5)), 9),
            TIMES,
        ),
        changed(record("ORD0", 15), RECORDS),
        target(TargetChangeType::Current, &[TIMES, RECORDS, OPEN]),
    ]);
    assert!(driven.snapshots().is_empty());
    driven.receive([consistent(21)]);
    let snapshots = driven.snapshots();
    assert_eq!(snapshots.len(), 1);
    assert!(snapshots[0].initial);
    let published: Vec<_> = snapshots[0].changes.iter().map(describe).collect();
    assert_eq!(published, ["t@9", "ORD1@10", "-ORD0@15"]);
    assert_eq!(driven.sources(), [SourceState::Live]);
}

#[test]
fn an_empty_database_has_a_first_snapshot_too() {
    let mut driven = Driven::new(10);
    driven.tick();
    driven.stream(StreamEvent::Opened);
    driven.receive([current(), consistent(1)]);
    assert_eq!(driven.snapshots().len(), 1);
    driven.receive([consistent(2)]);
    assert!(driven.snapshots().is_empty());
}

#[test]
fn a_change_is_published_at_the_next_consistent_point() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.receive([
        changed(order("ORD1", 1, 110), NUMBERS),
        changed(order("ORD2", 2, 105), NUMBERS),
    ]);
    // A refreshed token of one target is no consistent point.
    driven.receive([target(TargetChangeType::NoChange, &[NUMBERS])]);
    assert!(driven.published().is_empty());
    driven.receive([consistent(120)]);
    assert_eq!(driven.published(), ["ORD2@105", "ORD1@110"]);
}

#[test]
fn a_reset_that_brings_the_same_again_publishes_nothing() {
    let mut driven = Driven::live(
        10,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.receive([
        reset(NUMBERS),
        changed(order("ORD1", 1, 10), NUMBERS),
        changed(order("ORD2", 2, 130), NUMBERS),
        consistent(125),
        target(TargetChangeType::Current, &[NUMBERS]),
        consistent(140),
    ]);
    assert_eq!(driven.published(), ["ORD2@130"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn a_reset_half_way_and_a_lost_stream_leave_everything_as_it_was() {
    let mut driven = Driven::live(
        10,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.receive([reset(NUMBERS), changed(order("ORD1", 1, 150), NUMBERS)]);
    assert_eq!(
        driven.reconnect(),
        [&b""[..], b"token 100", b"token 100", b"token 100"].map(<[u8]>::to_vec)
    );
    driven.receive([
        changed(order("ORD1", 1, 150), NUMBERS),
        changed(order("ORD2", 2, 11), NUMBERS),
        current(),
    ]);
    driven.receive([consistent(160)]);
    assert_eq!(driven.published(), ["ORD1@150"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn older_and_equal_states_are_refused() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 50), NUMBERS)]);
    driven.receive([changed(order("ORD1", 1, 50), NUMBERS), consistent(110)]);
    driven.receive([changed(order("ORD1", 1, 40), NUMBERS), consistent(111)]);
    assert!(driven.published().is_empty());
    driven.receive([changed(order("ORD1", 1, 60), NUMBERS), consistent(112)]);
    assert_eq!(driven.published(), ["ORD1@60"]);
}

#[test]
fn a_commit_that_comes_torn_is_complete_in_the_end() {
    let mut driven = Driven::live(10, []);
    driven.receive([changed(order("ORD1", 1, 110), NUMBERS), consistent(120)]);
    driven.receive([changed(order("ORD2", 2, 110), NUMBERS), consistent(121)]);
    assert_eq!(driven.published(), ["ORD1@110", "ORD2@110"]);
}

#[test]
fn a_time_that_changes_its_type_moves_the_order() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    let timed = document(order_name("ORD1"), ValueType::TimestampValue(at(5)), 110);
    driven.receive([moved(timed, &[TIMES], &[NUMBERS]), consistent(111)]);
    assert_eq!(driven.published(), ["ORD1@110"]);
    // In two messages, in reverse order.
    driven.receive([
        left("ORD1", TIMES),
        changed(order("ORD1", 1, 120), NUMBERS),
        consistent(121),
    ]);
    assert_eq!(driven.published(), ["ORD1@120"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn a_document_that_cannot_be_read_is_counted_and_hides_no_other() {
    let mut driven = Driven::live(10, [changed(order("__id7__", 1, 10), NUMBERS)]);
    assert_eq!(driven.machine.unreadable(), 1);
    driven.receive([
        changed(order("__id7__", 1, 110), NUMBERS),
        changed(order("ORD1", 1, 111), NUMBERS),
        consistent(112),
    ]);
    assert_eq!(driven.published(), ["ORD1@111"]);
    assert_eq!(driven.machine.unreadable(), 1);
}

#[test]
fn large_documents_of_a_first_snapshot_are_left_out_beyond_the_limit_in_bytes() {
    let large = |number: i64| {
        let mut order = order(&format!("ORD{number}"), number, 10);
        let text = value::text("x".repeat(400 << 10));
        order.fields.insert("large".to_owned(), text);
        changed(order, NUMBERS)
    };
    let mut driven = Driven::live(10, []);
    driven.receive((1..=5).map(large));
    driven.receive([consistent(101)]);
    let snapshots = driven.snapshots();
    let held: Vec<_> = snapshots[0]
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Upsert(order) => Some(order.document().is_some()),
            Change::Remove { .. } => None,
        })
        .collect();
    assert_eq!(held.len(), 5);
    assert_eq!(
        held.into_iter()
            .filter(|has_document| *has_document)
            .count(),
        2
    );
}

#[test]
fn open_orders_are_published_once_more_when_the_hub_has_room() {
    let first = [
        moved(order("ORD1", 1, 10), &[NUMBERS, OPEN], &[]),
        changed(order("ORD2", 2, 11), NUMBERS),
    ];
    let mut driven = Driven::live(10, first.clone());
    driven.give(Input::Repeat);
    assert_eq!(driven.wait(), Duration::ZERO);
    driven.stream(StreamEvent::Opened);
    assert_eq!(
        driven.opened().expect("another stream").1,
        <[Vec<u8>; 4]>::default(),
        "all documents are requested"
    );
    driven.receive(first);
    driven.receive([current(), consistent(120)]);
    let snapshots = driven.snapshots();
    assert_eq!(snapshots.len(), 1);
    assert!(snapshots[0].repeats);
    let published: Vec<_> = snapshots[0].changes.iter().map(describe).collect();
    assert_eq!(published, ["ORD1@10"]);
    driven.outputs.clear();
    driven.give(Input::Repeat);
    assert!(driven.outputs.is_empty(), "at most once in ten minutes");
}
