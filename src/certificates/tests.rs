//! The machine: what it never does, whatever the clock, the authority and other instances do.

use std::time::Duration;

use proptest::prelude::*;

use super::machine::{self, BETWEEN_CERTIFICATES, LEASE, LONGEST_RETRY, LOOK_OFTEN, Step, WEEK};
use super::record::{CertificateRecord, MAX_ISSUED, Record};
use super::{Problem, ProblemKind, Wanted};

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn wanted() -> Wanted {
    Wanted {
        domains: vec!["desk.example.com".to_owned()],
        directory_url: "https://ca.example/dir".to_owned(),
    }
}

fn certificate(not_before: u64, days: u64) -> CertificateRecord {
    CertificateRecord {
        directory_url: wanted().directory_url,
        chain: String::new(),
        key: String::new().into(),
        domains: wanted().domains,
        not_before,
        not_after: not_before + days * DAY,
        stored_at: not_before,
        renew_at: None,
        // Not asked about here.
        asked_at: 0,
        ask_at: u64::MAX,
    }
}

fn with_certificate(not_before: u64, days: u64) -> Record {
    let mut record = Record::default();
    record.succeed(certificate(not_before, days));
    record
}

fn step(record: &Record, now: u64) -> Step {
    machine::next_step(record, &wanted(), "me", now)
}

fn problem(kind: ProblemKind) -> Problem {
    Problem::new(kind, "as it happens")
}

#[test]
fn the_first_certificate_is_requested_at_once() {
    assert_eq!(step(&Record::default(), NOW), Step::Order);
}

#[test]
fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
    let record = with_certificate(NOW, 90);
    assert!(matches!(step(&record, NOW + 60 * DAY - 1), Step::Wait(_)));
    assert_eq!(step(&record, NOW + 60 * DAY), Step::Order);
}

#[test]
fn the_authority_can_ask_for_an_earlier_renewal_and_not_put_it_off_to_the_end() {
    let mut record = with_certificate(NOW, 90);
    let window = Some((NOW + 10 * DAY, NOW + 12 * DAY));
    record.plan_renewal(window, Duration::from_secs(6 * 3_600), NOW, 0.5);
    assert_eq!(step(&record, NOW + 6 * HOUR), Step::AskRenewal);
    record.plan_renewal(window, Duration::from_secs(6 * 3_600), NOW + 10 * DAY, 0.0);
    assert!(
        matches!(step(&record, NOW + 11 * DAY - 1), Step::AskRenewal),
        "the chosen point stays"
    );
    assert_eq!(step(&record, NOW + 11 * DAY), Step::Order);
    let late = Some((NOW + 89 * DAY, NOW + 90 * DAY));
    record.plan_renewal(late, Duration::from_secs(6 * 3_600), NOW + 10 * DAY, 0.0);
    assert_eq!(step(&record, NOW + 75 * DAY), Step::Order);
}

#[test]
fn other_names_and_another_authority_need_another_certificate() {
    let record = with_certificate(NOW, 90);
    let more = Wanted {
        domains: vec!["desk.example.com".to_owned(), "b.example.com".to_owned()],
        ..wanted()
    };
    assert_eq!(machine::next_step(&record, &more, "me", NOW), Step::Order);
    let other = Wanted {
        directory_url: "https://other.example/dir".to_owned(),
        ..wanted()
    };
    assert_eq!(machine::next_step(&record, &other, "me", NOW), Step::Order);
}

#[test]
fn one_instance_works_and_the_others_look_often() {
    let leased = Record::default().leased("other", NOW);
    assert_eq!(step(&leased, NOW), Step::Wait(LOOK_OFTEN));
    assert_eq!(
        machine::next_step(&leased, &wanted(), "other", NOW),
        Step::Order,
        "after a restart"
    );
    let end = NOW + u64::try_from(LEASE.as_millis()).expect("a time");
    assert_eq!(step(&leased, end), Step::Order, "it has died");
    assert_eq!(
        step(&leased, NOW - 30 * DAY),
        Step::Order,
        "a clock was wrong"
    );
}

#[test]
fn a_limit_of_the_authority_is_respected() {
    let mut record = Record::default();
    let limited = problem(ProblemKind::RateLimited);
    record.fail(
        &wanted(),
        limited.clone(),
        Some(Duration::from_secs(2 * 24 * 3_600)),
        NOW,
        0.0,
    );
    assert!(matches!(step(&record, NOW + 2 * DAY - 1), Step::Wait(_)));
    assert_eq!(step(&record, NOW + 2 * DAY), Step::Order);
    record.fail(&wanted(), limited, None, NOW, 0.0);
    assert!(matches!(step(&record, NOW + HOUR - 1), Step::Wait(_)));
}

#[test]
fn the_record_survives_its_text() {
    let mut record = with_certificate(NOW, 90).leased("me", NOW);
    record.fail(
        &wanted(),
        problem(ProblemKind::Dns).about("a.example"),
        None,
        NOW,
        0.3,
    );
    let text = serde_json::to_string(&record).expect("JSON");
    let read: Record = serde_json::from_str(&text).expect("a record");
    assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    assert!(!format!("{record:?}").contains("BEGIN"));
}

/// What happens to the record next.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// An attempt that is due succeeds: with a certificate of so many days, valid from so many milliseconds before or after.
    Succeed(u64, i64),
    /// An attempt that is due fails.
    Fail(ProblemKind, Option<u64>),
    /// The authority answers about renewal.
    Plan(u64, u64, u64),
    /// The process dies while it holds the lease.
    Die,
}

fn kind() -> impl Strategy<Value = ProblemKind> {
    prop_oneof![
        Just(ProblemKind::Dns),
        Just(ProblemKind::Connection),
        Just(ProblemKind::RateLimited),
        Just(ProblemKind::Unreachable),
        Just(ProblemKind::Authority),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..=40 * DAY).prop_map(Event::Pass),
        4 => (0..=HOUR).prop_map(Event::Pass),
        2 => (1..=100_u64, -2 * 365 * 86_400_000_i64..=86_400_000)
            .prop_map(|(days, begun)| Event::Succeed(days, begun)),
        4 => (kind(), proptest::option::of(0..=20 * 24 * 3_600_u64))
            .prop_map(|(kind, after)| Event::Fail(kind, after)),
        1 => (0..=200 * DAY, 0..=10 * DAY, 0..=2 * DAY / 1_000)
            .prop_map(|(start, length, again)| Event::Plan(start, length, again)),
        1 => Just(Event::Die),
    ]
}

proptest! {
    #[test]
    fn the_limits_of_an_authority_are_never_reached(events in prop::collection::vec(event(), 1..200)) {
        let mut record = Record::default();
        let mut now = NOW;
        let (mut issued, mut failed) = (Vec::new(), Vec::new());
        let mut asked_until = 0;
        for event in events {
            let due = step(&record, now);
            if let Step::Wait(wait) = due {
                prop_assert!(!wait.is_zero() && wait <= machine::LOOK_SELDOM, "{wait:?}");
            }
            match event {
                Event::Pass(time) => now += time,
                Event::Die if due != Step::Wait(Duration::ZERO) => record = record.leased("me", now),
                Event::Succeed(days, begun) if due == Step::Order => {
                    prop_assert!(now >= asked_until, "before the authority's time");
                    let mut new = certificate(now.saturating_add_signed(begun), days);
                    new.stored_at = now;
                    record.succeed(new);
                    issued.push(now);
                }
                Event::Fail(kind, after) if due == Step::Order => {
                    prop_assert!(now >= asked_until, "before the authority's time");
                    let after = after.map(Duration::from_secs);
                    record.fail(&wanted(), problem(kind), after, now, 0.5);
                    let longest = after.unwrap_or_default().min(LONGEST_RETRY);
                    asked_until = now + u64::try_from(longest.as_millis()).expect("a time");
                    if kind != ProblemKind::Unreachable {
                        failed.push(now);
                    }
                }
                Event::Plan(start, length, again) => {
                    let window = Some((NOW + start, NOW + start + length));
                    record.plan_renewal(window, Duration::from_secs(again), now, 0.7);
                }
                _ => {}
            }
        }
        let week = u64::try_from(WEEK.as_millis()).expect("a time");
        for times in issued.windows(MAX_ISSUED + 1) {
            prop_assert!(times[MAX_ISSUED] - times[0] >= week, "{times:?}");
        }
        // Let's Encrypt: five failures per name and hour.
        for times in failed.windows(6) {
            let within = times[5] - times[0];
            prop_assert!(within > HOUR || issued.iter().any(|at| times[0] <= *at && *at <= times[5]), "{times:?}");
        }
    }

    #[test]
    fn a_certificate_is_renewed_before_it_ends(
        days in 2..=400_u64,
        window in proptest::option::of((0..=500 * DAY, 0..=50 * DAY)),
        spread in 0.0..=1.0_f64,
    ) {
        let mut record = with_certificate(NOW, days);
        if let Some((start, length)) = window {
            let window = Some((NOW + start, NOW + start + length));
            record.plan_renewal(window, Duration::from_secs(3_600), NOW, spread);
        }
        let due = machine::due_at(&record, &wanted(), NOW);
        let left = (NOW + days * DAY).saturating_sub(due);
        prop_assert!(left >= days * DAY / 6, "{left}");
        let between = u64::try_from(BETWEEN_CERTIFICATES.as_millis()).expect("a time");
        prop_assert!(due >= NOW + between.min(days * DAY / 3));
    }

    #[test]
    fn of_two_instances_at_most_one_acts(at in 0..=2 * HOUR, lease in 0..=HOUR / 6) {
        let record = Record::default().leased("a", NOW + lease);
        let acts = |me: &str| !matches!(machine::next_step(&record, &wanted(), me, NOW + at), Step::Wait(_));
        let holds = at < lease + u64::try_from(LEASE.as_millis()).expect("a time");
        if holds {
            prop_assert!(acts("a") && !acts("b"));
        }
    }
}
