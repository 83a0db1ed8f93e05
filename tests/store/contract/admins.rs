//! Admins, and their phone apps.

use std::sync::Arc;

use orderbell::clock::Clock;
use orderbell::store::{FcmToken, NewAdmin, NewPassword, StoreError};

use super::Store;
use super::sessions::session;

/// Adds the admin Ana, and returns her id.
pub(crate) async fn add_ana(store: &impl Store) -> String {
    store
        .add_admin(new("ana@shop.example"))
        .await
        .expect("added")
        .id
}

fn new(email: &str) -> NewAdmin {
    NewAdmin {
        email: email.to_owned(),
        name: "Ana".to_owned(),
        password_hash: "hash".to_owned(),
    }
}

pub(crate) async fn admins_are_found(store: Arc<impl Store>) {
    let ana = store
        .add_admin(new("Ana@shop.example"))
        .await
        .expect("added");
    assert_eq!(
        store.admin_by_id(&ana.id).await.expect("answers"),
        Some(ana.clone())
    );
    assert_eq!(
        store
            .admin_by_email("ana@SHOP.example")
            .await
            .expect("answers"),
        Some(ana.clone())
    );
    assert_eq!(
        store
            .admin_by_email("ben@shop.example")
            .await
            .expect("answers"),
        None
    );
    assert_eq!(store.admin_by_id("nobody").await.expect("answers"), None);
    assert_eq!(store.admin_by_id("no/body").await.expect("answers"), None);
    let twice = store.add_admin(new("ANA@shop.example")).await;
    assert!(matches!(twice, Err(StoreError::Exists)), "{twice:?}");
    let ben = store
        .add_admin(new("ben@shop.example"))
        .await
        .expect("added");
    assert_eq!(store.admins().await.expect("answers"), [ana, ben]);
}

pub(crate) async fn a_disabled_admin_has_no_sessions(store: Arc<impl Store>) {
    let ana = store.add_admin(new("ana@shop.example")).await;
    let ben = store.add_admin(new("ben@shop.example")).await;
    let (ana, ben) = (ana.expect("added"), ben.expect("added"));
    let other = |hash: &str| NewPassword {
        hash: hash.to_owned(),
        replaces: None,
        session: None,
    };
    assert!(
        store
            .set_password(&ana.id, other("other"))
            .await
            .expect("set")
    );
    for (id, secret) in [(&ana.id, 1), (&ben.id, 2)] {
        store
            .begin_session(session(id, &format!("s{secret}"), secret, 10_000))
            .await
            .expect("begun");
    }
    store.set_admin_disabled(&ana.id, true).await.expect("set");
    let found = store
        .admin_by_id(&ana.id)
        .await
        .expect("answers")
        .expect("there");
    assert_eq!(
        (found.disabled, found.password_hash.as_str()),
        (true, "other")
    );
    assert_eq!(store.session(&[1; 32]).await.expect("answers"), None);
    assert!(store.session(&[2; 32]).await.expect("answers").is_some());
    store.set_admin_disabled(&ana.id, false).await.expect("set");
    assert!(
        !store
            .admin_by_id(&ana.id)
            .await
            .expect("answers")
            .expect("there")
            .disabled
    );
    let missing = store.set_admin_disabled("nobody", true).await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
}

pub(crate) async fn the_token_of_a_phone_is_kept(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    let kept = async || {
        let admin = store.admin_by_id(&ana).await.expect("answers");
        admin.expect("there")
    };
    assert_eq!(kept().await.fcm_token, None);
    let began = Clock::system().millis();
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
