use super::*;

fn directory() -> Directory {
    Directory::new(Duration::from_secs(40))
}

fn contents(ids: &[&str]) -> AccountSnapshot {
    let admin = |id: &&str| {
        Arc::new(Admin {
            id: (*id).to_owned(),
            email: format!("{id}@shop.example"),
            name: String::new(),
            password_hash: String::new(),
            disabled: false,
            fcm_token: None,
        })
    };
    AccountSnapshot {
        admins: ids.iter().map(admin).collect(),
        ..AccountSnapshot::default()
    }
}

fn is_there(directory: &Directory, id: &str) -> Option<bool> {
    let name = format!("admins/{id}");
    directory.look_up(&name, |contents| contents.admin_by_id(id).is_some())
}

#[test]
fn it_answers_while_the_watch_is_live() {
    let directory = directory();
    assert_eq!(
        (is_there(&directory, "a"), directory.generation()),
        (None, None)
    );
    directory.advance(Some(contents(&["a"])), true, 10);
    assert_eq!(is_there(&directory, "a"), Some(true));
    assert_eq!(is_there(&directory, "b"), Some(false));
    assert_eq!(directory.generation(), Some(1));
    directory.advance(None, false, 20);
    assert_eq!(
        (is_there(&directory, "a"), directory.generation()),
        (Some(true), Some(1))
    );
    directory.clear();
    assert_eq!(
        (is_there(&directory, "a"), directory.generation()),
        (None, None)
    );
    directory.advance(Some(contents(&["b"])), false, 30);
    assert_eq!(
        (is_there(&directory, "a"), directory.generation()),
        (Some(false), Some(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_is_not_trusted_for_long() {
    let directory = directory();
    tokio::time::advance(Duration::from_secs(90)).await;
    directory.advance(Some(contents(&["a"])), true, 10);
    let is_trusted = || {
        let is_live = directory.is_live();
        assert_eq!(directory.generation().is_some(), is_live);
        assert_eq!(is_there(&directory, "a").is_some(), is_live);
        assert_eq!(directory.peek(|_| ()).is_some(), is_live);
        is_live
    };
    for _ in 0..5 {
        // As often as Google's servers speak.
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(is_trusted());
        directory.heard();
    }
    tokio::time::advance(Duration::from_millis(39_999)).await;
    assert!(is_trusted());
    assert_eq!(directory.silent_lookups.get(), 0);
    let generation = directory.generation();
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!is_trusted());
    assert_eq!(
        directory.silent_lookups.get(),
        2,
        "two look-ups found no answer"
    );
    // It may have waited in a buffer, ahead of a change.
    directory.heard();
    assert!(!is_trusted());
    directory.advance(None, false, 20);
    assert!(is_trusted());
    assert!(directory.generation() > generation);
}

#[test]
fn own_writes_are_looked_up_until_the_watch_has_seen_them() {
    let directory = directory();
    directory.advance(Some(contents(&["a"])), true, 10);
    directory.wrote(["admins/b".to_owned()], 15);
    assert_eq!(is_there(&directory, "b"), None);
    assert_eq!(is_there(&directory, "a"), Some(true));
    assert_eq!(directory.look_through("admins/", |_| ()), None);
    assert_eq!(directory.look_through("tokens/", |_| ()), Some(()));
    // From before the write.
    directory.advance(Some(contents(&["a", "c"])), true, 14);
    assert_eq!(is_there(&directory, "b"), None);
    directory.advance(Some(contents(&["a", "b"])), true, 15);
    assert_eq!(is_there(&directory, "b"), Some(true));
    assert_eq!(directory.look_through("admins/", |_| ()), Some(()));
}

#[test]
fn a_write_that_the_watch_has_seen_already_is_found_in_memory() {
    let directory = directory();
    directory.advance(Some(contents(&["a"])), true, 15);
    directory.wrote(["admins/a".to_owned()], 15);
    assert_eq!(is_there(&directory, "a"), Some(true));
    directory.clear();
    directory.wrote(["admins/a".to_owned()], 15);
    directory.advance(Some(contents(&[])), true, 14);
    assert_eq!(is_there(&directory, "a"), None, "this watch is behind");
}

#[test]
fn a_write_from_before_the_watch_was_live_counts_as_well() {
    let directory = directory();
    directory.wrote(["admins/a".to_owned()], 15);
    directory.advance(Some(contents(&[])), true, 14);
    assert_eq!(is_there(&directory, "a"), None);
}

#[test]
fn many_own_writes_are_forgotten_for_one_moment() {
    let directory = directory();
    directory.advance(Some(contents(&["a"])), true, 10);
    let names = (0..=MAX_WRITTEN).map(|number| format!("sessions/{number}"));
    directory.wrote(names, 20);
    assert!(directory.read().written.is_empty() && !directory.is_live());
    directory.advance(None, false, 19);
    assert_eq!(is_there(&directory, "a"), None);
    directory.advance(None, false, 20);
    assert_eq!(is_there(&directory, "a"), Some(true));
}
