//! How many reads each message costs.

use super::*;

/// Documents that were billed since the last call.
fn billed(driven: &mut Driven) -> u64 {
    let billed = driven.outputs.iter().map(|output| match output {
        Output::Billed(documents) => *documents,
        _ => 0,
    });
    let billed = billed.sum();
    driven.outputs.clear();
    billed
}

#[test]
fn what_comes_again_unchanged_is_not_billed() {
    let mut driven = Driven::new(10);
    driven.tick();
    driven.stream(StreamEvent::Opened);
    let first = [
        changed(order("ORD1", 1, 10), NUMBERS),
        changed(order("ORD2", 2, 11), NUMBERS),
    ];
    driven.receive(first.clone());
    driven.receive([current(), consistent(100)]);
    assert_eq!(billed(&mut driven), 2);
    driven.receive([
        reset(NUMBERS),
        changed(order("ORD1", 1, 10), NUMBERS),
        changed(order("ORD2", 2, 110), NUMBERS),
    ]);
    driven.receive([
        target(TargetChangeType::Current, &[NUMBERS]),
        consistent(120),
    ]);
    assert_eq!(billed(&mut driven), 1);
    driven.receive([
        left("ORD1", NUMBERS),
        deleted("ORD2", NUMBERS),
        consistent(130),
    ]);
    assert_eq!(
        billed(&mut driven),
        1,
        "leaving is a read, a removal is none"
    );
    // All documents of a new query are billed.
    driven.receive([counts(NUMBERS, 5), consistent(140)]);
    driven.wait();
    driven.stream(StreamEvent::Opened);
    driven.receive(first);
    assert_eq!(billed(&mut driven), 2);
}

#[test]
fn an_order_in_two_targets_is_billed_for_each() {
    let mut driven = Driven::live(10, []);
    billed(&mut driven);
    driven.receive([
        moved(order("ORD1", 1, 110), &[NUMBERS, OPEN], &[]),
        consistent(111),
    ]);
    assert_eq!(billed(&mut driven), 2);
    driven.receive([
        changed(order("ORD1", 1, 112), NUMBERS),
        changed(order("ORD1", 1, 112), OPEN),
        consistent(113),
    ]);
    assert_eq!(billed(&mut driven), 2);
    driven.receive([
        reset(NUMBERS),
        changed(order("ORD1", 1, 112), NUMBERS),
        current(),
        consistent(114),
    ]);
    assert_eq!(billed(&mut driven), 0);
}
