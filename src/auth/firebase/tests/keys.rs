//! When keys are fetched, and which ones are used meanwhile.

use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

use super::super::keys::{FETCH_TIMEOUT, MAX_WAITING};
use super::*;

/// Verifies `token` many times at once. Returns the duration and result of each.
async fn verify_at_once(
    place: Place,
    token: &str,
    times: usize,
) -> Vec<(Duration, Result<UserId, FirebaseError>)> {
    let place = Arc::new(place);
    let mut verifications = JoinSet::new();
    for _ in 0..times {
        let (place, token) = (Arc::clone(&place), token.to_owned());
        verifications.spawn(async move {
            let begun = Instant::now();
            let result = place.verifier.verify(&token).await;
            (begun.elapsed(), result)
        });
    }
    verifications.join_all().await
}

#[tokio::test]
async fn keys_are_renewed_when_they_expire_or_are_unknown() {
    let place = Place::new(false).await;
    let served = || place.served.load(Ordering::Relaxed);
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok()
    );
    let second = new_key();
    place.publish(Answer::Keys(
        json!({"keys": [jwk("k1", &place.key), jwk("k2", &second)]}),
    ));
    let rotated = token(
        &json!({"alg": "RS256", "kid": "k2"}),
        &claims(),
        Some(&second),
    );

    // Fetched at once, but not again within 30 seconds.
    assert_eq!(
        place.reason(&rotated).await,
        "it is signed with a key that Google doesn't list"
    );
    place.seconds.fetch_add(29, Ordering::Relaxed);
    assert_eq!(
        place.reason(&rotated).await,
        "it is signed with a key that Google doesn't list"
    );
    assert_eq!(served(), 1);
    place.seconds.fetch_add(1, Ordering::Relaxed);
    assert!(place.verifier.verify(&rotated).await.is_ok());
    assert_eq!(served(), 2);

    // Valid for the time in the response; removed keys are unknown then.
    place.publish(Answer::Keys(json!({"keys": [jwk("k2", &second)]})));
    place.seconds.fetch_add(599, Ordering::Relaxed);
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok()
    );
    place.seconds.fetch_add(1, Ordering::Relaxed);
    // Old keys are used until new ones arrive.
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok()
    );
    place.fetched(3).await;
    assert_eq!(
        place.reason(&place.signed(&claims())).await,
        "it is signed with a key that Google doesn't list"
    );
    assert_eq!(served(), 3);
}

#[tokio::test]
async fn without_keys_nobody_can_tell_and_old_ones_do_for_a_while() {
    let place = Place::new(false).await;
    let keys = place.answer.lock().expect("not poisoned").clone();
    place.publish(Answer::Error);
    let good = place.signed(&claims());
    let away = place.verifier.verify(&good).await;
    assert!(
        matches!(away, Err(FirebaseError::Unavailable(_))),
        "{away:?}"
    );
    place.publish(keys);
    place.seconds.fetch_add(1, Ordering::Relaxed);
    assert!(place.verifier.verify(&good).await.is_ok());

    place.publish(Answer::Error);
    place.seconds.fetch_add(1_800, Ordering::Relaxed);
    assert!(place.verifier.verify(&good).await.is_ok());
    place.seconds.fetch_add(7_200, Ordering::Relaxed);
    let away = place.verifier.verify(&good).await;
    assert!(
        matches!(away, Err(FirebaseError::Unavailable(_))),
        "{away:?}"
    );
}

#[tokio::test]
async fn all_callers_wait_for_one_fetch_of_a_silent_server() {
    let place = Place::new(false).await;
    place.publish(Answer::Silence);
    let (served, good) = (Arc::clone(&place.served), place.signed(&claims()));
    tokio::time::pause();
    let results = verify_at_once(place, &good, MAX_WAITING + 10).await;
    let at_once = results.iter().filter(|(took, _)| took.is_zero()).count();
    assert_eq!(at_once, 10, "more than may wait are refused");
    for (took, result) in results {
        // One millisecond for the resolution of tokio's timers.
        assert!(
            took <= FETCH_TIMEOUT + Duration::from_millis(1),
            "{took:?}: all wait for one fetch"
        );
        assert!(
            matches!(result, Err(FirebaseError::Unavailable(_))),
            "{result:?}"
        );
    }
    assert!(served.load(Ordering::Relaxed) <= 1);
}

#[tokio::test]
async fn known_keys_serve_while_the_server_is_silent() {
    let place = Place::new(false).await;
    let good = place.signed(&claims());
    assert!(place.verifier.verify(&good).await.is_ok());
    place.publish(Answer::Silence);
    place.seconds.fetch_add(601, Ordering::Relaxed);
    let unknown = token(
        &json!({"alg": "RS256", "kid": "k9"}),
        &claims(),
        Some(&place.key),
    );
    tokio::time::pause();
    let begun = Instant::now();
    for _ in 0..3 {
        assert!(place.verifier.verify(&good).await.is_ok());
    }
    assert!(begun.elapsed().is_zero(), "no wait for the fetch");
    assert_eq!(
        place.reason(&unknown).await,
        "it is signed with a key that Google doesn't list"
    );
    assert!(begun.elapsed() <= FETCH_TIMEOUT + Duration::from_millis(1));
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_a_limit() {
    let place = Place::new(false).await;
    place.publish(Answer::Endless);
    let result = place.verifier.verify(&place.signed(&claims())).await;
    let Err(FirebaseError::Unavailable(trouble)) = result else {
        panic!("unavailable: {result:?}")
    };
    assert_eq!(trouble, "the answer of the key server is too long");
    // The server accepts the next connection when the verifier has closed this one.
    place.publish(Answer::Keys(json!({"keys": [jwk("k1", &place.key)]})));
    place.seconds.fetch_add(1, Ordering::Relaxed);
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok()
    );
    // No more than the kernel's buffers hold.
    assert!(place.endless.load(Ordering::Relaxed) < 32 << 20);
}

#[tokio::test]
async fn a_fetch_goes_on_when_its_first_caller_has_gone() {
    let place = Place::new(false).await;
    let good = place.signed(&claims());
    let mut first = Box::pin(place.verifier.verify(&good));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    drop(first);
    assert!(place.verifier.verify(&good).await.is_ok());
    assert_eq!(place.served.load(Ordering::Relaxed), 1);
}
