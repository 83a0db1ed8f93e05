//! Secrets that instances share.

use std::sync::Arc;

use orderbell::store::SecretStore;
use tokio::task::JoinSet;

pub(crate) async fn a_secret_is_replaced_only_where_it_is_as_expected(
    store: Arc<impl SecretStore>,
) {
    let read = async || store.read_secret("acme").await.expect("an answer");
    let replace = async |expected: Option<&str>, value: &str| {
        let replaced = store.replace_secret("acme", expected, value).await;
        replaced.expect("an answer")
    };
    assert_eq!(read().await, None);
    assert!(!replace(Some("first"), "second").await, "there is none");
    assert!(replace(None, "first").await);
    assert!(!replace(None, "other").await, "there is one");
    assert!(!replace(Some("other"), "second").await, "it is another");
    assert_eq!(read().await.as_deref(), Some("first"));
    // Certificates with chains are longer than what Firestore indexes.
    let long = "é".repeat(20_000);
    assert!(replace(Some("first"), &long).await);
    assert_eq!(read().await.as_deref(), Some(&*long));
    assert!(replace(Some(&long), "third").await);
    let other = store.replace_secret("other", None, "x").await;
    assert!(other.expect("an answer"), "each name has its own");
    assert_eq!(read().await.as_deref(), Some("third"));
}

pub(crate) async fn of_many_writers_of_a_secret_one_wins(store: Arc<impl SecretStore + 'static>) {
    for expected in [None, Some("start")] {
        if expected.is_some() {
            let kept = store.read_secret("lease").await.expect("an answer");
            let set = store
                .replace_secret("lease", kept.as_deref(), "start")
                .await;
            assert!(set.expect("an answer"));
        }
        let mut writers = JoinSet::new();
        for number in 0..8 {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                let value = format!("writer {number}");
                let won = store.replace_secret("lease", expected, &value).await;
                won.expect("an answer").then_some(value)
            });
        }
        let winners: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
        let kept = store.read_secret("lease").await.expect("an answer");
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(kept.as_ref(), winners.first());
    }
}
