//! Removal of old rows.

use super::*;

/// Number of rows of a table, over another connection.
fn rows(place: &Place, table: &str) -> u64 {
    let connection = Connection::open(&place.path).expect("opened");
    connection
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
        .expect("counted")
}

#[tokio::test]
async fn old_keys_go_without_a_new_one() {
    let place = Place::new();
    let store = place.open();
    for n in 0..1_200 {
        submit(&store, Some(&n.to_string())).await;
    }
    place.now.fetch_add(23 * 3_600_000_000, Ordering::Relaxed);
    submit(&store, Some("young")).await;
    assert_eq!(rows(&place, "idempotency"), 1_201);
    place.now.fetch_add(3_600_002_000, Ordering::Relaxed);
    // Five hundred at a time; each write waits until the previous one has pruned.
    for left in [701, 201, 1, 1] {
        submit(&store, None).await;
        submit(&store, None).await;
        assert!(rows(&place, "idempotency") <= left, "{left}");
    }
    assert_eq!(rows(&place, "idempotency"), 1);
}

#[tokio::test]
async fn old_removals_go_unless_a_watch_begins_with_them() {
    let place = Place::new();
    let store = place.open();
    let remove_one = async || {
        let placed = submit(&store, None).await;
        let removed = store.remove(&placed.order_id, "Ana").await;
        removed.expect("removed");
    };
    // The watch's window has 100 removals.
    watch(&store);
    for _ in 0..103 {
        remove_one().await;
    }
    place
        .now
        .fetch_add(89 * 24 * 3_600_000_000, Ordering::Relaxed);
    remove_one().await;
    assert_eq!(rows(&place, "removals"), 104);
    place
        .now
        .fetch_add(2 * 24 * 3_600_000_000, Ordering::Relaxed);
    for _ in 0..2 {
        submit(&store, None).await;
    }
    assert_eq!(rows(&place, "removals"), 100);
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day() {
    let place = Place::new();
    let store = place.open();
    submit(&store, Some("key")).await;
    place.now.fetch_add(25 * 3_600_000_000, Ordering::Relaxed);
    // Expired even before the row is removed.
    assert_eq!(submit(&store, Some("key")).await.number, 2);
    assert_eq!(submit(&store, Some("key")).await.number, 2);
}

#[tokio::test]
async fn keys_from_before_there_were_fingerprints_count_for_any_body() {
    let place = Place::new();
    std::fs::create_dir_all(place.path.parent().expect("a folder")).expect("created");
    let first_version = Connection::open(&place.path).expect("opened");
    first_version
        .execute_batch(schema::MIGRATIONS[0])
        .expect("the first schema");
    let now = place.now.load(Ordering::Relaxed) / 1_000;
    first_version
        .execute(
            "INSERT INTO idempotency VALUES ('key', 'ORD7', 7, ?1)",
            [now],
        )
        .expect("a key");
    first_version
        .pragma_update(None, "user_version", 1)
        .expect("set");
    assert_eq!(submit(&place.open(), Some("key")).await.number, 7);
}
