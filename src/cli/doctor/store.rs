//! The store: accounts, orders, and the watch.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Report;
use crate::auth::is_checkable;
use crate::clock::{Clock, millis};
use crate::embedded::EmbeddedStore;
use crate::firestore::{FirestoreSettings, FirestoreStore};
use crate::orders::{Change, HeldOrder, Snapshot, SourceState, WatchEvent, WindowLimits};
use crate::store::{AccountStore, OrderStore as _};

/// Time limit for Firestore to deliver the window.
const FIRESTORE_PATIENCE: Duration = Duration::from_secs(20);
/// The same for the embedded store.
const EMBEDDED_PATIENCE: Duration = Duration::from_secs(20);
/// Age at which an open order was most likely forgotten.
const OLD_ORDER: Duration = Duration::from_secs(7 * 24 * 3_600);

pub(super) async fn check_accounts(report: &mut Report, accounts: &dyn AccountStore) {
    match accounts.admins().await {
        Ok(admins) => {
            report.good("the store can be read");
            let able = admins.iter().filter(|admin| !admin.disabled).count();
            report.check(
                able > 0,
                &format!("admins who can sign in: {able}"),
                "add one with `orderbell admin add`",
            );
            for admin in admins.iter().filter(|admin| !admin.disabled) {
                if !is_checkable(&admin.password_hash) {
                    report.warn(
                        &format!("{} can't sign in: the password's hash is unknown or too costly to check", admin.email),
                        "set a new password with `orderbell admin password`",
                    );
                }
            }
        }
        Err(error) => {
            return report.bad(
                &format!("the accounts in the store can't be read: {error}"),
                "check its settings and permissions",
            );
        }
    }
    match accounts.secret("doctor", "was here").await {
        Ok(_) => report.good("the store can be written"),
        Err(error) => report.bad(
            &format!("the store can't be written: {error}"),
            "free disk space, or correct the permissions",
        ),
    }
}

/// Reads the window like the server. Also works while a server runs.
pub(super) async fn check_embedded(report: &mut Report, path: &Path, window: WindowLimits) {
    // The check of the accounts has reported any error of the file.
    let Ok(store) = EmbeddedStore::open_for_accounts(path, Clock::system()) else {
        return;
    };
    let (sender, receiver) = oneshot::channel();
    let mut sender = Some(sender);
    store.watch(
        window,
        Box::new(move |event| {
            if let (WatchEvent::Snapshot(snapshot), Some(sender)) = (event, sender.take()) {
                let _ = sender.send(snapshot);
            }
        }),
    );
    match tokio::time::timeout(EMBEDDED_PATIENCE, receiver).await {
        Ok(Ok(snapshot)) => check_window(report, &snapshot, Clock::system().millis()),
        _ => report.bad(
            "the orders can't be read",
            "read the messages above, and check the disk",
        ),
    }
}

/// Reports on the shop and the limits from the orders of the window.
fn check_window(report: &mut Report, snapshot: &Snapshot, now_millis: u64) {
    let orders: Vec<&HeldOrder> = snapshot
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Upsert(order) => Some(&**order),
            Change::Remove { .. } => None,
        })
        .collect();
    let open = orders.iter().filter(|order| !order.is_finished()).count();
    report.good(&format!(
        "{} orders are held in memory, {open} of them open",
        orders.len()
    ));
    let hidden = snapshot.hidden_open.unwrap_or_default();
    if hidden > 0 {
        report.bad(
            &format!(
                "{hidden} or more open orders are left out: there are more than store.max_open"
            ),
            "close old orders on the desk, or raise store.max_open",
        );
    }
    let week_ago = now_millis.saturating_sub(millis(OLD_ORDER));
    let is_old =
        |order: &&&HeldOrder| !order.is_finished() && order.placed_micros / 1_000 < week_ago;
    let old = orders.iter().filter(is_old).count();
    if old > 0 {
        report.warn(
            &format!("{old} open orders are older than a week"),
            "close them on the desk: the notice above the orders does it for all at once",
        );
    }
    let without_document = orders.iter().filter(|order| order.document().is_none());
    let without_document = without_document.count();
    if without_document > 0 {
        report.warn(
            &format!("{without_document} documents don't fit into store.window_mib, and are read from the store when needed"),
            "raise store.window_mib, or lower store.window",
        );
    }
}

/// Starts a listener like the server's, until the window has arrived or an error occurs.
pub(super) async fn check_firestore(
    report: &mut Report,
    settings: &FirestoreSettings,
    window: WindowLimits,
) {
    let store = FirestoreStore::start(settings.clone(), Clock::system());
    #[expect(
        clippy::disallowed_methods,
        reason = "the check ends with the first snapshot; before it come a few states of the source"
    )]
    let (sender, receiver) = mpsc::channel();
    store.watch(
        window,
        Box::new(move |event| {
            let _ = sender.send(event);
        }),
    );
    let deadline = tokio::time::Instant::now() + FIRESTORE_PATIENCE;
    let mut said = "Firestore did not answer".to_owned();
    while tokio::time::Instant::now() < deadline {
        match receiver.try_recv() {
            Ok(WatchEvent::Snapshot(snapshot)) => {
                report.good("the listener receives orders");
                check_window(report, &snapshot, Clock::system().millis());
                if let Ok(census) = store.census().await {
                    let untimed = census.without_time;
                    let advice = "lists don't show these orders: set `timestamp` to a number of milliseconds or a Timestamp";
                    let what = format!(
                        "{untimed} of {} documents have no usable `timestamp`",
                        census.documents
                    );
                    report.check(untimed == 0, &what, advice);
                }
                let unreadable = store.unreadable();
                if unreadable > 0 {
                    report.bad(
                        &format!("{unreadable} documents can't be read as orders"),
                        "read docs/firestore.md",
                    );
                }
                return;
            }
            Ok(WatchEvent::Source(SourceState::Failed { message })) => {
                return report.bad(&message, "read docs/firestore.md");
            }
            Ok(WatchEvent::Source(SourceState::Away { message })) => said = message,
            Ok(WatchEvent::Source(SourceState::Live)) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    report.bad(
        &format!("the listener received nothing: {said}"),
        "check the network and the credentials",
    );
}
