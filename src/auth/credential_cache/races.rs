use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread;

use super::*;

/// Number of schedules that each test tries.
const SCHEDULES: usize = 3_000;

fn credential() -> Credential {
    Credential::AdminId("a".to_owned())
}

fn verdict() -> Verdict {
    Verdict {
        principal: Principal::of_settings(),
        at_millis: 0,
        generation: None,
        ends_millis: u64::MAX,
    }
}

/// What a request does: read the cache, then the store, and cache the answer.
fn look_up(cache: &CredentialCache, is_good: &AtomicBool) -> bool {
    let ticket = cache.ticket();
    if cache.get(&credential(), 0).is_some() {
        return true;
    }
    let found = is_good.load(Ordering::SeqCst);
    if found {
        cache.remember(ticket, credential(), verdict());
    }
    found
}

#[test]
fn model_a_look_up_does_not_bring_back_what_was_signed_out() {
    let race = || {
        let cache = Arc::new(CredentialCache::default());
        let is_good = Arc::new(AtomicBool::new(true));
        let requests: Vec<_> = (0..2)
            .map(|_| {
                let (cache, is_good) = (Arc::clone(&cache), Arc::clone(&is_good));
                thread::spawn(move || look_up(&cache, &is_good))
            })
            .collect();
        // Signing out: first in the store, then here.
        is_good.store(false, Ordering::SeqCst);
        cache.forget(|known, _| *known == credential());
        assert!(
            !look_up(&cache, &is_good),
            "a session that was ended is good"
        );
        for request in requests {
            request.join().expect("no panic");
        }
        assert!(
            cache.get(&credential(), 0).is_none(),
            "an ended session came back"
        );
    };
    shuttle::check_random(race, SCHEDULES);
}
