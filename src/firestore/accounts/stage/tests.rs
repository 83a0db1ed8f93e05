use firestore::gcloud_sdk::google::firestore::v1::{
    DocumentChange, DocumentDelete, ExistenceFilter,
};

use super::*;

fn change(kind: TargetChangeType, targets: &[i32]) -> ListenResponse {
    let read_time = (kind == TargetChangeType::NoChange).then_some(Timestamp {
        seconds: 9,
        nanos: 0,
    });
    response(ResponseType::TargetChange(TargetChange {
        target_change_type: kind.into(),
        target_ids: targets.to_vec(),
        read_time,
        ..TargetChange::default()
    }))
}

fn response(kind: ResponseType) -> ListenResponse {
    ListenResponse {
        response_type: Some(kind),
    }
}

fn document(target: i32, name: &str, seconds: i64) -> ListenResponse {
    let document = Document {
        name: name.to_owned(),
        update_time: Some(Timestamp { seconds, nanos: 0 }),
        ..Document::default()
    };
    response(ResponseType::DocumentChange(DocumentChange {
        document: Some(document),
        target_ids: vec![target],
        removed_target_ids: Vec::new(),
    }))
}

fn marker() -> ListenResponse {
    change(TargetChangeType::NoChange, &[])
}

fn consistent(changed: bool, differs: bool, read: u64) -> Update {
    Update::Consistent {
        changed,
        differs,
        read,
        read_micros: 9_000_000,
    }
}

/// One admin and one session, known.
fn begun() -> StagedAccounts {
    let mut accounts = StagedAccounts::default();
    accounts.take(document(1, "admins/a", 1));
    accounts.take(document(2, "sessions/s", 1));
    assert_eq!(
        accounts.take(marker()),
        Update::Nothing,
        "nothing counts before all is current"
    );
    accounts.take(change(TargetChangeType::Current, &[1, 2, 3]));
    assert_eq!(accounts.take(marker()), consistent(true, true, 2));
    assert_eq!(accounts.take(marker()), consistent(false, false, 0));
    accounts
}

#[test]
fn the_contents_are_found_by_the_ids_of_their_documents() {
    let contents = begun().contents();
    assert_eq!(contents.admins.len(), 1);
    assert_eq!(contents.admins[0].id, "a");
    assert!(contents.sessions.contains_key("s") && contents.tokens.is_empty());
}

#[test]
fn more_accounts_than_may_be_held_end_the_watch() {
    let mut accounts = begun();
    let mut update = Update::Nothing;
    for number in 0..MAX_HELD {
        update = accounts.take(document(3, &format!("tokens/{number}"), 1));
        if update != Update::Nothing {
            break;
        }
    }
    assert_eq!(update, Update::TooMany);
}

#[test]
fn what_other_programs_have_written_takes_little_memory() {
    let admin = bounded_admin(Admin {
        id: "a".to_owned(),
        email: "ä".repeat(MAX_TEXT),
        name: "x".repeat(1 << 20),
        password_hash: "y".repeat(MAX_TEXT),
        disabled: false,
        fcm_token: None,
    });
    assert!(admin.email.len() <= MAX_TEXT && admin.name.capacity() <= MAX_TEXT);
    assert_eq!(admin.password_hash.len(), MAX_TEXT);
}

#[test]
fn a_session_that_is_used_changes_nothing_and_one_that_ends_does() {
    let mut accounts = begun();
    accounts.take(document(2, "sessions/s", 5));
    accounts.take(document(2, "sessions/t", 5));
    assert_eq!(accounts.take(marker()), consistent(false, true, 2));
    accounts.take(response(ResponseType::DocumentDelete(DocumentDelete {
        document: "sessions/s".to_owned(),
        removed_target_ids: vec![2],
        read_time: None,
    })));
    assert_eq!(accounts.take(marker()), consistent(true, true, 0));
}

#[test]
fn an_admin_that_is_changed_changes_something() {
    let mut accounts = begun();
    accounts.take(document(1, "admins/a", 2));
    assert_eq!(accounts.take(marker()), consistent(true, true, 1));
}

#[test]
fn a_reset_that_brings_the_same_again_changes_nothing() {
    let mut accounts = begun();
    accounts.take(change(TargetChangeType::Reset, &[2]));
    assert_eq!(accounts.take(marker()), Update::Nothing);
    accounts.take(document(2, "sessions/s", 1));
    accounts.take(change(TargetChangeType::Current, &[2]));
    assert_eq!(accounts.take(marker()), consistent(false, false, 0));
    accounts.take(change(TargetChangeType::Reset, &[]));
    accounts.take(change(TargetChangeType::Current, &[]));
    assert_eq!(accounts.take(marker()), consistent(true, true, 0));
}

#[test]
fn a_count_that_doesnt_fit_and_a_target_that_is_gone_end_the_stream() {
    let mut accounts = begun();
    accounts.take(response(ResponseType::Filter(ExistenceFilter {
        target_id: 2,
        count: 7,
        unchanged_names: None,
    })));
    assert_eq!(accounts.take(marker()), Update::Broken);
    assert_eq!(
        begun().take(change(TargetChangeType::Remove, &[1])),
        Update::Broken
    );
}
