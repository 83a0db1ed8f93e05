use super::*;

#[test]
fn nothing_is_told_before_every_target_is_complete() {
    let mut driven = Driven::new(10);
    driven.tick();
    driven.stream(StreamEvent::Opened);
    driven.hear([
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
    driven.hear([consistent(21)]);
    let snapshots = driven.snapshots();
    assert_eq!(snapshots.len(), 1);
    assert!(snapshots[0].initial);
    let told: Vec<_> = snapshots[0].changes.iter().map(describe).collect();
    assert_eq!(told, ["t@9", "ORD1@10", "-ORD0@15"]);
    assert_eq!(driven.sources(), [SourceState::Live]);
}

#[test]
fn an_empty_database_has_a_first_snapshot_too() {
    let mut driven = Driven::new(10);
    driven.tick();
    driven.stream(StreamEvent::Opened);
    driven.hear([current(), consistent(1)]);
    assert_eq!(driven.snapshots().len(), 1);
    driven.hear([consistent(2)]);
    assert!(driven.snapshots().is_empty());
}

#[test]
fn a_change_is_told_at_the_next_consistent_point() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.hear([
        changed(order("ORD1", 1, 110), NUMBERS),
        changed(order("ORD2", 2, 105), NUMBERS),
    ]);
    // A refreshed token of one target is no consistent point.
    driven.hear([target(TargetChangeType::NoChange, &[NUMBERS])]);
    assert!(driven.told().is_empty());
    driven.hear([consistent(120)]);
    assert_eq!(driven.told(), ["ORD2@105", "ORD1@110"]);
}

#[test]
fn a_reset_that_brings_the_same_again_reaches_nobody() {
    let mut driven = Driven::live(
        10,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.hear([
        reset(NUMBERS),
        changed(order("ORD1", 1, 10), NUMBERS),
        changed(order("ORD2", 2, 130), NUMBERS),
        consistent(125),
        target(TargetChangeType::Current, &[NUMBERS]),
        consistent(140),
    ]);
    assert_eq!(driven.told(), ["ORD2@130"]);
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
    driven.hear([reset(NUMBERS), changed(order("ORD1", 1, 150), NUMBERS)]);
    assert_eq!(
        driven.reconnect(),
        [&b""[..], b"token 100", b"token 100", b"token 100"].map(<[u8]>::to_vec)
    );
    driven.hear([
        changed(order("ORD1", 1, 150), NUMBERS),
        changed(order("ORD2", 2, 11), NUMBERS),
        current(),
    ]);
    driven.hear([consistent(160)]);
    assert_eq!(driven.told(), ["ORD1@150"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn an_order_pushed_out_by_newer_ones_is_no_removal() {
    let mut driven = Driven::live(
        2,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.hear([
        changed(order("ORD3", 3, 110), NUMBERS),
        left("ORD1", NUMBERS),
        consistent(120),
    ]);
    assert_eq!(driven.told(), ["ORD3@110"]);
    assert!(driven.looked_up().is_empty());
    // The same after everything was sent again.
    driven.hear([
        reset(NUMBERS),
        changed(order("ORD4", 4, 130), NUMBERS),
        changed(order("ORD3", 3, 110), NUMBERS),
        target(TargetChangeType::Current, &[NUMBERS]),
        consistent(140),
    ]);
    assert_eq!(driven.told(), ["ORD4@130"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn a_removal_with_its_record_needs_no_look_up() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.hear([
        deleted("ORD1", NUMBERS),
        changed(record("ORD1", 110), RECORDS),
        consistent(111),
    ]);
    assert_eq!(driven.told(), ["-ORD1@110"]);
    assert!(driven.looked_up().is_empty());
    driven.hear([reset(RECORDS), changed(record("ORD1", 110), RECORDS)]);
    driven.hear([
        target(TargetChangeType::Current, &[RECORDS]),
        consistent(120),
    ]);
    assert!(driven.told().is_empty());
}

#[test]
fn a_removal_by_others_is_told_at_the_time_of_its_record() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.hear([deleted("ORD1", NUMBERS), consistent(111)]);
    assert_eq!(driven.looked_up().len(), 1);
    assert!(driven.told().is_empty());
    driven.resolve("ORD1", Fate::Removed(115));
    assert!(driven.told().is_empty(), "something earlier may still come");
    driven.hear([changed(order("ORD2", 2, 113), NUMBERS), consistent(116)]);
    assert_eq!(driven.told(), ["ORD2@113", "-ORD1@115"]);
    driven.hear([changed(record("ORD1", 115), RECORDS), consistent(117)]);
    assert!(driven.told().is_empty());
}

#[test]
fn a_removal_that_cannot_be_recorded_is_told_all_the_same() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.hear([deleted("ORD1", NUMBERS), consistent(111)]);
    driven.resolve("ORD1", Fate::Unrecorded);
    assert_eq!(driven.told(), ["-ORD1@111"]);
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
    driven.hear([
        left("ORD1", NUMBERS),
        left("ORD2", NUMBERS),
        consistent(111),
    ]);
    assert_eq!(driven.looked_up().len(), 2);
    driven.resolve("ORD1", Fate::Exists(Box::new(order("ORD1", 1, 105))));
    driven.resolve("ORD2", Fate::Exists(Box::new(order("ORD2", 2, 11))));
    assert_eq!(
        driven.told(),
        ["ORD1@105"],
        "its last change is told, the other hasn't changed"
    );
}

#[test]
fn an_order_is_looked_up_once_at_a_time() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.hear([left("ORD1", NUMBERS), consistent(111)]);
    assert_eq!(driven.looked_up().len(), 1);
    driven.said.clear();
    // Newer than any snapshot so far; the next ones don't show it either.
    driven.resolve("ORD1", Fate::Exists(Box::new(order("ORD1", 1, 115))));
    for micros in 116..=130 {
        driven.hear([consistent(micros)]);
    }
    assert_eq!(driven.looked_up().len(), 1, "the answer is still to come");
    driven.said.clear();
    driven.resolve("ORD1", Fate::Exists(Box::new(order("ORD1", 1, 140))));
    driven.hear([consistent(141)]);
    assert_eq!(driven.looked_up().len(), 1, "the order has changed again");
}

#[test]
fn an_order_may_come_back_before_it_was_looked_up() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.hear([left("ORD1", NUMBERS), consistent(111)]);
    driven.hear([changed(order("ORD1", 1, 112), NUMBERS), consistent(113)]);
    driven.resolve("ORD1", Fate::Unrecorded);
    assert_eq!(driven.told(), ["ORD1@112"]);
}

#[test]
fn an_id_may_be_used_again_after_a_removal() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.hear([
        deleted("ORD1", NUMBERS),
        changed(record("ORD1", 110), RECORDS),
        consistent(111),
    ]);
    driven.hear([changed(order("ORD1", 1, 109), NUMBERS), consistent(112)]);
    assert_eq!(
        driven.told(),
        ["-ORD1@110"],
        "what is told of late stays removed"
    );
    driven.hear([changed(order("ORD1", 9, 120), NUMBERS), consistent(121)]);
    assert_eq!(driven.told(), ["ORD1@120"]);
    // The old record is not about the new order.
    driven.hear([reset(RECORDS), changed(record("ORD1", 110), RECORDS)]);
    driven.hear([
        target(TargetChangeType::Current, &[RECORDS]),
        consistent(130),
    ]);
    assert!(driven.told().is_empty());
}

#[test]
fn older_and_equal_states_are_refused() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 50), NUMBERS)]);
    driven.hear([changed(order("ORD1", 1, 50), NUMBERS), consistent(110)]);
    driven.hear([changed(order("ORD1", 1, 40), NUMBERS), consistent(111)]);
    assert!(driven.told().is_empty());
    driven.hear([changed(order("ORD1", 1, 60), NUMBERS), consistent(112)]);
    assert_eq!(driven.told(), ["ORD1@60"]);
}

#[test]
fn a_commit_that_comes_torn_is_complete_in_the_end() {
    let mut driven = Driven::live(10, []);
    driven.hear([changed(order("ORD1", 1, 110), NUMBERS), consistent(120)]);
    driven.hear([changed(order("ORD2", 2, 110), NUMBERS), consistent(121)]);
    assert_eq!(driven.told(), ["ORD1@110", "ORD2@110"]);
}

#[test]
fn a_time_that_changes_its_type_moves_the_order() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    let timed = document(order_name("ORD1"), ValueType::TimestampValue(at(5)), 110);
    driven.hear([moved(timed, &[TIMES], &[NUMBERS]), consistent(111)]);
    assert_eq!(driven.told(), ["ORD1@110"]);
    // In two messages, in reverse order.
    driven.hear([
        left("ORD1", TIMES),
        changed(order("ORD1", 1, 120), NUMBERS),
        consistent(121),
    ]);
    assert_eq!(driven.told(), ["ORD1@120"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn counts_that_agree_change_nothing() {
    let mut driven = Driven::live(
        10,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.hear([
        counts(NUMBERS, 3),
        changed(order("ORD3", 3, 110), NUMBERS),
        counts(TIMES, 0),
        consistent(111),
    ]);
    assert_eq!(driven.told(), ["ORD3@110"]);
    assert!(!driven.closed());
}

#[test]
fn counts_that_differ_start_over_without_tokens() {
    let mut driven = Driven::live(
        10,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.hear([counts(NUMBERS, 1), consistent(111)]);
    assert!(driven.closed());
    assert!(driven.told().is_empty());
    assert_eq!(driven.wait(), Duration::ZERO);
    assert_eq!(driven.opened(), Some((false, Default::default())));
    driven.stream(StreamEvent::Opened);
    driven.hear([
        changed(order("ORD2", 2, 11), NUMBERS),
        current(),
        consistent(120),
    ]);
    let missing: Vec<_> = driven
        .looked_up()
        .into_iter()
        .map(|missing| missing.name)
        .collect();
    assert_eq!(missing, [order_name("ORD1").into()]);
    assert!(
        driven.sources().is_empty(),
        "nobody was told of any trouble"
    );
    // Again within a minute: with backoff.
    driven.hear([counts(NUMBERS, 7), consistent(121)]);
    assert_eq!(driven.wait(), Duration::from_secs(1));
}

#[test]
fn a_token_is_used_once_its_snapshot_was_told() {
    let mut driven = Driven::live(10, []);
    driven.hear([changed(order("ORD1", 1, 110), NUMBERS)]);
    let mut fresher = TargetChange {
        resume_token: b"fresher".to_vec(),
        target_ids: ALL.to_vec(),
        ..TargetChange::default()
    };
    fresher.target_change_type = TargetChangeType::NoChange.into();
    driven.hear([ResponseType::TargetChange(fresher)]);
    assert_eq!(driven.reconnect(), [(); 4].map(|()| b"token 100".to_vec()));
    // Now only later changes are sent.
    driven.hear([
        changed(order("ORD1", 1, 110), NUMBERS),
        current(),
        consistent(120),
    ]);
    assert_eq!(driven.told(), ["ORD1@110"]);
    assert_eq!(driven.reconnect(), [(); 4].map(|()| b"token 120".to_vec()));
}

#[test]
fn a_refused_token_is_dropped_and_the_stream_opened_once_more() {
    for code in [Code::InvalidArgument, Code::FailedPrecondition] {
        let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
        driven.reconnect();
        driven.hear([dropped(code)]);
        assert_eq!(driven.wait(), Duration::ZERO);
        assert_eq!(
            driven.opened().expect("another stream").1,
            <[Vec<u8>; 4]>::default()
        );
        driven.stream(StreamEvent::Opened);
        driven.hear([dropped(code)]);
        assert!(
            matches!(driven.sources().last(), Some(SourceState::Failed { .. })),
            "{:?}",
            driven.sources()
        );
        assert_eq!(driven.wait(), Duration::from_secs(300));
    }
}

#[test]
fn a_short_cut_is_nobodys_business() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.now += Duration::from_secs(20);
    driven.fail(Code::Unavailable);
    assert_eq!(driven.wait(), Duration::ZERO);
    driven.stream(StreamEvent::Opened);
    driven.now += Duration::from_secs(3);
    driven.hear([current(), consistent(120)]);
    assert!(driven.sources().is_empty());
}

#[test]
fn a_cut_that_lasts_is_told_and_tried_with_growing_pauses() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.now += Duration::from_secs(20);
    driven.fail(Code::Unknown);
    assert_eq!(driven.wait(), Duration::ZERO);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        driven.fail(Code::Unavailable);
        pauses.push(driven.wait().as_millis());
    }
    assert_eq!(pauses, [1_000, 1_500, 2_250, 3_375]);
    assert!(
        matches!(&driven.sources()[..], [SourceState::Away { message }] if message.contains("Unavailable"))
    );
    driven.stream(StreamEvent::Opened);
    driven.hear([current(), consistent(120)]);
    assert_eq!(driven.sources().last(), Some(&SourceState::Live));
}

#[test]
fn an_opened_stream_without_contents_is_told_after_ten_seconds() {
    let mut driven = Driven::live(10, []);
    driven.reconnect();
    assert_eq!(driven.wait(), Duration::from_secs(10));
    assert!(matches!(&driven.sources()[..], [SourceState::Away { .. }]));
}

#[test]
fn streams_that_end_soon_are_not_opened_without_pause() {
    let mut driven = Driven::live(10, []);
    let mut pauses = Vec::new();
    for _ in 0..3 {
        driven.stream(StreamEvent::Ended);
        pauses.push(driven.wait().as_millis());
        driven.stream(StreamEvent::Opened);
        driven.hear([current(), consistent(120)]);
    }
    assert_eq!(pauses, [0, 1_000, 1_500]);
}

#[test]
fn a_used_up_quota_waits_a_minute() {
    let mut driven = Driven::live(10, []);
    driven.fail(Code::ResourceExhausted);
    assert!(
        matches!(&driven.sources()[..], [SourceState::Away { message }] if message.contains("quota"))
    );
    assert_eq!(driven.wait(), Duration::from_secs(60));
}

#[test]
fn what_a_person_has_to_mend_is_said_and_tried_rarely() {
    let expected = [
        (Code::PermissionDenied, "roles/datastore.user"),
        (Code::NotFound, "firestore.project_id"),
        (Code::InvalidArgument, "firestore.collection"),
        (Code::FailedPrecondition, "Native mode"),
        (Code::Unimplemented, "FIRESTORE_EMULATOR_HOST"),
    ];
    for (code, hint) in expected {
        let mut driven = Driven::new(10);
        driven.tick();
        driven.fail(code);
        let sources = driven.sources();
        let [SourceState::Failed { message }] = &sources[..] else {
            panic!("{code:?}: {sources:?}")
        };
        assert!(
            message.contains(hint) && message.contains("because"),
            "{message}"
        );
        assert_eq!(driven.wait(), Duration::from_secs(300));
        assert!(
            driven.opened().is_some_and(|(rebuild, _)| rebuild),
            "with fresh credentials"
        );
    }
}

#[test]
fn a_target_dropped_for_a_cause_is_an_error_like_any_other() {
    let mut driven = Driven::live(10, []);
    driven.hear([dropped(Code::PermissionDenied)]);
    assert!(driven.closed());
    assert!(matches!(
        &driven.sources()[..],
        [SourceState::Failed { .. }]
    ));
}

#[test]
fn silence_rebuilds_the_connection_and_is_told_within_ninety_seconds() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    let start = driven.now;
    assert_eq!(driven.wait(), Duration::from_secs(75));
    assert!(driven.closed());
    assert_eq!(driven.wait(), Duration::ZERO);
    assert!(driven.opened().is_some_and(|(rebuild, _)| rebuild));
    driven.wait();
    assert!(driven.now - start <= Duration::from_secs(90));
    assert!(matches!(&driven.sources()[..], [SourceState::Away { .. }]));
    driven.stream(StreamEvent::Opened);
    driven.hear([current(), consistent(120)]);
    assert!(driven.told().is_empty());
    assert_eq!(driven.sources().last(), Some(&SourceState::Live));
}

#[test]
fn any_word_from_the_server_ends_the_silence() {
    let mut driven = Driven::live(10, []);
    for _ in 0..5 {
        driven.now += Duration::from_secs(30);
        driven.hear([target(TargetChangeType::NoChange, &[])]);
        driven.tick();
    }
    assert!(!driven.closed());
}

#[test]
fn an_attempt_without_an_answer_is_given_up() {
    let mut driven = Driven::new(10);
    driven.tick();
    assert_eq!(driven.wait(), Duration::from_secs(15));
    assert!(matches!(&driven.sources()[..], [SourceState::Away { .. }]));
}

#[test]
fn a_document_that_cannot_be_read_is_counted_and_hides_no_other() {
    let mut driven = Driven::live(10, [changed(order("__id7__", 1, 10), NUMBERS)]);
    assert_eq!(driven.machine.unreadable(), 1);
    driven.hear([
        changed(order("__id7__", 1, 110), NUMBERS),
        changed(order("ORD1", 1, 111), NUMBERS),
        consistent(112),
    ]);
    assert_eq!(driven.told(), ["ORD1@111"]);
    assert_eq!(driven.machine.unreadable(), 1);
}

/// Documents that were billed since the last call.
fn billed(driven: &mut Driven) -> u64 {
    let billed = driven.said.iter().map(|output| match output {
        Output::Billed(documents) => *documents,
        _ => 0,
    });
    let billed = billed.sum();
    driven.said.clear();
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
    driven.hear(first.clone());
    driven.hear([current(), consistent(100)]);
    assert_eq!(billed(&mut driven), 2);
    driven.hear([
        reset(NUMBERS),
        changed(order("ORD1", 1, 10), NUMBERS),
        changed(order("ORD2", 2, 110), NUMBERS),
    ]);
    driven.hear([
        target(TargetChangeType::Current, &[NUMBERS]),
        consistent(120),
    ]);
    assert_eq!(billed(&mut driven), 1);
    driven.hear([
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
    driven.hear([counts(NUMBERS, 5), consistent(140)]);
    driven.wait();
    driven.stream(StreamEvent::Opened);
    driven.hear(first);
    assert_eq!(billed(&mut driven), 2);
}

#[test]
fn an_old_open_order_that_is_finished_is_told_without_a_look() {
    let mut driven = Driven::live(1, [changed(order("OLD", 1, 10), OPEN)]);
    driven.hear([moved(order("OLD", 1, 110), &[], &[OPEN]), consistent(111)]);
    assert_eq!(driven.told(), ["OLD@110"]);
    assert!(driven.looked_up().is_empty());
}

#[test]
fn an_old_open_order_that_the_server_only_takes_back_is_looked_up() {
    let mut driven = Driven::live(1, [changed(order("OLD", 1, 10), OPEN)]);
    driven.hear([left("OLD", OPEN), consistent(111)]);
    assert_eq!(driven.told(), Vec::<String>::new());
    assert_eq!(driven.looked_up().len(), 1);
    driven.resolve("OLD", Fate::Exists(Box::new(order("OLD", 1, 109))));
    assert_eq!(driven.told(), ["OLD@109"]);
}

#[test]
fn an_order_in_two_targets_is_billed_for_each() {
    let mut driven = Driven::live(10, []);
    billed(&mut driven);
    driven.hear([
        moved(order("ORD1", 1, 110), &[NUMBERS, OPEN], &[]),
        consistent(111),
    ]);
    assert_eq!(billed(&mut driven), 2);
    driven.hear([
        changed(order("ORD1", 1, 112), NUMBERS),
        changed(order("ORD1", 1, 112), OPEN),
        consistent(113),
    ]);
    assert_eq!(billed(&mut driven), 2);
    driven.hear([
        reset(NUMBERS),
        changed(order("ORD1", 1, 112), NUMBERS),
        current(),
        consistent(114),
    ]);
    assert_eq!(billed(&mut driven), 0);
}

#[test]
fn an_answer_about_an_earlier_removal_does_not_count_for_a_later_one() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.hear([deleted("ORD1", NUMBERS), consistent(101)]);
    driven.hear([changed(order("ORD1", 1, 110), NUMBERS), consistent(111)]);
    driven.hear([deleted("ORD1", NUMBERS), consistent(121)]);
    assert_eq!(driven.told(), ["ORD1@110"]);
    let looks = driven.looked_up().len();
    driven.resolve("ORD1", Fate::Removed(100));
    assert_eq!(driven.told(), Vec::<String>::new());
    assert_eq!(driven.looked_up().len(), looks + 1, "once more");
    driven.resolve("ORD1", Fate::Removed(120));
    assert_eq!(driven.told(), ["-ORD1@120"]);
}

#[test]
fn fat_documents_of_a_first_snapshot_are_left_out_beyond_the_memory_for_them() {
    let fat = |number: i64| {
        let mut order = order(&format!("ORD{number}"), number, 10);
        let text = value::text("x".repeat(400 << 10));
        order.fields.insert("fat".to_owned(), text);
        changed(order, NUMBERS)
    };
    let mut driven = Driven::live(10, []);
    driven.hear((1..=5).map(fat));
    driven.hear([consistent(101)]);
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
fn open_orders_are_told_once_more_when_the_hub_has_room() {
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
        "everything is asked for"
    );
    driven.hear(first);
    driven.hear([current(), consistent(120)]);
    let snapshots = driven.snapshots();
    assert_eq!(snapshots.len(), 1);
    assert!(snapshots[0].repeats);
    let told: Vec<_> = snapshots[0].changes.iter().map(describe).collect();
    assert_eq!(told, ["ORD1@10"]);
    driven.said.clear();
    driven.give(Input::Repeat);
    assert!(driven.said.is_empty(), "once in a while is enough");
}
