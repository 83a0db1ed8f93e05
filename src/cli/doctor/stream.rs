//! Whether a stream gets through to a reader at once: some proxies keep answers back until they are complete.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::{Report, pinned, public};
use crate::app;
use crate::auth::new_token;
use crate::clock::Clock;
use crate::settings::{PublicUrl, Settings, StoreKind};
use crate::store::AccountStore;

/// Time limit for the first event. It is sent at once.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) async fn check(report: &mut Report, url: &PublicUrl, settings: &Settings) {
    if let StoreKind::Embedded(path) = &settings.store.kind
        && !path.exists()
    {
        return report.unknown("streams can't be checked: there is no store yet");
    }
    let client = match safe_client(url, settings).await {
        Ok(client) => client,
        Err(why) => return report.unknown(&format!("streams can't be checked: {why}")),
    };
    // The check of the accounts has reported any error of the store.
    let Ok(accounts) = app::accounts(&settings.store.kind) else {
        return;
    };
    // A token of its own, which ends with the check. The admin token of the settings is never sent.
    let (token, digest, secret) = new_token("doctor", None, &Clock::system());
    let id = token.id.clone();
    if accounts.add_token(token, digest).await.is_err() {
        return report.unknown("streams can't be checked: no token can be made");
    }
    tokio::select! {
        () = check_with(report, &client, url, &secret) => revoke(report, &*accounts, &id).await,
        _ = tokio::signal::ctrl_c() => {
            revoke(report, &*accounts, &id).await;
            report.bad("the check was interrupted", "run it again");
        }
    }
}

/// A client that sends the token to this desk alone: to a server with a certificate that this machine trusts, or with the very
/// certificate that the desk serves.
async fn safe_client(url: &PublicUrl, settings: &Settings) -> Result<Client, String> {
    let build = |builder: reqwest::ClientBuilder| builder.build().map_err(|e| e.to_string());
    if !url.is_https() {
        if !is_loopback(url.host()) {
            return Err("a token must not be sent without encryption".to_owned());
        }
        return build(public::client());
    }
    let trusting = build(public::client())?;
    let probe = format!("{}/health/live", url.origin());
    if trusting.get(&probe).send().await.is_ok() {
        return Ok(trusting);
    }
    if let Some(config) = pinned::config(settings).await {
        let own = build(public::client().tls_backend_preconfigured(config))?;
        if own.get(&probe).send().await.is_ok() {
            return Ok(own);
        }
    }
    Err(
        "a token must not be sent to a server whose certificate this machine doesn't trust"
            .to_owned(),
    )
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

async fn revoke(report: &mut Report, accounts: &dyn AccountStore, id: &str) {
    if let Err(error) = accounts.revoke_token(id).await {
        report.bad(
            &format!("the token of this check couldn't be revoked: {error}"),
            &format!("revoke it: `orderbell token revoke {id}`"),
        );
    }
}

async fn check_with(report: &mut Report, client: &Client, url: &PublicUrl, token: &SecretString) {
    let begun = Instant::now();
    let reading = async {
        let request = client.get(format!("{}/api/admin/stream/orders", url.origin()));
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
