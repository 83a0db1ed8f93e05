//! Sessions on the emulator: what other programs end, and what a session in use costs.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orderbell::auth::{Auth, OpenStreams, StreamKind, StreamLimits, werkzeug};
use orderbell::clock::Clock;
use orderbell::firestore::{FirestoreSettings, FirestoreStore};
use orderbell::settings::Settings;
use orderbell::store::{
    AccountStore as _, NewPassword, NewSession, Session, SessionKind, SessionUse,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::outside::Outside;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const EMAIL: &str = "omar@shop.example";
const PASSWORD: &str = "correct horse";
/// Of this password, as earlier versions wrote it.
const ARGON2: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IDEyMzQ1Ng$z7APiqr8j9i8Y2UZoiAiUyT2y99R+6DnNzYwODasy7M";

/// One instance: its store, and who may use the desk. Its wall clock can be stepped.
struct Instance {
    auth: Auth,
    store: Arc<FirestoreStore>,
    ahead_millis: Arc<AtomicU64>,
}

impl Instance {
    async fn start(settings: &FirestoreSettings) -> Self {
        let store = Arc::new(FirestoreStore::start(settings.clone(), Clock::system()));
        store.watch_accounts();
        let streams = OpenStreams::new(StreamLimits {
            connections: 10,
            per_admin: 10,
            per_address: 10,
        });
        let defaults = Settings::load(None, &std::collections::BTreeMap::new());
        let ahead_millis = Arc::new(AtomicU64::new(0));
        let clock = Clock::from_fn({
            let ahead = Arc::clone(&ahead_millis);
            move || Clock::system().micros() + ahead.load(Ordering::Relaxed) * 1_000
        });
        let auth = &defaults.expect("good settings").auth;
        let auth = Auth::new(Arc::clone(&store) as _, auth, streams, clock);
        let instance = Self {
            auth,
            store,
            ahead_millis,
        };
        instance
            .until("the watch", async |it| it.store.answers_from_memory())
            .await;
        instance
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        for _ in 0..1_000 {
            if is_so(self).await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it never came: {what}");
    }

    fn step(&self, millis: u64) {
        self.ahead_millis.fetch_add(millis, Ordering::Relaxed);
    }

    async fn sign_in(&self, kind: SessionKind) -> String {
        let signed_in = self
            .auth
            .sign_in(EMAIL, PASSWORD.into(), HERE, "test", kind, &[])
            .await;
        let secret = signed_in.expect("signed in").secret;
        secret.expose_secret().to_owned()
    }

    async fn is_good(&self, secret: &str) -> bool {
        self.auth.bearer(secret, HERE).await.is_ok()
    }

    async fn hash(&self, outside: &Outside) -> String {
        let document = outside.get("admins/omar-1").await;
        let hash = &document["fields"]["password"]["stringValue"];
        hash.as_str().expect("a hash").to_owned()
    }
}

/// A project with one admin, whose password has this hash.
async fn shop(hash: &str) -> (FirestoreSettings, Outside) {
    let settings = super::settings();
    let outside = Outside::new(&settings);
    let admin: Value = json!({
        "email": {"stringValue": EMAIL}, "name": {"stringValue": "Omar"}, "password": {"stringValue": hash},
    });
    outside.put("admins/omar-1", &admin).await;
    (settings, outside)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_another_program_changes_ends_sessions_on_all_instances() {
    let (settings, outside) = shop(&werkzeug::hash(PASSWORD).expect("a hash")).await;
    let (one, other) = (
        Instance::start(&settings).await,
        Instance::start(&settings).await,
    );
    let browser = one.sign_in(SessionKind::Browser).await;
    let program = one.sign_in(SessionKind::Api).await;
    for instance in [&one, &other] {
        assert!(instance.is_good(&browser).await && instance.is_good(&program).await);
    }
    let principal = other.auth.bearer(&program, HERE).await.expect("known");
    let stream = other
        .auth
        .streams()
        .open(principal, StreamKind::Api, String::new(), HERE, 0);
    let mut stream = stream.expect("a place");
    let changed = werkzeug::hash("another horse").expect("a hash");
    outside.set("admins/omar-1", "password", &changed).await;
    other
        .until("the end of the stream", async |it| {
            it.auth.recheck_streams().await;
            !it.is_good(&program).await
        })
        .await;
    assert!(stream.is_ended());
    one.until("the end of the session", async |it| {
        !it.is_good(&browser).await
    })
    .await;
    for instance in [&one, &other] {
        instance.auth.settled().await;
    }
    let left = one.store.sessions("omar-1").await.expect("answers");
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_changed_while_no_instance_runs_ends_sessions() {
    let (settings, outside) = shop(&werkzeug::hash(PASSWORD).expect("a hash")).await;
    let one = Instance::start(&settings).await;
    let browser = one.sign_in(SessionKind::Browser).await;
    let program = one.sign_in(SessionKind::Api).await;
    assert!(one.is_good(&browser).await && one.is_good(&program).await);
    drop(one);
    let early = Instance::start(&settings).await;
    assert!(early.is_good(&browser).await && early.is_good(&program).await);
    drop(early);
    let changed = werkzeug::hash("another horse").expect("a hash");
    outside.set("admins/omar-1", "password", &changed).await;
    let late = Instance::start(&settings).await;
    assert!(!late.is_good(&browser).await && !late.is_good(&program).await);
}

/// The same session is used for the first time since an earlier version and gets a new password, at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_use_overwrites_no_fingerprint_of_a_new_password() {
    let (settings, _) = shop("hash").await;
    let instance = Instance::start(&settings).await;
    let store = &instance.store;
    for round in 0..20_u8 {
        let session = Session {
            id: format!("s{round}"),
            admin_id: "omar-1".to_owned(),
            client: "test".to_owned(),
            kind: SessionKind::Api,
            password: None,
            created_at: 1_000,
            seen_at: 1_000,
            expires_at: 90_000_000_000_000,
        };
        let digest = [round; 32];
        let new = NewSession { session, digest };
        store.begin_session(new).await.expect("begun");
        let id = format!("s{round}");
        let used = SessionUse {
            seen_at: 2_000,
            expires_at: 90_000_000_000_000,
            password: Some([1; 32]),
        };
        let new = NewPassword {
            hash: format!("hash {round}"),
            replaces: None,
            session: Some((id.clone(), [2; 32])),
        };
        let (touched, changed) = tokio::join!(
            store.touch_session(&id, used),
            store.set_password("omar-1", new)
        );
        touched.expect("touched");
        assert!(changed.expect("changed"));
        let found = store.session_and_admin(&digest, "omar-1").await;
        let (session, _) = found.expect("answers").expect("both are there");
        assert_eq!(session.password, Some([2; 32]), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_an_earlier_version_is_replaced_and_no_session_ends() {
    let (settings, outside) = shop(ARGON2).await;
    let (one, other) = (
        Instance::start(&settings).await,
        Instance::start(&settings).await,
    );
    // Both at once: each begins a session under one hash or the other.
    let (first, second) = tokio::join!(
        one.sign_in(SessionKind::Browser),
        other.sign_in(SessionKind::Api)
    );
    let replaced = one.hash(&outside).await;
    assert_eq!(
        werkzeug::verify(&replaced, PASSWORD),
        Some(true),
        "{replaced}"
    );
    for _ in 0..20 {
        for instance in [&one, &other] {
            // Longer than any result of a check is cached.
            instance.step(301_000);
            assert!(instance.is_good(&first).await && instance.is_good(&second).await);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let third = one.sign_in(SessionKind::Browser).await;
    assert_eq!(one.hash(&outside).await, replaced, "once");
    assert!(other.is_good(&third).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_changed_here_is_readable_elsewhere_and_keeps_its_session() {
    let (settings, outside) = shop(&werkzeug::hash(PASSWORD).expect("a hash")).await;
    let (one, other) = (
        Instance::start(&settings).await,
        Instance::start(&settings).await,
    );
    let own = one.sign_in(SessionKind::Browser).await;
    let program = other.sign_in(SessionKind::Api).await;
    let principal = one.auth.bearer(&own, HERE).await.expect("known");
    let new = "another horse";
    let change = one
        .auth
        .change_password(&principal, PASSWORD.into(), new.into(), HERE);
    change.await.expect("changed");
    let hash = one.hash(&outside).await;
    assert!(hash.starts_with("scrypt:32768:8:1$"), "{hash}");
    assert_eq!(werkzeug::verify(&hash, new), Some(true));
    other
        .until("the end of the other", async |it| {
            !it.is_good(&program).await
        })
        .await;
    for instance in [&one, &other] {
        instance.step(301_000);
        assert!(instance.is_good(&own).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_in_use_costs_a_write_an_hour_and_its_echo() {
    let (settings, _) = shop(&werkzeug::hash(PASSWORD).expect("a hash")).await;
    let instance = Instance::start(&settings).await;
    let secret = instance.sign_in(SessionKind::Browser).await;
    let principal = instance.auth.bearer(&secret, HERE).await.expect("known");
    let stream =
        instance
            .auth
            .streams()
            .open(principal, StreamKind::Dashboard, String::new(), HERE, 0);
    let mut stream = stream.expect("a place");
    // What the watch has received is counted until it is still.
    let settled = async || {
        let mut last = instance.store.usage();
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let now = instance.store.usage();
            if now == last {
                return now;
            }
            last = now;
        }
    };
    let before = settled().await;
    // A day of polls, a minute apart, and of an open stream.
    for minute in 0..24 * 60 {
        instance.step(60_000);
        let writes = instance.store.usage().writes;
        assert!(instance.is_good(&secret).await, "{minute}");
        instance.auth.recheck_streams().await;
        instance.auth.settled().await;
        if instance.store.usage().writes != writes {
            settled().await;
        }
    }
    assert!(!stream.is_ended());
    let after = settled().await;
    let (reads, writes) = (after.reads - before.reads, after.writes - before.writes);
    assert!((22..=24).contains(&writes), "{writes} writes");
    assert_eq!(
        reads, writes,
        "each write comes back through the watch, and nothing else is read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_phone_stands_where_other_programs_look_for_it() {
    let (settings, outside) = shop("hash").await;
    let instance = Instance::start(&settings).await;
    let kept = instance.store.set_fcm_token("omar-1", "a token").await;
    kept.expect("kept");
    let fields = outside.get("admins/omar-1").await["fields"].clone();
    assert_eq!(fields["fcmToken"]["stringValue"], "a token");
    assert!(
        fields["fcmTokenUpdated"]["timestampValue"].is_string(),
        "{fields}"
    );
    assert_eq!(fields["password"]["stringValue"], "hash");
    assert_eq!(fields["name"]["stringValue"], "Omar");
}
