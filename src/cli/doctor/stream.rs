//! Whether a stream gets through to a reader at once: some proxies keep answers back until they are complete.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::{Report, public};
use crate::app;
use crate::auth::new_token;
use crate::clock::Clock;
use crate::settings::{PublicUrl, Settings};
use crate::store::AccountStore;

/// Time limit for the first event. It is sent at once.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) async fn check(report: &mut Report, url: &PublicUrl, settings: &Settings) {
    if let Some(token) = &settings.auth.admin_token {
        return check_with(report, url, token).await;
    }
    // The check of the accounts has reported any error of the store.
    let Ok(accounts) = app::accounts(&settings.store.kind) else {
        return;
    };
    let (token, digest, secret) = new_token("doctor", None, &Clock::system());
    let id = token.id.clone();
    if accounts.add_token(token, digest).await.is_err() {
        return report.unknown("streams can't be checked: no token can be made");
    }
    check_with(report, url, &secret).await;
    revoke(report, &*accounts, &id).await;
}

async fn revoke(report: &mut Report, accounts: &dyn AccountStore, id: &str) {
    if let Err(error) = accounts.revoke_token(id).await {
        report.bad(
            &format!("the token of this check couldn't be revoked: {error}"),
            &format!("revoke it: `orderbell token revoke {id}`"),
        );
    }
}

async fn check_with(report: &mut Report, url: &PublicUrl, token: &SecretString) {
    let begun = Instant::now();
    let reading = async {
        let client = public::client().tls_danger_accept_invalid_certs(true);
        let request = client
            .build()?
            .get(format!("{}/api/admin/stream/orders", url.origin()));
        let mut answer = request.bearer_auth(token.expose_secret()).send().await?;
        let status = answer.status();
        anyhow::ensure!(status.is_success(), "the answer is {status}");
        answer.chunk().await?;
        anyhow::Ok(begun.elapsed())
    };
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(elapsed)) => report.good(&format!(
            "the first event of a stream arrives after {} ms",
            elapsed.as_millis()
        )),
        Ok(Err(error)) if !error.is::<reqwest::Error>() => report.bad(
            &format!("a stream can't be opened through the public address: {error:#}"),
            "see the log: the public address may lead to another server",
        ),
        _ => report.bad(
            "a stream is open and its first event doesn't arrive: a proxy keeps it back",
            "switch its buffering off for event streams (nginx: proxy_buffering off), see docs/https.md",
        ),
    }
}
