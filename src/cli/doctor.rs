use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use super::say;
use crate::app;
use crate::auth::is_checkable;
use crate::clock::Clock;
use crate::firestore::{FirestoreSettings, FirestoreStore};
use crate::settings::{Settings, StoreKind};
use crate::store::{AccountStore, OrderStore as _, SourceState, WatchEvent};

/// How long Firestore may take to deliver the window.
const FIRESTORE_PATIENCE: Duration = Duration::from_secs(20);

/// Checks what can go wrong before and while serving. Settings were read already, or we would not be here.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut report = Report::default();
    report.good("settings are valid");
    check_address(
        &mut report,
        SocketAddr::new(settings.server.host, settings.server.port),
    )
    .await;
    match &settings.store.kind {
        StoreKind::Embedded(path) if !path.exists() => {
            report.good(&format!(
                "{} does not exist yet; `orderbell serve` creates it",
                path.display()
            ));
        }
        kind => match app::accounts(kind) {
            Ok(accounts) => check_accounts(&mut report, &*accounts).await,
            Err(error) => report.bad(
                &format!("{error:#}"),
                "check embedded.path and its permissions",
            ),
        },
    }
    if let StoreKind::Firestore(firestore) = &settings.store.kind {
        check_firestore(&mut report, firestore, settings.store.window).await;
    }
    if settings.auth.accept_admin_ids {
        report.warn(
            "admins' ids are accepted as bearer tokens (auth.accept_admin_ids), and an id can't be changed when it is known",
            "give each client a token of its own (`orderbell token create NAME --admin EMAIL`), then set it to \"false\"",
        );
    }
    if !settings.server.host.is_loopback() && settings.auth.insecure_cookies {
        report.bad(
            "sessions travel in the clear (auth.insecure_cookies)",
            "put HTTPS before the server",
        );
    }
    report.finish()
}

async fn check_address(report: &mut Report, address: SocketAddr) {
    match asks_ready(address).await {
        Ok(state) => report.check(
            state == "ready",
            &format!("a server on {address} says it is {state}"),
            "see its log",
        ),
        Err(_) => match TcpListener::bind(address) {
            Ok(_) => report.good(&format!("{address} is free")),
            Err(error) => report.bad(
                &format!("can't listen on {address}: {error}"),
                "stop what is there, or set server.port",
            ),
        },
    }
}

async fn asks_ready(address: SocketAddr) -> anyhow::Result<String> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .build()?;
    let answer: serde_json::Value = client
        .get(format!("http://{address}/health/ready"))
        .send()
        .await?
        .json()
        .await?;
    Ok(answer["status"]
        .as_str()
        .unwrap_or("something else")
        .to_owned())
}

async fn check_accounts(report: &mut Report, accounts: &dyn AccountStore) {
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
                        &format!("{} can't sign in: the password's hash is of an unknown kind, or too costly to check", admin.email),
                        "set a new password with the program that has added the admin",
                    );
                }
            }
        }
        Err(error) => {
            return report.bad(
                &format!("the store can't be read: {error}"),
                "check its settings and permissions",
            );
        }
    }
    match accounts.secret("doctor", "was here").await {
        Ok(_) => report.good("the store can be written"),
        Err(error) => report.bad(
            &format!("the store can't be written: {error}"),
            "free space, or correct permissions",
        ),
    }
}

/// Listens as the server does, until the window has come or something is in the way.
async fn check_firestore(report: &mut Report, settings: &FirestoreSettings, window: usize) {
    let store = FirestoreStore::start(settings.clone(), Clock::system());
    let (sender, receiver) = mpsc::channel();
    store.watch(
        window,
        Box::new(move |event| {
            let _ = sender.send(event);
        }),
    );
    let deadline = tokio::time::Instant::now() + FIRESTORE_PATIENCE;
    let mut said = "it did not answer".to_owned();
    while tokio::time::Instant::now() < deadline {
        match receiver.try_recv() {
            Ok(WatchEvent::Snapshot(snapshot)) => {
                report.good(&format!(
                    "the listener delivers: {} orders in the window",
                    snapshot.changes.len()
                ));
                if let Ok(census) = store.census().await {
                    let untimed = census.without_time;
                    let advice = "the desk doesn't show those: give them a number or a Timestamp";
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
                        "see docs/firestore.md",
                    );
                }
                return;
            }
            Ok(WatchEvent::Source(SourceState::Failed { message })) => {
                return report.bad(&message, "see docs/firestore.md");
            }
            Ok(WatchEvent::Source(SourceState::Away { message })) => said = message,
            Ok(WatchEvent::Source(SourceState::Live)) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    report.bad(
        &format!("the listener delivers nothing: {said}"),
        "check the network and the credentials",
    );
}

#[derive(Default)]
struct Report {
    problems: usize,
}

impl Report {
    fn good(&mut self, what: &str) {
        say(&format!("ok   {what}"));
    }

    fn bad(&mut self, what: &str, advice: &str) {
        self.problems += 1;
        say(&format!("BAD  {what}\n     -> {advice}"));
    }

    /// Something that works and could be safer. It is no problem for the exit code.
    fn warn(&mut self, what: &str, advice: &str) {
        say(&format!("WARN {what}\n     -> {advice}"));
    }

    fn check(&mut self, good: bool, what: &str, advice: &str) {
        if good {
            self.good(what);
        } else {
            self.bad(what, advice);
        }
    }

    fn finish(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.problems == 0, "{} problems found", self.problems);
        Ok(())
    }
}
