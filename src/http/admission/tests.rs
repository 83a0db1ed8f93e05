use std::task::{Context, Waker};

use super::*;

fn admission(total: usize, per_address: usize) -> Arc<Admission> {
    Admission::new(AdmissionLimits { total, per_address }, |address| {
        address.is_loopback()
    })
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn is_evicted(place: &Place) -> bool {
    place.poll_evicted(true, &mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_address_has_so_many_connections_and_this_machine_has_all() {
    let admission = admission(100, 2);
    let first = admission.admit(address("2001:db8::1")).expect("a place");
    let _second = admission.admit(address("2001:db8::2")).expect("a place");
    assert_eq!(
        admission.admit(address("2001:db8::3")).err(),
        Some(Refusal::Address)
    );
    let clone = first.clone();
    drop(first);
    assert_eq!(
        admission.admit(address("2001:db8::3")).err(),
        Some(Refusal::Address)
    );
    assert!(!is_evicted(&clone), "it waits from now on");
    let _third = admission
        .admit(address("2001:db8::3"))
        .expect("the place of one that waits");
    assert!(is_evicted(&clone));
    drop(clone);
    let local: Vec<_> = (0..10)
        .map(|_| {
            admission
                .admit(address("::ffff:127.0.0.1"))
                .expect("a place")
        })
        .collect();
    drop(local);
    assert_eq!(admission.lock().by_network.len(), 1);
}

#[test]
fn connections_that_wait_make_room_and_busy_ones_do_not() {
    let admission = admission(8, 100);
    let places: Vec<_> = (0..7)
        .map(|_| admission.admit(address("192.0.2.1")).expect("a place"))
        .collect();
    assert_eq!(
        admission.admit(address("192.0.2.2")).err(),
        Some(Refusal::Full),
        "all are busy, and one place is in reserve"
    );
    assert!(!is_evicted(&places[3]));
    let place = admission.admit(address("192.0.2.2"));
    assert!(place.is_ok() && is_evicted(&places[3]));
    assert!(!is_evicted(&places[2]));
}

#[test]
fn known_addresses_have_a_reserve_and_are_ended_last() {
    let admission = admission(40, 100);
    let staff = admission.admit(address("192.0.2.9")).expect("a place");
    staff.mark_known();
    let strangers: Vec<_> = (0..34)
        .map(|_| admission.admit(address("192.0.2.1")).expect("a place"))
        .collect();
    assert_eq!(
        admission.admit(address("192.0.2.1")).err(),
        Some(Refusal::Full)
    );
    let more: Vec<_> = (0..5)
        .map(|_| {
            admission
                .admit(address("192.0.2.9"))
                .expect("a place in reserve")
        })
        .collect();
    assert!(strangers.iter().all(|place| !is_evicted(place)));
    assert!(!is_evicted(&staff));
    let _last = admission
        .admit(address("192.0.2.9"))
        .expect("a stranger's place");
    assert_eq!(
        strangers.iter().filter(|place| is_evicted(place)).count(),
        EVICTED_AT_ONCE
    );
    assert!(!is_evicted(&staff));
    drop(more);
}

#[test]
fn a_stream_that_was_about_to_end_counts_as_open() {
    let admission = admission(8, 100);
    let streams: Vec<_> = (0..7)
        .map(|_| admission.admit(address("192.0.2.1")).expect("a place"))
        .collect();
    assert!(!is_evicted(&streams[0]));
    let other = admission
        .admit(address("192.0.2.2"))
        .expect("the place of one that waits");
    assert_eq!(admission.lock().evicted, 1);
    // Its request came at the same moment.
    streams[0].keep();
    assert_eq!(admission.lock().evicted, 0);
    drop(streams);
    drop(other);
    assert_eq!(admission.lock().open.len(), 0);
}

#[test]
fn connections_of_an_address_make_room_for_its_own() {
    let admission = admission(100, 3);
    let other = admission.admit(address("192.0.2.2")).expect("a place");
    assert!(!is_evicted(&other));
    let places: Vec<_> = (0..3)
        .map(|_| admission.admit(address("192.0.2.1")).expect("a place"))
        .collect();
    assert_eq!(
        admission.admit(address("192.0.2.1")).err(),
        Some(Refusal::Address),
        "that of another address waits, but none of its own"
    );
    assert!(!is_evicted(&places[1]));
    let _more = admission
        .admit(address("192.0.2.1"))
        .expect("the place of one that waits");
    assert!(is_evicted(&places[1]) && !is_evicted(&other));
}

#[test]
fn connections_that_are_about_to_end_are_no_search_in_vain() {
    let admission = admission(200, 200);
    let places: Vec<_> = (0..200)
        .map(|_| admission.admit(address("127.0.0.1")).expect("a place"))
        .collect();
    for place in &places {
        assert!(!is_evicted(place));
    }
    // As many connections as allowed were told to end; all of them are still open.
    let more: Vec<_> = (0..MAX_EVICTED)
        .map(|_| admission.admit(address("127.0.0.1")).expect("a place"))
        .collect();
    assert_eq!(admission.lock().evicted, MAX_EVICTED);
    assert_eq!(
        admission.admit(address("127.0.0.1")).err(),
        Some(Refusal::Full)
    );
    assert_eq!(admission.lock().searched, [None, None]);
    drop((places, more));
}
