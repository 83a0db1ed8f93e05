//! Sessions, and how many of them an admin has.

use std::sync::Arc;

use orderbell::store::{
    MAX_SESSIONS, NewAdmin, NewSession, Session, SessionKind, SessionUse, USED_AGAIN_BONUS,
};

use super::Store;
use super::admins::add_ana;

fn used(seen_at: u64, expires_at: u64) -> SessionUse {
    SessionUse {
        seen_at,
        expires_at,
        password: None,
    }
}

/// A browser's session that began when its number says.
pub(crate) fn session(admin_id: &str, id: &str, digest: u8, expires_at: u64) -> NewSession {
    NewSession {
        session: Session {
            id: id.to_owned(),
            admin_id: admin_id.to_owned(),
            client: "test".to_owned(),
            kind: SessionKind::Browser,
            password: None,
            created_at: 1_000 + u64::from(digest),
            seen_at: 1_000 + u64::from(digest),
            expires_at,
        },
        digest: [digest; 32],
    }
}

pub(crate) async fn sessions_begin_and_end(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    for digest in 1..=3 {
        store
            .begin_session(session(&ana, &format!("s{digest}"), digest, 50_000))
            .await
            .expect("begun");
    }
    let second = store
        .session(&[2; 32])
        .await
        .expect("answers")
        .expect("there");
    assert_eq!(second, session(&ana, "s2", 2, 50_000).session);
    assert_eq!(store.session(&[9; 32]).await.expect("answers"), None);

    store
        .touch_session("s2", used(20_000, 60_000))
        .await
        .expect("touched");
    let second = store
        .session(&[2; 32])
        .await
        .expect("answers")
        .expect("there");
    assert_eq!((second.seen_at, second.expires_at), (20_000, 60_000));

    store.end_session("s1").await.expect("ended");
    store.end_session("s1").await.expect("no error");
    store
        .touch_session("s1", used(20_000, 60_000))
        .await
        .expect("no error");
    assert_eq!(store.session(&[1; 32]).await.expect("answers"), None);

    let ids = |sessions: Vec<Session>| {
        sessions
            .into_iter()
            .map(|session| session.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(store.sessions(&ana).await.expect("answers")),
        ["s3", "s2"]
    );
    assert_eq!(
        store.end_sessions(&ana, Some("s2")).await.expect("ended"),
        1
    );
    assert_eq!(ids(store.sessions(&ana).await.expect("answers")), ["s2"]);

    // A new one takes the expired ones along.
    let mut late = session(&ana, "s4", 4, 90_000);
    late.session.created_at = 60_001;
    store.begin_session(late).await.expect("begun");
    assert_eq!(ids(store.sessions(&ana).await.expect("answers")), ["s4"]);
    assert_eq!(store.end_sessions(&ana, None).await.expect("ended"), 1);
    assert_eq!(store.end_sessions(&ana, None).await.expect("ended"), 0);
}

pub(crate) async fn an_admin_has_so_many_sessions(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    let ben = NewAdmin {
        email: "ben@shop.example".to_owned(),
        name: "Ben".to_owned(),
        password_hash: "hash".to_owned(),
    };
    let ben = store.add_admin(ben).await.expect("added").id;
    let begin = async |admin: &str, number: u8| {
        let new = session(admin, &format!("s{number}"), number, 90_000);
        store.begin_session(new).await.expect("begun");
    };
    begin(&ben, 200).await;
    let most = u8::try_from(MAX_SESSIONS).expect("a small number");
    for number in 1..=most {
        begin(&ana, number).await;
    }
    // The oldest, but in use.
    store
        .touch_session("s1", used(20_000, 90_000))
        .await
        .expect("touched");
    for number in most + 1..=most + 2 {
        begin(&ana, number).await;
    }
    let kept = store.sessions(&ana).await.expect("answers");
    let mut kept: Vec<u8> = kept
        .iter()
        .map(|session| session.id[1..].parse().expect("a number"))
        .collect();
    kept.sort_unstable();
    let expected: Vec<u8> = [1].into_iter().chain(4..=most + 2).collect();
    assert_eq!(kept, expected);
    assert_eq!(store.sessions(&ben).await.expect("answers").len(), 1);
}

pub(crate) async fn each_kind_of_sessions_has_a_number_of_its_own(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    let begin = async |number: u8, kind| {
        let NewSession { session, digest } = session(&ana, &format!("s{number}"), number, 90_000);
        let session = Session { kind, ..session };
        store
            .begin_session(NewSession { session, digest })
            .await
            .expect("begun");
    };
    begin(1, SessionKind::Browser).await;
    let most = u8::try_from(MAX_SESSIONS).expect("a small number");
    for number in 2..=most + 2 {
        begin(number, SessionKind::Api).await;
    }
    let kept = store.sessions(&ana).await.expect("answers");
    let browsers: Vec<&str> = kept
        .iter()
        .filter(|session| session.kind == SessionKind::Browser)
        .map(|session| session.id.as_str())
        .collect();
    assert_eq!(browsers, ["s1"], "older than all of the others");
    assert_eq!(kept.len(), 1 + MAX_SESSIONS);
    assert!(kept.iter().all(|session| session.id != "s2"));
    let newest = store.session(&[most + 2; 32]).await.expect("answers");
    assert_eq!(newest.expect("there").kind, SessionKind::Api);
    assert_eq!(
        store.end_sessions(&ana, Some("s1")).await.expect("ended"),
        u64::from(most)
    );
}

pub(crate) async fn a_session_in_use_outlasts_those_that_are_never_used_again(
    store: Arc<impl Store>,
) {
    const MINUTE: u64 = 60_000;
    let ana = add_ana(&*store).await;
    let begin = async |number: u8, created_at: u64| {
        let mut new = session(&ana, &format!("s{number}"), number, u64::from(u32::MAX));
        (new.session.created_at, new.session.seen_at) = (created_at, created_at);
        store.begin_session(new).await.expect("begun");
    };
    let touch = async |number: u8, seen_at: u64| {
        let used = SessionUse {
            seen_at,
            expires_at: u64::from(u32::MAX),
            password: None,
        };
        let touched = store.touch_session(&format!("s{number}"), used).await;
        touched.expect("touched");
    };
    let kept = async || {
        let sessions = store.sessions(&ana).await.expect("answers");
        let mut kept: Vec<u8> = sessions
            .iter()
            .map(|session| session.id[1..].parse().expect("a number"))
            .collect();
        kept.sort_unstable();
        kept
    };
    let most = u8::try_from(MAX_SESSIONS).expect("a small number");
    begin(0, MINUTE).await;
    touch(0, 2 * MINUTE).await;
    for number in 1..=most + 5 {
        begin(number, u64::from(number + 2) * MINUTE).await;
    }
    let newest: Vec<u8> = [0].into_iter().chain(7..=most + 5).collect();
    assert_eq!(kept().await, newest);
    // If all were used again, the last use decides: an old use ranks no higher than a recent beginning.
    for number in 7..=most + 5 {
        touch(number, 100 * MINUTE).await;
    }
    begin(60, USED_AGAIN_BONUS + 101 * MINUTE).await;
    begin(61, USED_AGAIN_BONUS + 102 * MINUTE).await;
    let newest: Vec<u8> = (8..=most + 5).chain([60, 61]).collect();
    assert_eq!(kept().await, newest);
}
