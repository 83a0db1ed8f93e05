//! The cost of a sign-in, and its limits.

use super::*;

#[tokio::test]
async fn every_refused_sign_in_costs_the_same_look_ups() {
    let desk = desk();
    desk.accounts.add("ana@shop.example", &argon2_hash(), false);
    desk.accounts.add("ben@shop.example", WERKZEUG, true);
    desk.accounts.add("cleo@shop.example", "not a hash", false);
    let _ = desk.sign_in("warm-up@shop.example", "wrong").await;
    desk.accounts.calls();
    for (email, password) in [
        ("ana@shop.example", "wrong"),
        ("ANA@shop.example", "wrong"),
        ("ben@shop.example", "wrong"),
        ("ben@shop.example", "correct horse"),
        ("cleo@shop.example", "wrong"),
        ("stranger@shop.example", "wrong"),
        ("", ""),
    ] {
        let refused = desk.sign_in(email, password).await;
        let is_disabled = matches!(refused, Err(AuthError::Disabled));
        assert_eq!(
            is_disabled,
            (email, password) == ("ben@shop.example", "correct horse")
        );
        assert!(is_disabled || matches!(refused, Err(AuthError::WrongPassword)));
        assert_eq!(desk.accounts.calls(), calls([("admins", 1)]), "{email}");
    }
}

#[tokio::test]
async fn strangers_are_compared_with_hashes_that_admins_have() {
    let desk = desk();
    let empty = desk.auth.comparison(&[], "x").await.expect("a comparison");
    assert_eq!(
        (empty.hash.as_str(), empty.admin),
        (password::DUMMY_HASH, None)
    );
    let argon2 = argon2_hash();
    desk.accounts.add("ana@shop.example", &argon2, false);
    desk.accounts.add("ben@shop.example", WERKZEUG, true);
    desk.accounts.add(
        "cleo@shop.example",
        "$argon2id$v=19$m=19456,t=2000,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        false,
    );
    let admins = desk.accounts.admins().await.expect("answers");
    let mut compared = BTreeMap::new();
    for number in 0..200 {
        let email = format!("stranger-{number}@shop.example");
        let comparison = desk.auth.comparison(&admins, &email).await.expect("one");
        let again = desk.auth.comparison(&admins, &email.to_uppercase()).await;
        assert_eq!(again.expect("one").hash, comparison.hash, "always the same");
        assert!(comparison.admin.is_none());
        *compared.entry(comparison.hash).or_insert(0) += 1;
    }
    // Both kinds are as frequent as among the admins, and no other hash is computed.
    assert_eq!(compared.len(), 2);
    assert!(compared.values().all(|count| *count > 50), "{compared:?}");
    let hash_of = async |email| {
        let comparison = desk.auth.comparison(&admins, email).await;
        comparison.expect("one").hash
    };
    assert_eq!(hash_of("Ana@Shop.Example").await, argon2);
    assert_eq!(hash_of("ben@shop.example").await, WERKZEUG);
    let unusable = hash_of("cleo@shop.example").await;
    assert!(unusable == argon2 || unusable == WERKZEUG);
}

#[tokio::test]
async fn a_device_that_has_signed_in_passes_a_throttle_that_others_have_filled() {
    let desk = desk();
    desk.accounts.add("ana@shop.example", &argon2_hash(), false);
    let check = async |email: &str, devices: &[&str]| {
        let password = "correct horse".into();
        desk.auth
            .check_password(email, password, HERE, devices)
            .await
    };
    let first = check("ana@shop.example", &[]).await;
    let device = first.expect("right").device;
    let device = device.expose_secret();
    while !is_throttled(&desk.sign_in("ana@shop.example", "a guess").await) {}
    assert!(is_throttled(
        &check("ana@shop.example", &["junk", ""]).await
    ));
    let checked = check("ANA@shop.example", &["junk", device]).await;
    assert_eq!(checked.expect("right").device.expose_secret(), device);
    // It is bound to its account.
    desk.accounts.add("ben@shop.example", &argon2_hash(), false);
    while !is_throttled(&desk.sign_in("ben@shop.example", "a guess").await) {}
    assert!(is_throttled(&check("ben@shop.example", &[device]).await));
}
