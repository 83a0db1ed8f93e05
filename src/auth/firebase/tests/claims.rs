//! Which tokens are valid.

use super::*;

#[tokio::test]
async fn a_good_token_says_who_it_is() {
    let place = Place::new(false).await;
    for _ in 0..3 {
        let user = place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .expect("good");
        assert_eq!(user.as_str(), "u1");
    }
    assert_eq!(
        place.served.load(Ordering::Relaxed),
        1,
        "keys are fetched once"
    );
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let place = Place::new(false).await;
    let cases = [
        (
            with("iss", json!("https://securetoken.google.com/other")),
            "its issuer is not Firebase for this project",
        ),
        (
            with("iss", json!("https://accounts.google.com")),
            "its issuer is not Firebase for this project",
        ),
        (
            with("aud", json!("other")),
            "it was issued for another project",
        ),
        (
            with("exp", json!(NOW - 61)),
            "it has expired: get a new one",
        ),
        (
            with("iat", json!(NOW + 61)),
            "its time of issue is in the future",
        ),
        (
            with("auth_time", json!(NOW + 61)),
            "its time of issue is in the future",
        ),
        (with("sub", json!("")), "its user id is empty or too long"),
        (
            with("sub", json!("x".repeat(129))),
            "its user id is empty or too long",
        ),
        (
            with("sub", json!(7)),
            "its signature or one of its claims is wrong",
        ),
        (
            with("exp", json!(null)),
            "its signature or one of its claims is wrong",
        ),
        (
            with("aud", json!(["shop"])),
            "its signature or one of its claims is wrong",
        ),
    ];
    for (claims, reason) in cases {
        assert_eq!(
            place.reason(&place.signed(&claims)).await,
            reason,
            "{claims}"
        );
    }
    for claims in [
        with("exp", json!(NOW - 59)),
        with("iat", json!(NOW + 59)),
        with("auth_time", json!(NOW + 59)),
    ] {
        assert!(
            place.verifier.verify(&place.signed(&claims)).await.is_ok(),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn only_rs256_with_a_known_key_counts() {
    let place = Place::new(false).await;
    let good = place.signed(&claims());
    let mut forged = good.rsplit_once('.').expect("a signature").0.to_owned();
    forged.push_str(".AAAA");
    assert_eq!(
        place.reason(&forged).await,
        "its signature or one of its claims is wrong"
    );
    let other = token(
        &json!({"alg": "RS256", "kid": "k1"}),
        &claims(),
        Some(&new_key()),
    );
    assert_eq!(
        place.reason(&other).await,
        "its signature or one of its claims is wrong"
    );
    for alg in ["none", "HS256", "RS512", "ES256", "rs256"] {
        let token = token(
            &json!({"alg": alg, "kid": "k1"}),
            &claims(),
            Some(&place.key),
        );
        assert_eq!(
            place.reason(&token).await,
            "it is not signed with RS256",
            "{alg}"
        );
    }
    let unsigned = token(&json!({"alg": "none"}), &claims(), None);
    assert_eq!(place.reason(&unsigned).await, "it is not signed with RS256");
    for nonsense in ["", "a.b", "a.b.c", "a.b.c.d", "....", &"x".repeat(9_000)] {
        place.reason(nonsense).await;
    }
    let keyless = token(&json!({"alg": "RS256"}), &claims(), Some(&place.key));
    assert_eq!(
        place.reason(&keyless).await,
        "it is signed with a key that Google doesn't list"
    );
}

#[tokio::test]
async fn tokens_of_the_emulator_need_the_flag() {
    let unsigned = token(&json!({"alg": "none", "typ": "JWT"}), &claims(), None);
    let place = Place::new(true).await;
    assert_eq!(
        place
            .verifier
            .verify(&unsigned)
            .await
            .expect("good")
            .as_str(),
        "u1"
    );
    let expired = token(
        &json!({"alg": "none"}),
        &with("exp", json!(NOW - 100)),
        None,
    );
    assert_eq!(
        place.reason(&expired).await,
        "it has expired: get a new one"
    );
    let signed = token(&json!({"alg": "none"}), &claims(), Some(&place.key));
    assert_eq!(place.reason(&signed).await, "it is not signed with RS256");
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok(),
        "real ones are good as well"
    );
}
