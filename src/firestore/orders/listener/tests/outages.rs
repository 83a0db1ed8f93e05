//! Streams that fail, end, fall silent, or no longer match the database; and how they are resumed.

use super::*;

#[test]
fn counts_that_agree_change_nothing() {
    let mut driven = Driven::live(
        10,
        [
            changed(order("ORD1", 1, 10), NUMBERS),
            changed(order("ORD2", 2, 11), NUMBERS),
        ],
    );
    driven.receive([
        counts(NUMBERS, 3),
        changed(order("ORD3", 3, 110), NUMBERS),
        counts(TIMES, 0),
        consistent(111),
    ]);
    assert_eq!(driven.published(), ["ORD3@110"]);
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
    driven.receive([counts(NUMBERS, 1), consistent(111)]);
    assert!(driven.closed());
    assert!(driven.published().is_empty());
    assert_eq!(driven.wait(), Duration::ZERO);
    assert_eq!(driven.opened(), Some((false, Default::default())));
    driven.stream(StreamEvent::Opened);
    driven.receive([
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
    assert!(driven.sources().is_empty(), "the outage isn't reported");
    // Again within a minute: with backoff.
    driven.receive([counts(NUMBERS, 7), consistent(121)]);
    assert_eq!(driven.wait(), Duration::from_secs(1));
}

#[test]
fn a_token_is_used_once_its_snapshot_was_published() {
    let mut driven = Driven::live(10, []);
    driven.receive([changed(order("ORD1", 1, 110), NUMBERS)]);
    let mut fresher = TargetChange {
        resume_token: b"fresher".to_vec(),
        target_ids: ALL.to_vec(),
        ..TargetChange::default()
    };
    fresher.target_change_type = TargetChangeType::NoChange.into();
    driven.receive([ResponseType::TargetChange(fresher)]);
    assert_eq!(driven.reconnect(), [(); 4].map(|()| b"token 100".to_vec()));
    // Now only later changes are sent.
    driven.receive([
        changed(order("ORD1", 1, 110), NUMBERS),
        current(),
        consistent(120),
    ]);
    assert_eq!(driven.published(), ["ORD1@110"]);
    assert_eq!(driven.reconnect(), [(); 4].map(|()| b"token 120".to_vec()));
}

#[test]
fn a_refused_token_is_dropped_and_the_stream_opened_once_more() {
    for code in [Code::InvalidArgument, Code::FailedPrecondition] {
        let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
        driven.reconnect();
        driven.receive([dropped(code)]);
        assert_eq!(driven.wait(), Duration::ZERO);
        assert_eq!(
            driven.opened().expect("another stream").1,
            <[Vec<u8>; 4]>::default()
        );
        driven.stream(StreamEvent::Opened);
        driven.receive([dropped(code)]);
        assert!(
            matches!(driven.sources().last(), Some(SourceState::Failed { .. })),
            "{:?}",
            driven.sources()
        );
        assert_eq!(driven.wait(), Duration::from_secs(300));
    }
}

#[test]
fn a_short_outage_is_not_reported() {
    let mut driven = Driven::live(10, [changed(order("ORD1", 1, 10), NUMBERS)]);
    driven.now += Duration::from_secs(20);
    driven.fail(Code::Unavailable);
    assert_eq!(driven.wait(), Duration::ZERO);
    driven.stream(StreamEvent::Opened);
    driven.now += Duration::from_secs(3);
    driven.receive([current(), consistent(120)]);
    assert!(driven.sources().is_empty());
}

#[test]
fn a_longer_outage_is_reported_and_attempts_follow_with_growing_pauses() {
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
    driven.receive([current(), consistent(120)]);
    assert_eq!(driven.sources().last(), Some(&SourceState::Live));
}

#[test]
fn an_opened_stream_without_contents_is_reported_after_ten_seconds() {
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
        driven.receive([current(), consistent(120)]);
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
fn a_fault_for_an_operator_names_the_fix_and_is_retried_rarely() {
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
    driven.receive([dropped(Code::PermissionDenied)]);
    assert!(driven.closed());
    assert!(matches!(
        &driven.sources()[..],
        [SourceState::Failed { .. }]
    ));
}

#[test]
fn silence_rebuilds_the_channel_and_is_reported_within_ninety_seconds() {
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
    driven.receive([current(), consistent(120)]);
    assert!(driven.published().is_empty());
    assert_eq!(driven.sources().last(), Some(&SourceState::Live));
}

#[test]
fn any_message_ends_the_silence() {
    let mut driven = Driven::live(10, []);
    for _ in 0..5 {
        driven.now += Duration::from_secs(30);
        driven.receive([target(TargetChangeType::NoChange, &[])]);
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
