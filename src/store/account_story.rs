//! Contract tests of passwords, kinds of sessions and phone apps.

use std::sync::Arc;

use orderbell::store::{
    FcmToken, MAX_SESSIONS, NewPassword, NewSession, Session, SessionKind, SessionUse, StoreError,
    USED_AGAIN_BONUS,
};

use super::{Store, add_ana, session};

fn password(hash: &str) -> NewPassword {
    NewPassword {
        hash: hash.to_owned(),
        replaces: None,
        session: None,
    }
}

async fn hash_of(store: &impl Store, admin: &str) -> String {
    let admin = store.admin_by_id(admin).await.expect("answers");
    admin.expect("there").password_hash
}

pub(crate) async fn a_password_is_replaced_along_with_its_session(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    for digest in 1..=2 {
        let mut new = session(&ana, &format!("s{digest}"), digest, 50_000);
        new.session.password = Some([7; 32]);
        store.begin_session(new).await.expect("begun");
    }
    let fingerprint = async |digest: u8| {
        let session = store.session(&[digest; 32]).await.expect("answers");
        session.expect("there").password
    };
    assert_eq!(fingerprint(1).await, Some([7; 32]));

    let set = async |new| store.set_password(&ana, new).await.expect("answers");
    assert!(set(password("first")).await, "whatever it replaces");
    let outdated = NewPassword {
        replaces: Some("hash".to_owned()),
        session: Some(("s1".to_owned(), [8; 32])),
        ..password("second")
    };
    assert!(!set(outdated.clone()).await);
    assert_eq!(hash_of(&*store, &ana).await, "first");
    assert_eq!(fingerprint(1).await, Some([7; 32]));
    let good = NewPassword {
        replaces: Some("first".to_owned()),
        ..outdated
    };
    assert!(set(good).await);
    assert_eq!(hash_of(&*store, &ana).await, "second");
    assert_eq!(fingerprint(1).await, Some([8; 32]));
    assert_eq!(fingerprint(2).await, Some([7; 32]));
    // The session may have ended in the meantime.
    let of_none = NewPassword {
        session: Some(("s9".to_owned(), [8; 32])),
        ..password("third")
    };
    assert!(set(of_none).await);

    let (found, admin) = store
        .session_and_admin(&[1; 32], &ana)
        .await
        .expect("answers")
        .expect("both are there");
    assert_eq!((found.id.as_str(), found.password), ("s1", Some([8; 32])));
    assert_eq!((&admin.id, admin.password_hash.as_str()), (&ana, "third"));
    for (digest, admin) in [(1, "nobody"), (1, "no/body"), (9, ana.as_str())] {
        let none = store.session_and_admin(&[digest; 32], admin).await;
        assert!(none.expect("answers").is_none(), "{digest} {admin}");
    }
    for nobody in ["nobody", "no/body"] {
        let missing = store.set_password(nobody, password("x")).await;
        assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
    }
}

pub(crate) async fn a_session_in_use_gets_a_fingerprint(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    let new = session(&ana, "s1", 1, 50_000);
    store.begin_session(new).await.expect("begun");
    let used = |password| SessionUse {
        seen_at: 20_000,
        expires_at: 60_000,
        password,
    };
    for (given, kept) in [
        (None, None),
        (Some([7; 32]), Some([7; 32])),
        (None, Some([7; 32])),
        // A password change may have set another one in the meantime.
        (Some([8; 32]), Some([7; 32])),
    ] {
        let touched = store.touch_session("s1", used(given)).await;
        touched.expect("touched");
        let found = store.session(&[1; 32]).await.expect("answers");
        assert_eq!(found.expect("there").password, kept);
    }
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

pub(crate) async fn the_token_of_a_phone_is_kept(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    let kept = async || {
        let admin = store.admin_by_id(&ana).await.expect("answers");
        admin.expect("there")
    };
    assert_eq!(kept().await.fcm_token, None);
    let began = orderbell::clock::Clock::system().millis();
    for token in ["first", "second"] {
        store.set_fcm_token(&ana, token).await.expect("kept");
        let admin = kept().await;
        let known = admin.fcm_token.expect("a token");
        assert_eq!(known.digest, FcmToken::new(token, 0).digest);
        // Both clocks are this machine's.
        assert!(known.updated_at.abs_diff(began) < 60_000, "{known:?}");
        assert_eq!(
            (admin.email.as_str(), admin.password_hash.as_str()),
            ("ana@shop.example", "hash")
        );
    }
    for nobody in ["nobody", "no/body"] {
        let missing = store.set_fcm_token(nobody, "x").await;
        assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
    }
}
