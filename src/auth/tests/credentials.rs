//! Tokens, ids of admins and made-up credentials: which ones are looked up, and how often.

use super::*;

#[tokio::test]
async fn a_made_up_session_costs_no_look_up() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    let mut forged = secret.clone().into_bytes();
    forged[10] = if forged[10] == b'x' { b'y' } else { b'x' };
    let mut cut = secret.clone();
    cut.pop();
    for made_up in [
        String::from_utf8(forged).expect("text"),
        cut,
        format!("{secret}x"),
        format!("obs_{}", "ä".repeat(32) + "x"),
        "obs_guess".to_owned(),
        "obs_".to_owned(),
        String::new(),
    ] {
        assert!(is_unknown(&desk.cookie(&made_up).await), "{made_up}");
        if !made_up.is_empty() {
            assert!(
                is_unknown(&desk.auth.bearer(&made_up, HERE).await),
                "{made_up}"
            );
        }
    }
    assert_eq!(desk.accounts.calls(), calls([]));
    assert!(desk.cookie(&secret).await.is_ok());
    assert!(desk.auth.bearer(&secret, HERE).await.is_ok());
}

#[tokio::test]
async fn an_address_has_so_many_unknown_tokens_looked_up() {
    let desk = desk();
    for guess in 0..PER_MINUTE {
        assert!(is_unknown(
            &desk.auth.bearer(&format!("obt_{guess}"), HERE).await
        ));
    }
    assert_eq!(desk.accounts.calls(), calls([("token", PER_MINUTE)]));
    for guess in ["obt_more", "an-admins-id", "a token of the setting"] {
        assert!(
            is_throttled(&desk.auth.bearer(guess, HERE).await),
            "{guess}"
        );
    }
    // Cached refusals need no look-up, and don't count against the limit.
    assert!(is_unknown(&desk.auth.bearer("obt_1", HERE).await));
    assert_eq!(desk.accounts.calls(), calls([]));
    let elsewhere = IpAddr::from([192, 0, 2, 1]);
    assert!(is_unknown(&desk.auth.bearer("obt_more", elsewhere).await));
}

#[tokio::test]
async fn known_credentials_pass_from_an_address_that_has_used_up_its_failures() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    let id = desk.accounts.add("ben@shop.example", "hash", false);
    let (token, digest, token_secret) = new_token("till", None, &desk.auth.clock);
    desk.accounts.add_token(token, digest).await.expect("added");
    let known = [id.as_str(), token_secret.expose_secret()];
    for secret in known {
        assert!(desk.auth.bearer(secret, HERE).await.is_ok());
    }
    for guess in 0..PER_MINUTE * 2 {
        let _ = desk.auth.bearer(&format!("guess-{guess}"), HERE).await;
    }
    assert!(is_throttled(&desk.auth.bearer("obt_more", HERE).await));
    // Also when another look-up is needed.
    desk.advance(120_000);
    for secret in known {
        assert!(desk.auth.bearer(secret, HERE).await.is_ok());
    }
    assert!(
        desk.cookie(&secret).await.is_ok(),
        "never seen as a cookie before"
    );
    assert!(
        desk.auth
            .bearer("a token of the settings", HERE)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn while_the_store_answers_from_memory_tokens_pass_and_guesses_are_counted() {
    let desk = desk();
    desk.accounts.generation.store(1, Ordering::Relaxed);
    let (token, digest, secret) = new_token("till", None, &desk.auth.clock);
    desk.accounts.add_token(token, digest).await.expect("added");
    for guess in 0..PER_MINUTE {
        assert!(is_unknown(
            &desk.auth.bearer(&format!("obt_{guess}"), HERE).await
        ));
    }
    assert!(is_throttled(&desk.auth.bearer("obt_more", HERE).await));
    assert!(is_throttled(&desk.auth.bearer("an-admins-id", HERE).await));
    assert!(desk.auth.bearer(secret.expose_secret(), HERE).await.is_ok());
}

#[tokio::test]
async fn a_script_with_a_bad_token_does_not_use_up_what_its_address_has() {
    for (generation, accept_ids) in [(0, true), (0, false), (1, true), (1, false)] {
        let mut desk = desk();
        desk.auth.accept_admin_ids = accept_ids;
        desk.accounts
            .generation
            .store(generation, Ordering::Relaxed);
        for _ in 0..PER_MINUTE * 10 {
            assert!(is_unknown(&desk.auth.bearer("obt_revoked", HERE).await));
            assert!(is_unknown(&desk.auth.bearer("a-word", HERE).await));
        }
        assert!(is_unknown(&desk.auth.bearer("obt_other", HERE).await));
        assert!(desk.accounts.calls().values().all(|count| *count <= 2));
    }
}

#[tokio::test]
async fn a_token_that_was_unknown_is_good_soon_after_it_was_made() {
    let desk = desk();
    let (token, digest, secret) = new_token("till", None, &desk.auth.clock);
    let secret = secret.expose_secret();
    assert!(is_unknown(&desk.auth.bearer(secret, HERE).await));
    desk.accounts.add_token(token, digest).await.expect("added");
    desk.advance(10_000);
    assert!(desk.auth.bearer(secret, HERE).await.is_ok());
}

#[tokio::test]
async fn a_token_of_an_admin_acts_as_the_admin_and_ends_with_it() {
    let desk = desk();
    let ana = desk.accounts.add("ana@shop.example", "hash", false);
    let (token, digest, secret) = new_token("till", Some(ana.clone()), &desk.auth.clock);
    desk.accounts.add_token(token, digest).await.expect("added");
    let principal = desk.auth.bearer(secret.expose_secret(), HERE).await;
    let principal = principal.expect("known");
    assert_eq!(principal.admin_id.as_ref(), Some(&ana));
    assert_eq!(principal.email, "ana@shop.example");
    desk.accounts
        .set_admin_disabled(&ana, true)
        .await
        .expect("set");
    desk.advance(30_000);
    let disabled = desk.auth.bearer(secret.expose_secret(), HERE).await;
    assert!(matches!(disabled, Err(AuthError::Disabled)));
    let orphan = new_token("till", Some("gone".to_owned()), &desk.auth.clock);
    desk.accounts
        .add_token(orphan.0, orphan.1)
        .await
        .expect("added");
    assert!(is_unknown(
        &desk.auth.bearer(orphan.2.expose_secret(), HERE).await
    ));
}

#[tokio::test]
async fn the_id_of_a_disabled_admin_is_refused_within_a_minute() {
    for generation in [0, 1] {
        let desk = desk();
        desk.accounts
            .generation
            .store(generation, Ordering::Relaxed);
        let id = desk.accounts.add("ana@shop.example", "hash", false);
        assert!(desk.auth.bearer(&id, HERE).await.is_ok());
        desk.accounts
            .set_admin_disabled(&id, true)
            .await
            .expect("set");
        if generation > 0 {
            // The watch has delivered the change.
            desk.accounts.generation.store(2, Ordering::Relaxed);
        } else {
            desk.advance(30_000);
        }
        let refused = desk.auth.bearer(&id, HERE).await;
        assert!(matches!(refused, Err(AuthError::Disabled)), "{generation}");
    }
}
