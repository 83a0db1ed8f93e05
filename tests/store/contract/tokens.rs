//! Tokens of scripts, and the store's own secrets.

use std::collections::HashSet;
use std::sync::Arc;

use orderbell::store::{StoreError, Token};
use tokio::task::JoinSet;

use super::Store;
use super::admins::add_ana;

pub(crate) async fn tokens_are_kept_until_revoked(store: Arc<impl Store>) {
    let ana = add_ana(&*store).await;
    let token = |n: u8| Token {
        id: format!("t{n}"),
        name: format!("till {n}"),
        admin_id: (n == 2).then(|| ana.clone()),
        created_at: 1_000 + u64::from(n),
        used_at: None,
    };
    for n in [2, 1] {
        store.add_token(token(n), [n; 32]).await.expect("added");
    }
    assert_eq!(
        store.token(&[1; 32]).await.expect("answers"),
        Some(token(1))
    );
    assert_eq!(store.token(&[3; 32]).await.expect("answers"), None);
    assert_eq!(store.tokens().await.expect("answers"), [token(1), token(2)]);
    store.touch_token("t1", 7_000).await.expect("touched");
    assert_eq!(
        store
            .token(&[1; 32])
            .await
            .expect("answers")
            .expect("there")
            .used_at,
        Some(7_000)
    );
    store.revoke_token("t1").await.expect("revoked");
    assert_eq!(store.token(&[1; 32]).await.expect("answers"), None);
    store.touch_token("t1", 8_000).await.expect("no error");
    let again = store.revoke_token("t1").await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    assert_eq!(store.tokens().await.expect("answers"), [token(2)]);
}

pub(crate) async fn a_secret_is_made_once(store: Arc<impl Store>) {
    let mut makers = JoinSet::new();
    for n in 0..4 {
        let store = Arc::clone(&store);
        makers.spawn(async move {
            store
                .secret("session", &format!("fresh {n}"))
                .await
                .expect("made")
        });
    }
    let made: HashSet<String> = makers.join_all().await.into_iter().collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(store.secret("other", "x").await.expect("made"), "x");
    assert_eq!(store.secret("other", "y").await.expect("kept"), "x");
}
