use shuttle::thread;

use super::*;

/// Number of schedules that each test tries.
const SCHEDULES: usize = 3_000;

fn streams() -> Arc<OpenStreams> {
    OpenStreams::new(StreamLimits {
        connections: 2,
        per_admin: 2,
        per_address: 1,
    })
}

fn open(streams: &Arc<OpenStreams>, account: &str, address: &str) -> Option<OpenStream> {
    let principal = Principal {
        admin_id: None,
        name: account.to_owned(),
        email: String::new(),
        session_id: None,
        credential: Credential::Settings,
        account: account.to_owned(),
    };
    let address = address.parse().expect("an address");
    let place = streams.open(principal, StreamKind::Api, String::new(), address, 0);
    place.ok()
}

#[test]
fn model_no_place_is_lost_or_given_twice() {
    let race = || {
        let streams = streams();
        let readers: Vec<_> = [("a", "192.0.2.1"), ("a", "192.0.2.1"), ("b", "192.0.2.2")]
            .into_iter()
            .map(|(account, address)| {
                let streams = Arc::clone(&streams);
                thread::spawn(move || {
                    for _ in 0..2 {
                        let place = open(&streams, account, address);
                        let (count, open) = (streams.count(StreamKind::Api), streams.list());
                        assert!(count <= 2);
                        let same = |info: &&(u64, Arc<OpenStreamInfo>)| {
                            info.1.address.to_string() == "192.0.2.1"
                        };
                        assert!(open.iter().filter(same).count() <= 1);
                        drop(place);
                    }
                })
            })
            .collect();
        let ending = {
            let streams = Arc::clone(&streams);
            thread::spawn(move || streams.end(|stream| stream.principal().account == "a"))
        };
        for reader in readers {
            reader.join().expect("no panic");
        }
        ending.join().expect("no panic");
        let state = streams.lock();
        assert!(state.open.is_empty() && state.held.is_empty());
    };
    shuttle::check_random(race, SCHEDULES);
}

#[test]
fn model_a_stream_that_was_ended_notices_it() {
    let race = || {
        let streams = streams();
        let reader = {
            let streams = Arc::clone(&streams);
            thread::spawn(move || {
                let mut place = open(&streams, "a", "192.0.2.1").expect("a place");
                for _ in 0..3 {
                    place.is_ended();
                }
                place
            })
        };
        let ended = streams.end(|_| true);
        let mut place = reader.join().expect("no panic");
        assert_eq!(place.is_ended(), ended == 1);
        assert_eq!(place.is_ended(), ended == 1);
    };
    shuttle::check_random(race, SCHEDULES);
}
