//! Validity of credentials, and the cost of checking them.

mod accounts;
mod passwords;
mod touches;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::password::{self, Scratch};
use super::*;
use crate::store::PasswordScheme;
use accounts::Accounts;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const PER_MINUTE: u32 = 30;
/// Hash of "correct horse" with Werkzeug's algorithm.
const WERKZEUG: &str = "scrypt:32768:8:1$salt$a3479fbdc10408db76d4413bd916aa53e8cc54bb088da32666d81ab4aa1ea93785eb9961ff19a798354551a9f2f3d5ba86469bb1b7d5e2b63fef5a723830f720";

struct Desk {
    auth: Auth,
    accounts: Arc<Accounts>,
    now: Arc<AtomicU64>,
}

fn settings() -> AuthSettings {
    AuthSettings {
        admin_email: None,
        admin_password: None,
        admin_token: Some("a token of the settings".into()),
        accept_admin_ids: true,
        failures_per_minute: PER_MINUTE,
        session_idle: Duration::from_secs(3_600),
        session_key: None,
    }
}

fn desk() -> Desk {
    let accounts = Arc::new(Accounts::default());
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    let streams = OpenStreams::new(StreamLimits {
        connections: 10,
        per_admin: 10,
        per_address: 10,
    });
    let clock = Arc::clone(&now);
    let clock = Clock::from_fn(move || clock.load(Ordering::Relaxed) * 1_000);
    Desk {
        auth: Auth::new(Arc::clone(&accounts) as _, &settings(), streams, clock),
        accounts,
        now,
    }
}

fn argon2_hash() -> String {
    let password = "correct horse".into();
    password::hash(PasswordScheme::Argon2id, &password, &mut Scratch::default()).expect("a hash")
}

impl Desk {
    fn advance(&self, millis: u64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn, AuthError> {
        self.sign_in_as(SessionKind::Browser, email, password).await
    }

    async fn sign_in_as(
        &self,
        kind: SessionKind,
        email: &str,
        password: impl Into<SecretString>,
    ) -> Result<SignedIn, AuthError> {
        let password = password.into();
        self.auth
            .sign_in(email, password, HERE, "test", kind, &[])
            .await
    }

    async fn cookie(&self, secret: &str) -> Result<Principal, AuthError> {
        self.auth.session(secret).await
    }

    /// A session of a new admin, and its secret.
    async fn session(&self) -> (Principal, String) {
        self.accounts.add("ana@shop.example", &argon2_hash(), false);
        let signed_in = self.sign_in("ana@shop.example", "correct horse").await;
        let signed_in = signed_in.expect("signed in");
        self.accounts.calls();
        (
            signed_in.principal,
            signed_in.secret.expose_secret().to_owned(),
        )
    }
}

fn is_unknown<T>(result: &Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Unknown))
}

fn is_throttled<T>(result: &Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Throttled(_)))
}

fn calls<const N: usize>(calls: [(&'static str, u32); N]) -> BTreeMap<&'static str, u32> {
    calls.into_iter().collect()
}

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
async fn the_good_cookie_is_found_among_those_of_other_hosts() {
    let desk = desk();
    let (_, good) = desk.session().await;
    let (_, ended) = desk.session().await;
    desk.auth.sign_out(&ended).await.expect("signed out");
    let (_, unseen) = desk.session().await;
    let pick = async |secrets: &[&str]| desk.auth.pick_session(secrets).await;
    assert_eq!(pick(&["junk", "obs_guess", &ended, &good]).await, 3);
    assert_eq!(pick(&[&ended]).await, 0);
    // A session that couldn't be looked up may be the valid one.
    desk.accounts.away.store(true, Ordering::Relaxed);
    assert_eq!(pick(&[&ended, &unseen]).await, 1);
    assert_eq!(pick(&[&ended, &unseen, &good]).await, 2, "known");
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

#[tokio::test]
async fn a_look_up_under_way_does_not_bring_a_session_back() {
    let desk = Arc::new(desk());
    let (_, secret) = desk.session().await;
    desk.accounts.holds.store(true, Ordering::Relaxed);
    let in_flight = tokio::spawn({
        let (desk, secret) = (Arc::clone(&desk), secret.clone());
        async move { desk.cookie(&secret).await }
    });
    desk.accounts.holding.notified().await;
    desk.accounts.holds.store(false, Ordering::Relaxed);
    desk.auth.sign_out(&secret).await.expect("signed out");
    desk.accounts.let_go.notify_one();
    assert!(in_flight.await.expect("no panic").is_ok(), "it came before");
    assert!(is_unknown(&desk.cookie(&secret).await));
}

#[tokio::test]
async fn signing_out_ends_also_the_session_of_a_disabled_admin() {
    let desk = desk();
    let (principal, secret) = desk.session().await;
    let ana = principal.admin_id.expect("an admin");
    let set = async |disabled| {
        let set = desk.accounts.set_admin_disabled(&ana, disabled).await;
        set.expect("set");
        desk.advance(60_000);
    };
    set(true).await;
    desk.auth.sign_out(&secret).await.expect("signed out");
    desk.auth.sign_out(&secret).await.expect("nothing to end");
    desk.auth.sign_out("obs_guess").await.expect("nothing");
    set(false).await;
    assert!(is_unknown(&desk.cookie(&secret).await));
}

#[tokio::test]
async fn an_ended_session_is_looked_up_once() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    desk.auth.sign_out(&secret).await.expect("signed out");
    desk.accounts.calls();
    for _ in 0..20 {
        assert!(is_unknown(&desk.cookie(&secret).await));
        desk.advance(60_000);
    }
    assert_eq!(desk.accounts.calls(), calls([("session", 1)]));
}

#[tokio::test]
async fn while_the_store_is_away_known_sessions_stay_until_their_own_end() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    assert!(desk.cookie(&secret).await.is_ok());
    desk.accounts.away.store(true, Ordering::Relaxed);
    desk.advance(3_000_000);
    assert!(desk.cookie(&secret).await.is_ok());
    desk.advance(599_999);
    assert!(desk.cookie(&secret).await.is_ok());
    desk.advance(1);
    let ended = desk.cookie(&secret).await;
    assert!(
        matches!(ended, Err(AuthError::Store(_))),
        "idle for an hour"
    );
}

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
