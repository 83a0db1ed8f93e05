//! Orders that leave the targets: removed, finished, or pushed out by newer ones.

use super::*;

#[test]
fn an_order_pushed_out_by_newer_ones_is_no_removal() {
    let mut driven = Driven::live(
        2,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.receive([
        changed(order("ORD3", 3, 110), NUMBERS),
        left("ORD1", NUMBERS),
        consistent(120),
    ]);
    assert_eq!(driven.published(), ["ORD3@110"]);
    assert!(driven.looked_up().is_empty());
    // The same after everything was sent again.
    driven.receive([
        reset(NUMBERS),
        changed(order("ORD4", 4, 130), NUMBERS),
        changed(order("ORD3", 3, 110), NUMBERS),
        target(TargetChangeType::Current, &[NUMBERS]),
        consistent(140),
    ]);
    assert_eq!(driven.published(), ["ORD4@130"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn a_removal_with_its_record_needs_no_look_up() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.receive([
        deleted("ORD1", NUMBERS),
        changed(record("ORD1", 110), RECORDS),
        consistent(111),
    ]);
    assert_eq!(driven.published(), ["-ORD1@110"]);
    assert!(driven.looked_up().is_empty());
    driven.receive([reset(RECORDS), changed(record("ORD1", 110), RECORDS)]);
    driven.receive([
        target(TargetChangeType::Current, &[RECORDS]),
        consistent(120),
    ]);
    assert!(driven.published().is_empty());
}

#[test]
fn a_removal_by_others_is_published_at_the_time_of_its_record() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.receive([deleted("ORD1", NUMBERS), consistent(111)]);
    assert_eq!(driven.looked_up().len(), 1);
    assert!(driven.published().is_empty());
    driven.resolve("ORD1", Fate::Removed(115));
    assert!(
        driven.published().is_empty(),
        "an earlier change may follow"
    );
    driven.receive([changed(order("ORD2", 2, 113), NUMBERS), consistent(116)]);
    assert_eq!(driven.published(), ["ORD2@113", "-ORD1@115"]);
    driven.receive([changed(record("ORD1", 115), RECORDS), consistent(117)]);
    assert!(driven.published().is_empty());
}

#[test]
fn a_removal_that_cannot_be_recorded_is_published_as_well() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.receive([deleted("ORD1", NUMBERS), consistent(111)]);
    driven.resolve("ORD1", Fate::Unrecorded);
    assert_eq!(driven.published(), ["-ORD1@111"]);
}

#[test]
fn an_order_that_left_its_targets_and_exists_is_not_removed() {
    let mut driven = Driven::live(
        10,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.receive([
        left("ORD1", NUMBERS),
        left("ORD2", NUMBERS),
        consistent(111),
    ]);
    assert_eq!(driven.looked_up().len(), 2);
    driven.resolve("ORD1", Fate::Exists(Box::new(order("ORD1", 1, 105))));
    driven.resolve("ORD2", Fate::Exists(Box::new(order("ORD2", 2, 11))));
    assert_eq!(
        driven.published(),
        ["ORD1@105"],
        "its last change is published, the other hasn't changed"
    );
}

#[test]
fn an_order_is_looked_up_once_at_a_time() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.receive([left("ORD1", NUMBERS), consistent(111)]);
    assert_eq!(driven.looked_up().len(), 1);
    driven.outputs.clear();
    // Newer than any snapshot so far; the next ones don't show it either.
    driven.resolve("ORD1", Fate::Exists(Box::new(order("ORD1", 1, 115))));
    for micros in 116..=130 {
        driven.receive([consistent(micros)]);
    }
    assert_eq!(driven.looked_up().len(), 1, "the answer is still to come");
    driven.outputs.clear();
    driven.resolve("ORD1", Fate::Exists(Box::new(order("ORD1", 1, 140))));
    driven.receive([consistent(141)]);
    assert_eq!(driven.looked_up().len(), 1, "the order has changed again");
}

#[test]
fn an_order_may_come_back_before_it_was_looked_up() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.receive([left("ORD1", NUMBERS), consistent(111)]);
    driven.receive([changed(order("ORD1", 1, 112), NUMBERS), consistent(113)]);
    driven.resolve("ORD1", Fate::Unrecorded);
    assert_eq!(driven.published(), ["ORD1@112"]);
}

#[test]
fn an_id_may_be_used_again_after_a_removal() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.receive([
        deleted("ORD1", NUMBERS),
        changed(record("ORD1", 110), RECORDS),
        consistent(111),
    ]);
    driven.receive([changed(order("ORD1", 1, 109), NUMBERS), consistent(112)]);
    assert_eq!(
        driven.published(),
        ["-ORD1@110"],
        "a change that is received late doesn't undo the removal"
    );
    driven.receive([changed(order("ORD1", 9, 120), NUMBERS), consistent(121)]);
    assert_eq!(driven.published(), ["ORD1@120"]);
    // The old record is not about the new order.
    driven.receive([reset(RECORDS), changed(record("ORD1", 110), RECORDS)]);
    driven.receive([
        target(TargetChangeType::Current, &[RECORDS]),
        consistent(130),
    ]);
    assert!(driven.published().is_empty());
}

#[test]
fn an_old_open_order_that_is_finished_is_published_without_a_look_up() {
    let mut driven = Driven::live(1, [changed(order("OLD", 1, 10), OPEN)]);
    driven.receive([moved(order("OLD", 1, 110), &[], &[OPEN]), consistent(111)]);
    assert_eq!(driven.published(), ["OLD@110"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn an_old_open_order_that_the_server_only_takes_back_is_looked_up() {
    let mut driven = Driven::live(1, [changed(order("OLD", 1, 10), OPEN)]);
    driven.receive([left("OLD", OPEN), consistent(111)]);
    assert_eq!(driven.published(), Vec::<String>::new());
    assert_eq!(driven.looked_up().len(), 1);
    driven.resolve("OLD", Fate::Exists(Box::new(order("OLD", 1, 109))));
    assert_eq!(driven.published(), ["OLD@109"]);
}

#[test]
fn an_answer_about_an_earlier_removal_does_not_count_for_a_later_one() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.receive([deleted("ORD1", NUMBERS), consistent(101)]);
    driven.receive([changed(order("ORD1", 1, 110), NUMBERS), consistent(111)]);
    driven.receive([deleted("ORD1", NUMBERS), consistent(121)]);
    assert_eq!(driven.published(), ["ORD1@110"]);
    let looks = driven.looked_up().len();
    driven.resolve("ORD1", Fate::Removed(100));
    assert_eq!(driven.published(), Vec::<String>::new());
    assert_eq!(driven.looked_up().len(), looks + 1, "once more");
    driven.resolve("ORD1", Fate::Removed(120));
    assert_eq!(driven.published(), ["-ORD1@120"]);
}
