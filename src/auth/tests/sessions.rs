//! When a session is valid, and what ends it.

use super::*;

#[tokio::test]
async fn the_good_cookie_is_found_among_those_of_other_hosts() {
    let desk = desk();
    let (_, good) = desk.session().await;
    let (_, ended) = desk.session().await;
    desk.auth.sign_out(&ended).await.expect("signed out");
    let (_, unseen) = desk.session().await;
    let pick = async |secrets: &[&str]| desk.auth.pick_session(secrets).await;
    assert_eq!(pick(&["junk", "obs_guess", &ended, &good]).await, 3);
    assert_eq!(pick(&[&ended]).await, 0);
    // A session that couldn't be looked up may be the valid one.
    desk.accounts.away.store(true, Ordering::Relaxed);
    assert_eq!(pick(&[&ended, &unseen]).await, 1);
    assert_eq!(pick(&[&ended, &unseen, &good]).await, 2, "known");
}

#[tokio::test]
async fn a_look_up_under_way_does_not_bring_a_session_back() {
    let desk = Arc::new(desk());
    let (_, secret) = desk.session().await;
    desk.accounts.holds.store(true, Ordering::Relaxed);
    let in_flight = tokio::spawn({
        let (desk, secret) = (Arc::clone(&desk), secret.clone());
        async move { desk.cookie(&secret).await }
    });
    desk.accounts.holding.notified().await;
    desk.accounts.holds.store(false, Ordering::Relaxed);
    desk.auth.sign_out(&secret).await.expect("signed out");
    desk.accounts.let_go.notify_one();
    assert!(in_flight.await.expect("no panic").is_ok(), "it came before");
    assert!(is_unknown(&desk.cookie(&secret).await));
}

#[tokio::test]
async fn signing_out_ends_also_the_session_of_a_disabled_admin() {
    let desk = desk();
    let (principal, secret) = desk.session().await;
    let ana = principal.admin_id.expect("an admin");
    let set = async |disabled| {
        let set = desk.accounts.set_admin_disabled(&ana, disabled).await;
        set.expect("set");
        desk.advance(60_000);
    };
    set(true).await;
    desk.auth.sign_out(&secret).await.expect("signed out");
    desk.auth.sign_out(&secret).await.expect("nothing to end");
    desk.auth.sign_out("obs_guess").await.expect("nothing");
    set(false).await;
    assert!(is_unknown(&desk.cookie(&secret).await));
}

#[tokio::test]
async fn an_ended_session_is_looked_up_once() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    desk.auth.sign_out(&secret).await.expect("signed out");
    desk.accounts.calls();
    for _ in 0..20 {
        assert!(is_unknown(&desk.cookie(&secret).await));
        desk.advance(60_000);
    }
    assert_eq!(desk.accounts.calls(), calls([("session", 1)]));
}

#[tokio::test]
async fn while_the_store_is_away_known_sessions_stay_until_their_own_end() {
    let desk = desk();
    let (_, secret) = desk.session().await;
    assert!(desk.cookie(&secret).await.is_ok());
    desk.accounts.away.store(true, Ordering::Relaxed);
    desk.advance(3_000_000);
    assert!(desk.cookie(&secret).await.is_ok());
    desk.advance(599_999);
    assert!(desk.cookie(&secret).await.is_ok());
    desk.advance(1);
    let ended = desk.cookie(&secret).await;
    assert!(
        matches!(ended, Err(AuthError::Store(_))),
        "idle for an hour"
    );
}
