//! Which sessions a new password ends.

use super::*;

const EMAIL: &str = "ana@shop.example";

fn werkzeug_hash(password: &str) -> String {
    let password = SecretString::from(password);
    password::hash(PasswordScheme::Werkzeug, &password, &mut Scratch::default()).expect("a hash")
}

impl Desk {
    /// Makes verdicts stale, so that the next request reads the store.
    fn let_verdicts_grow_old(&self) {
        self.advance(30_000);
    }

    pub(super) fn another_program_sets(&self, admin: &str, hash: &str) {
        let changed = self
            .accounts
            .change(admin, |admin| hash.clone_into(&mut admin.password_hash));
        changed.expect("the admin is there");
    }

    async fn hash_of(&self, admin: &str) -> String {
        let admin = self.accounts.admin_by_id(admin).await.expect("answers");
        admin.expect("there").password_hash
    }

    async fn secret(&self, kind: SessionKind) -> String {
        let signed_in = self.sign_in_as(kind, EMAIL, "correct horse").await;
        let secret = signed_in.expect("signed in").secret;
        secret.expose_secret().to_owned()
    }
}

#[tokio::test]
async fn a_password_that_another_program_changes_ends_sessions_and_streams() {
    let desk = desk();
    let ana = desk.accounts.add(EMAIL, &argon2_hash(), false);
    let browser = desk.secret(SessionKind::Browser).await;
    let program = desk.secret(SessionKind::Api).await;
    let principal = desk.auth.bearer(&program, HERE).await.expect("known");
    let stream = desk
        .auth
        .streams()
        .open(principal, StreamKind::Api, String::new(), HERE, 0);
    let mut stream = stream.expect("a place");
    desk.another_program_sets(&ana, &werkzeug_hash("another horse"));
    desk.let_verdicts_grow_old();
    desk.accounts.calls();
    assert!(desk.auth.recheck_streams().await);
    assert!(stream.is_ended());
    assert!(is_unknown(&desk.auth.bearer(&program, HERE).await));
    assert!(is_unknown(&desk.cookie(&browser).await));
    desk.auth.settled().await;
    let ended = desk.accounts.calls();
    assert_eq!(
        ended["session_and_admin"], 2,
        "both are checked in the store"
    );
    assert_eq!(ended["end_session"], 2);
    desk.let_verdicts_grow_old();
    assert!(is_unknown(&desk.cookie(&browser).await));
    assert_eq!(desk.accounts.calls(), calls([]), "it stays ended");
}

#[tokio::test]
async fn the_session_that_changes_the_password_goes_on_alone() {
    let desk = desk();
    desk.accounts.add(EMAIL, &argon2_hash(), false);
    let other = desk.secret(SessionKind::Api).await;
    let own = desk.secret(SessionKind::Browser).await;
    let principal = desk.cookie(&own).await.expect("known");
    let change = desk.auth.change_password(
        &principal,
        "correct horse".into(),
        "another horse".into(),
        HERE,
    );
    change.await.expect("changed");
    assert!(is_unknown(&desk.auth.bearer(&other, HERE).await));
    for _ in 0..3 {
        desk.let_verdicts_grow_old();
        assert!(desk.cookie(&own).await.is_ok());
    }
}

#[tokio::test]
async fn a_password_that_was_changed_meanwhile_is_not_overwritten() {
    let desk = desk();
    let ana = desk.accounts.add(EMAIL, &argon2_hash(), false);
    let own = desk.secret(SessionKind::Browser).await;
    let principal = desk.cookie(&own).await.expect("known");
    desk.accounts.remember_admin(&ana);
    desk.another_program_sets(&ana, WERKZEUG);
    let change = desk.auth.change_password(
        &principal,
        "correct horse".into(),
        "another horse".into(),
        HERE,
    );
    assert!(matches!(change.await, Err(AuthError::Store(_))));
    desk.accounts.forget_admin();
    assert_eq!(desk.hash_of(&ana).await, WERKZEUG);
}

#[tokio::test]
async fn sessions_of_earlier_versions_stay_and_get_a_fingerprint() {
    let desk = desk();
    let (principal, secret) = desk.session().await;
    let id = principal.session_id.expect("a session");
    desk.accounts
        .change_session(&id, |session| session.password = None);
    assert!(desk.cookie(&secret).await.is_ok());
    desk.auth.settled().await;
    assert_eq!(desk.accounts.calls()["touch_session"], 1);
    desk.let_verdicts_grow_old();
    assert!(desk.cookie(&secret).await.is_ok());
    desk.auth.settled().await;
    assert!(!desk.accounts.calls().contains_key("touch_session"));
    let ana = principal.admin_id.expect("an admin");
    desk.another_program_sets(&ana, WERKZEUG);
    desk.let_verdicts_grow_old();
    assert!(is_unknown(&desk.cookie(&secret).await));
}

#[tokio::test]
async fn a_password_that_is_known_to_have_changed_refuses_sessions_also_while_the_store_is_away() {
    let desk = desk();
    let (principal, secret) = desk.session().await;
    let ana = principal.admin_id.expect("an admin");
    let begun_under = desk.hash_of(&ana).await;
    assert!(desk.cookie(&secret).await.is_ok());
    desk.accounts.calls();
    // The watch has delivered the new password, and single reads fail.
    desk.another_program_sets(&ana, WERKZEUG);
    desk.accounts.generation.store(1, Ordering::Relaxed);
    desk.accounts.fails_pairs.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(is_unknown(&desk.cookie(&secret).await));
        desk.advance(10_000);
    }
    desk.auth.settled().await;
    let asked = desk.accounts.calls();
    assert_eq!(asked["session_and_admin"], 3, "it is tried again");
    assert!(!asked.contains_key("end_session"));
    // The store still has the password that the session began under.
    desk.another_program_sets(&ana, &begun_under);
    desk.accounts.fails_pairs.store(false, Ordering::Relaxed);
    assert!(desk.cookie(&secret).await.is_ok());
}

#[tokio::test]
async fn what_memory_says_is_compared_with_the_store_before_a_session_ends() {
    let desk = desk();
    let ana = desk.accounts.add(EMAIL, &argon2_hash(), false);
    // The session began under a new password that the watch hasn't delivered yet.
    desk.accounts.remember_admin(&ana);
    desk.another_program_sets(&ana, WERKZEUG);
    let secret = desk.secret(SessionKind::Browser).await;
    desk.accounts.calls();
    assert!(desk.cookie(&secret).await.is_ok());
    assert_eq!(desk.accounts.calls()["session_and_admin"], 1);
}

#[tokio::test]
async fn a_hash_that_other_programs_cannot_read_is_replaced_at_the_next_sign_in() {
    let desk = desk();
    let argon2 = argon2_hash();
    let ana = desk.accounts.add(EMAIL, &argon2, false);
    let earlier = desk.secret(SessionKind::Api).await;
    assert_eq!(desk.hash_of(&ana).await, argon2, "nobody else reads it");
    desk.accounts
        .has_other_readers
        .store(true, Ordering::Relaxed);
    assert!(desk.sign_in(EMAIL, "wrong").await.is_err());
    assert_eq!(desk.hash_of(&ana).await, argon2);
    let begun = desk.secret(SessionKind::Browser).await;
    let replaced = desk.hash_of(&ana).await;
    assert_eq!(werkzeug::verify(&replaced, "correct horse"), Some(true));
    let later = desk.secret(SessionKind::Browser).await;
    assert_eq!(desk.hash_of(&ana).await, replaced, "once");
    let are_good = async || {
        let cookies = desk.cookie(&begun).await.is_ok() && desk.cookie(&later).await.is_ok();
        cookies && desk.auth.bearer(&earlier, HERE).await.is_ok()
    };
    desk.let_verdicts_grow_old();
    assert!(are_good().await);
    // An instance that hasn't seen the new hash yet takes the sessions as well, and one that has begun under either.
    desk.another_program_sets(&ana, &argon2);
    desk.let_verdicts_grow_old();
    assert!(desk.cookie(&begun).await.is_ok() && desk.auth.bearer(&earlier, HERE).await.is_ok());
    // The same password, hashed by another program, counts as changed.
    desk.another_program_sets(&ana, &werkzeug_hash("correct horse"));
    desk.let_verdicts_grow_old();
    assert!(is_unknown(&desk.cookie(&begun).await));
    assert!(is_unknown(&desk.auth.bearer(&earlier, HERE).await));
}

#[tokio::test]
async fn two_instances_that_replace_a_hash_at_once_write_the_same_one() {
    let desk = desk();
    desk.accounts
        .has_other_readers
        .store(true, Ordering::Relaxed);
    let argon2 = argon2_hash();
    let ana = desk.accounts.add(EMAIL, &argon2, false);
    let mut made = Vec::new();
    for _ in 0..2 {
        desk.another_program_sets(&ana, &argon2);
        desk.secret(SessionKind::Browser).await;
        made.push(desk.hash_of(&ana).await);
    }
    assert_eq!(made[0], made[1]);
    // Another admin with the same hash has another salt.
    let ben = desk.accounts.add("ben@shop.example", &argon2, false);
    let signed_in = desk.sign_in("ben@shop.example", "correct horse").await;
    assert!(signed_in.is_ok());
    assert_ne!(desk.hash_of(&ben).await, made[0]);
}

#[tokio::test]
async fn a_new_password_is_hashed_as_the_store_says() {
    for (others, prefix) in [(false, "$argon2id$"), (true, "scrypt:32768:8:1$")] {
        let desk = desk();
        desk.accounts
            .has_other_readers
            .store(others, Ordering::Relaxed);
        let settings = AuthSettings {
            admin_email: Some(EMAIL.to_owned()),
            ..settings()
        };
        let first = desk.auth.ensure_first_admin(&settings).await.expect("made");
        let password = first.and_then(|first| first.made_up_password);
        let password = password.expect("a password");
        let signed_in = desk
            .sign_in_as(SessionKind::Browser, EMAIL, password.clone())
            .await;
        let principal = signed_in.expect("signed in").principal;
        let ana = principal.admin_id.clone().expect("an admin");
        assert!(desk.hash_of(&ana).await.starts_with(prefix));
        let change = desk
            .auth
            .change_password(&principal, password, "another horse".into(), HERE);
        change.await.expect("changed");
        assert!(desk.hash_of(&ana).await.starts_with(prefix));
    }
}

#[tokio::test]
async fn the_token_of_a_program_lasts_90_days_from_its_last_use() {
    let desk = desk();
    let day = 24 * 3_600_000;
    desk.accounts.add(EMAIL, &argon2_hash(), false);
    let browser = desk.secret(SessionKind::Browser).await;
    let program = desk.secret(SessionKind::Api).await;
    for _ in 0..4 {
        desk.advance(90 * day - 1);
        assert!(desk.auth.bearer(&program, HERE).await.is_ok());
        desk.auth.settled().await;
    }
    assert!(is_unknown(&desk.cookie(&browser).await));
    desk.advance(90 * day);
    assert!(is_unknown(&desk.auth.bearer(&program, HERE).await));
}

#[tokio::test]
async fn the_same_token_of_a_phone_is_written_once_a_day() {
    let desk = desk();
    let (principal, _) = desk.session().await;
    let keep = async |token: &str| {
        let now = desk.now.load(Ordering::Relaxed);
        desk.accounts.now_millis.store(now, Ordering::Relaxed);
        let kept = desk.auth.keep_fcm_token(&principal, &token.into()).await;
        kept.expect("kept");
        desk.accounts.calls().remove("set_fcm_token").unwrap_or(0)
    };
    assert_eq!(keep("one").await, 1);
    assert_eq!(keep("one").await, 0);
    assert_eq!(keep("other").await, 1);
    assert_eq!(keep("one").await, 1, "two phones take turns");
    desk.advance(24 * 3_600_000 - 1);
    assert_eq!(keep("one").await, 0);
    desk.advance(1);
    assert_eq!(keep("one").await, 1);
    let script = desk.auth.bearer("a token of the settings", HERE).await;
    let script = script.expect("known");
    let refused = desk.auth.keep_fcm_token(&script, &"one".into()).await;
    assert!(is_unknown(&refused));
}

#[tokio::test]
async fn an_admin_who_is_removed_while_something_is_written_is_unknown() {
    let desk = desk();
    let (principal, _) = desk.session().await;
    let ana = principal.admin_id.clone().expect("an admin");
    // Memory still has the old admin.
    desk.accounts.remember_admin(&ana);
    desk.accounts.remove(&ana);
    let kept = desk.auth.keep_fcm_token(&principal, &"one".into()).await;
    assert!(is_unknown(&kept), "{kept:?}");
    let (old, new) = ("correct horse".into(), "another horse".into());
    let changed = desk.auth.change_password(&principal, old, new, HERE).await;
    assert!(is_unknown(&changed), "{changed:?}");
}
