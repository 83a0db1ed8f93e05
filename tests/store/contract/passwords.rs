//! Passwords, and the fingerprints of passwords in sessions.

use std::sync::Arc;

use orderbell::store::{NewPassword, SessionUse, StoreError};

use super::Store;
use super::admins::add_ana;
use super::sessions::session;

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
