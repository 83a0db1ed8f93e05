//! `orderbell doctor`: checks settings, store, listeners and the public address, and says what to do.

mod certificate;
mod listeners;
mod pinned;
mod public;
mod store;
mod stream;

use super::say;
use crate::app;
use crate::settings::{Settings, StoreKind};
use store::{check_accounts, check_embedded, check_firestore};

/// Checks what can go wrong before and while serving. The settings are valid, or this wouldn't run.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut report = Report::default();
    report.good("settings are valid");
    report.good(&format!(
        "the shop's days begin at midnight in the time zone {} (shop.time_zone)",
        settings.shop.time_zone.name()
    ));
    listeners::check(&mut report, settings).await;
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
    match &settings.store.kind {
        StoreKind::Firestore(firestore) => {
            check_firestore(&mut report, firestore, settings.store.window).await;
        }
        StoreKind::Embedded(path) if path.exists() => {
            check_embedded(&mut report, path, settings.store.window).await;
        }
        StoreKind::Embedded(_) => {}
    }
    certificate::check(&mut report, settings).await;
    public::check(&mut report, settings).await;
    if settings.auth.accept_admin_ids {
        report.warn(
            "admins' ids are accepted as bearer tokens (auth.accept_admin_ids), and an id that leaks can't be changed",
            "give each client its own token (`orderbell token create NAME --admin EMAIL`), then set this to \"false\"",
        );
    }
    if !settings.server.host.is_loopback() && settings.cookies.insecure {
        report.bad(
            "session cookies are sent without encryption (auth.insecure_cookies)",
            "serve HTTPS (docs/https.md), then set auth.insecure_cookies to false",
        );
    }
    report.finish()
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

    /// Reports something that works but could be safer. Doesn't affect the exit code.
    fn warn(&mut self, what: &str, advice: &str) {
        say(&format!("WARN {what}\n     -> {advice}"));
    }

    /// Reports something that can't be checked from here.
    fn unknown(&mut self, what: &str) {
        say(&format!("?    {what}"));
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
