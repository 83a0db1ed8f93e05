//! Recording the use of sessions, also while writes fail.

use super::*;
use crate::embedded::EmbeddedStore;
use crate::store::NewAdmin;

const EMAIL: &str = "ana@shop.example";
const MINUTE: u64 = 60_000;

impl Desk {
    /// Number of writes of a session's use since the last time; waits for running ones.
    async fn touches(&self) -> u32 {
        self.auth.settled().await;
        let calls = self.accounts.calls();
        calls.get("touch_session").copied().unwrap_or(0)
    }
}

fn at_once<T>(answer: impl Future<Output = T>) -> impl Future<Output = T> {
    let answer = tokio::time::timeout(Duration::from_secs(5), answer);
    async { answer.await.expect("an answer that waits for nothing") }
}

#[tokio::test]
async fn a_session_in_use_is_written_down_once_an_hour_and_shown_as_of_now() {
    let mut desk = desk();
    desk.auth.session_idle = Duration::from_secs(12 * 3_600);
    let (principal, secret) = desk.session().await;
    let begun = desk.now.load(Ordering::Relaxed);
    let mut touched = Vec::new();
    for minute in 1..=24 * 60 {
        desk.advance(MINUTE);
        for _ in 0..3 {
            assert!(desk.cookie(&secret).await.is_ok());
        }
        for _ in 0..desk.touches().await {
            touched.push(minute);
        }
    }
    // The first write comes after a minute of use, which sessions used only once don't reach.
    assert_eq!(touched[..3], [2, 63, 124]);
    assert_eq!(touched.len(), 24);
    desk.advance(1_000);
    assert!(desk.cookie(&secret).await.is_ok());
    let sessions = desk.auth.sessions(&principal).await.expect("answers");
    assert_eq!(sessions[0].seen_at, begun + 24 * 60 * MINUTE + 1_000);
}

#[tokio::test]
async fn a_phone_in_use_stays_signed_in_beside_a_script_that_signs_in_every_minute() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    let clock = Arc::clone(&now);
    let clock = Clock::from_fn(move || clock.load(Ordering::Relaxed) * 1_000);
    let store = EmbeddedStore::open(&folder.path().join("orders.db"), clock.clone());
    let store = Arc::new(store.expect("a store"));
    let ana = NewAdmin {
        email: EMAIL.to_owned(),
        name: "Ana".to_owned(),
        password_hash: argon2_hash(),
    };
    store.add_admin(ana).await.expect("added");
    let streams = OpenStreams::new(StreamLimits {
        connections: 10,
        per_admin: 10,
        per_address: 10,
    });
    let auth = Auth::new(store as _, &settings(), streams, clock);
    let sign_in = async |client: &str| {
        let password = "correct horse".into();
        let signed_in = auth.sign_in(EMAIL, password, HERE, client, SessionKind::Api, &[]);
        signed_in.await.expect("signed in").secret
    };
    let phone = sign_in("phone").await;
    for minute in 1..=130 {
        now.fetch_add(MINUTE, Ordering::Relaxed);
        let answer = auth.bearer(phone.expose_secret(), HERE).await;
        assert!(answer.is_ok(), "signed out in minute {minute}");
        auth.settled().await;
        let script = sign_in("script").await;
        assert!(auth.bearer(script.expose_secret(), HERE).await.is_ok());
    }
}

#[tokio::test]
async fn no_request_waits_for_the_write_that_a_session_is_in_use() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    desk.accounts.hangs.send_replace(true);
    for _ in 0..5 {
        desk.advance(2 * MINUTE);
        assert!(at_once(desk.cookie(&secret)).await.is_ok());
        tokio::task::yield_now().await;
    }
    let begun = desk.accounts.calls()["touch_session"];
    assert_eq!(begun, 1, "and there is one");
    desk.accounts.hangs.send_replace(false);
    desk.auth.settled().await;
    // The session's lifetime counts from that use.
    desk.advance(51 * MINUTE);
    assert!(desk.cookie(&secret).await.is_ok());
}

#[tokio::test]
async fn a_use_that_could_not_be_written_down_is_written_at_the_next() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    desk.accounts.fails_touches.store(true, Ordering::Relaxed);
    desk.advance(2 * MINUTE);
    assert!(desk.cookie(&secret).await.is_ok());
    assert_eq!(desk.touches().await, 1);
    desk.accounts.fails_touches.store(false, Ordering::Relaxed);
    desk.advance(MINUTE);
    assert!(desk.cookie(&secret).await.is_ok());
    assert_eq!(desk.touches().await, 1);
}

#[tokio::test]
async fn a_request_that_is_given_up_loses_no_write() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    desk.advance(2 * MINUTE);
    desk.accounts.hangs.send_replace(true);
    let request = tokio::time::timeout(Duration::from_millis(20), async {
        let _ = desk.cookie(&secret).await;
        std::future::pending::<()>().await;
    });
    assert!(request.await.is_err());
    desk.accounts.hangs.send_replace(false);
    assert_eq!(desk.touches().await, 1);
    desk.advance(MINUTE);
    assert!(desk.cookie(&secret).await.is_ok());
    assert_eq!(desk.touches().await, 0, "it is written");
}

#[tokio::test]
async fn writes_that_hang_hold_up_no_end_of_another_stream() {
    let mut desk = desk();
    desk.auth.session_idle = Duration::from_secs(12 * 3_600);
    let (ana, _) = desk.session().await;
    let ben_id = desk.accounts.add("ben@shop.example", &argon2_hash(), false);
    let ben = desk.sign_in("ben@shop.example", "correct horse").await;
    let ben = ben.expect("signed in").principal;
    let open = |principal| {
        let streams = desk.auth.streams();
        let stream = streams.open(principal, StreamKind::Api, String::new(), HERE, 0);
        stream.expect("a place")
    };
    let (anas, mut bens) = (open(ana), open(ben));
    desk.another_program_sets(&ben_id, WERKZEUG);
    desk.advance(3_600_001);
    desk.accounts.hangs.send_replace(true);
    assert!(at_once(desk.auth.recheck_streams()).await);
    assert!(bens.is_ended());
    drop(anas);
}
