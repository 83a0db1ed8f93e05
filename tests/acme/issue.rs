//! From the first start to the renewal, with what can go wrong on the way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use orderbell::app::Listeners;
use orderbell::certificates::ProblemKind;

use crate::pebble::Pebble;
use crate::{Ahead, DOMAIN, Desk, eventually, port_of, record, sockets_for_two};

async fn authority_of(sockets: &Listeners) -> Pebble {
    let port = |listener: &Option<std::net::TcpListener>| listener.as_ref().map_or(1, port_of);
    Pebble::start(port(&sockets.redirect), port(&sockets.desk)).await
}

async fn start(pebble: &Pebble, sockets: Listeners, store: &Path, ahead: &Ahead) -> Desk {
    let environment = [
        ("ORDERBELL_EMBEDDED__PATH", store.to_str().expect("UTF-8")),
        ("ORDERBELL_TLS__MODE", "acme"),
        ("ORDERBELL_TLS__DOMAINS", DOMAIN),
        ("ORDERBELL_TLS__EMAIL", "me@example.com"),
        ("ORDERBELL_TLS__DIRECTORY_URL", &pebble.directory),
        ("ORDERBELL_TLS__DIRECTORY_CA_FILE", &pebble.ca_file),
        ("ORDERBELL_TLS__REDIRECT_PORT", "0"),
    ];
    Desk::start(sockets, &environment, ahead).await
}

fn store() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("orders.db");
    (folder, store)
}

/// Waits until the desk answers over HTTPS with a certificate that the authority has issued.
async fn https_answers(pebble: &Pebble, desk: &Desk) {
    let client = pebble.trusting_client(DOMAIN, desk.https).await;
    let url = format!("https://{DOMAIN}:{}/health/live", desk.https.port());
    eventually("HTTPS", async || {
        let answer = client.get(&url).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}

async fn failure_of(desk: &Desk) -> orderbell::certificates::Status {
    eventually("a failure", async || {
        let status = desk.renewal.as_ref().expect("by ACME").status();
        (status.failure.is_some() && !status.is_working).then_some(status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_requested_and_renewed() {
    let (sockets, (_folder, store), ahead) = (sockets_for_two(), store(), Ahead::default());
    let pebble = authority_of(&sockets).await;
    let desk = start(&pebble, sockets, &store, &ahead).await;
    https_answers(&pebble, &desk).await;
    let redirect = desk.get_plain("/orders?q=a%20b").await;
    assert_eq!(redirect.status(), 308);
    let location = format!("https://{DOMAIN}:{}/orders?q=a%20b", desk.https.port());
    assert_eq!(redirect.headers()["location"], location);

    let first = record(&store).await["certificate"]["chain"].clone();
    assert!(first.is_string());
    // pebble's certificates last for five years.
    ahead.add(Duration::from_secs(4 * 365 * 24 * 3_600));
    desk.wake();
    let renewed = eventually("a renewal", async || {
        let record = record(&store).await;
        (record["certificate"]["chain"] != first).then_some(record)
    })
    .await;
    assert!(
        renewed["lease"].is_null() && renewed["order"].is_null(),
        "{renewed}"
    );
    https_answers(&pebble, &desk).await;
    assert_eq!(pebble.orders(), 2);
    desk.stop().await;

    // A restart serves the stored certificate and requests none.
    let sockets = sockets_for_two();
    let desk = start(&pebble, sockets, &store, &ahead).await;
    https_answers(&pebble, &desk).await;
    assert_eq!(pebble.orders(), 2);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_port_80_the_authority_looks_at_port_443() {
    let (sockets, (_folder, store), ahead) = (sockets_for_two(), store(), Ahead::default());
    let sockets = Listeners {
        redirect: None,
        ..sockets
    };
    let pebble = authority_of(&sockets).await;
    let desk = start(&pebble, sockets, &store, &ahead).await;
    https_answers(&pebble, &desk).await;
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_authority_does_not_find_is_told_and_tried_again() {
    let (sockets, (_folder, store), ahead) = (sockets_for_two(), store(), Ahead::default());
    let pebble = authority_of(&sockets).await;
    pebble.set_dns("").await;
    let desk = start(&pebble, sockets, &store, &ahead).await;
    let status = failure_of(&desk).await;
    let (problem, count) = status.failure.expect("a failure");
    // Let's Encrypt says `dns`.
    assert_eq!(
        (problem.kind, count),
        (ProblemKind::Connection, 1),
        "{problem:?}"
    );
    assert_eq!(problem.domain.as_deref(), Some(DOMAIN));
    let page = desk.get_plain("/").await;
    assert_eq!(page.status(), 503);
    let page = page.text().await.expect("a page");
    assert!(
        page.contains("the authority can't connect to desk.example.com"),
        "{page}"
    );
    assert!(page.contains("minutes"), "{page}");

    // An address where nothing listens. The attempt is made on port 443 this time, and again it waits for its time.
    pebble.set_dns("127.0.0.9").await;
    desk.wake();
    ahead.add(Duration::from_secs(3 * 60));
    desk.wake();
    let problem = eventually("another failure", async || {
        let status = desk.renewal.as_ref().expect("by ACME").status();
        status.failure.filter(|(_, count)| *count == 2)
    })
    .await;
    // Let's Encrypt says `connection`.
    assert_eq!(problem.0.kind, ProblemKind::WrongServer, "{problem:?}");

    pebble.set_dns("127.0.0.1").await;
    ahead.add(Duration::from_secs(6 * 60));
    desk.wake();
    https_answers(&pebble, &desk).await;
    assert_eq!(pebble.orders(), 3);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_order_is_completed_after_a_restart() {
    let (sockets, (_folder, store), ahead) = (sockets_for_two(), store(), Ahead::default());
    let ports = [&sockets.redirect, &sockets.desk].map(|socket| socket.as_ref().map_or(1, port_of));
    let again = Listeners {
        desk: sockets
            .desk
            .as_ref()
            .map(|socket| socket.try_clone().expect("a socket")),
        redirect: sockets
            .redirect
            .as_ref()
            .map(|socket| socket.try_clone().expect("a socket")),
    };
    let pebble = Pebble::start_slow(ports[0], ports[1]).await;
    let desk = start(&pebble, sockets, &store, &ahead).await;
    eventually("an order", async || {
        record(&store).await["order"].is_object().then_some(())
    })
    .await;
    desk.stop().await;
    let before = record(&store).await;
    assert!(
        before["certificate"].is_null() && before["lease"].is_object(),
        "{before}"
    );

    let desk = start(&pebble, again, &store, &ahead).await;
    https_answers(&pebble, &desk).await;
    assert_eq!(pebble.orders(), 1);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_has_forgotten_the_account_gets_a_new_one() {
    let (sockets, (_folder, store), ahead) = (sockets_for_two(), store(), Ahead::default());
    let other = authority_of(&sockets).await;
    let desk = start(&other, sockets, &store, &ahead).await;
    https_answers(&other, &desk).await;
    desk.stop().await;

    // The same address for the record, another authority behind it.
    let sockets = sockets_for_two();
    let pebble = authority_of(&sockets).await;
    let mut changed = record(&store).await;
    changed["accounts"][0]["directoryUrl"] = pebble.directory.clone().into();
    changed["certificate"] = serde_json::Value::Null;
    let credentials = changed["accounts"][0]["credentials"]
        .as_str()
        .expect("credentials");
    let base = |pebble: &Pebble| pebble.directory.replace("/dir", "");
    let credentials = credentials.replace(&base(&other), &base(&pebble));
    changed["accounts"][0]["credentials"] = credentials.into();
    crate::set_record(&store, &changed).await;

    let desk = start(&pebble, sockets, &store, &ahead).await;
    let (problem, _) = failure_of(&desk).await.failure.expect("a failure");
    assert_eq!(problem.kind, ProblemKind::Account, "{problem:?}");
    ahead.add(Duration::from_secs(3 * 60));
    desk.wake();
    https_answers(&pebble, &desk).await;
    desk.stop().await;
}
