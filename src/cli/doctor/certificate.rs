//! The certificate that is requested by ACME, by the state in the store, and the authority.

use std::time::Duration;

use super::Report;
use crate::app;
use crate::certificates::Status;
use crate::clock::Clock;
use crate::settings::{AcmeSettings, Settings, StoreKind, TlsMode};

/// Time limit of reading the state, and of asking the authority.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum difference between this machine's clock and the authority's.
const MAX_SKEW: Duration = Duration::from_secs(60);

pub(super) async fn check(report: &mut Report, settings: &Settings) {
    let TlsMode::Acme(acme) = &settings.tls.mode else {
        return;
    };
    check_authority(report, acme).await;
    if let StoreKind::Embedded(path) = &settings.store.kind
        && !path.exists()
    {
        return report.good("the certificate will be requested by `orderbell serve`");
    }
    // The check of the accounts has reported any error of the store.
    let Ok(secrets) = app::secrets(&settings.store.kind) else {
        return;
    };
    let wanted = app::wanted(acme, &settings.tls.domains);
    let now = Clock::system().millis();
    let status = Status::read(&*secrets, &wanted, now);
    match tokio::time::timeout(PATIENCE, status).await {
        Ok(Ok(status)) => tell(report, &status, now),
        Ok(Err(problem)) => report.bad(&problem.to_string(), problem.advice()),
        Err(_) => report.bad(
            "the store doesn't tell the state of the certificate",
            "see its log",
        ),
    }
}

fn tell(report: &mut Report, status: &Status, now: u64) {
    let days = |at: u64| at.saturating_sub(now) / 86_400_000;
    match status.expires_at {
        Some(at) if at > now => report.good(&format!(
            "the certificate ends in {} days, and is renewed in {}",
            days(at),
            days(status.next_attempt_at)
        )),
        Some(_) => report.bad(
            "the certificate has expired",
            "see the next lines and the log",
        ),
        None if status.failure.is_none() => report.warn(
            "there is no certificate yet",
            "start `orderbell serve`, or wait until it has requested one",
        ),
        None => {}
    }
    if let Some((problem, count)) = &status.failure {
        let wait = status.next_attempt_at.saturating_sub(now).div_ceil(60_000);
        report.bad(
            &format!("no new certificate after {count} attempts, the next one in {wait} minutes: {problem}"),
            problem.advice(),
        );
    }
}

/// Asks for the authority's directory, and compares clocks by the way.
async fn check_authority(report: &mut Report, acme: &AcmeSettings) {
    let url = &acme.directory_url;
    let client = || {
        let mut builder = reqwest::Client::builder().timeout(PATIENCE);
        if let Some(file) = &acme.directory_ca_file {
            let roots = reqwest::Certificate::from_pem_bundle(&std::fs::read(file)?)?;
            builder = builder.tls_certs_merge(roots);
        }
        anyhow::Ok(builder.build()?)
    };
    let client = match client() {
        Ok(client) => client,
        Err(error) => return report.bad(&format!("{error:#}"), "check tls.directory_ca_file"),
    };
    match client.get(url).send().await {
        Ok(answer) if answer.status().is_success() => {
            report.good(&format!("the authority answers at {url}"));
            check_clock(report, &answer, "the authority's");
        }
        Ok(answer) => report.bad(
            &format!("the authority answers {} at {url}", answer.status()),
            "check tls.directory_url",
        ),
        Err(error) => report.bad(
            &format!(
                "the authority can't be reached: {:#}",
                anyhow::Error::from(error)
            ),
            "check this machine's network, DNS and clock, and tls.directory_url",
        ),
    }
}

/// Compares this machine's clock with the time in an answer.
pub(super) fn check_clock(report: &mut Report, answer: &reqwest::Response, whose: &str) {
    let date = answer
        .headers()
        .get("date")
        .and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(there) = date.and_then(|date| u64::try_from(date.timestamp().as_millisecond()).ok())
    else {
        return report.unknown("the clock can't be compared: the answer has no date");
    };
    let here = Clock::system().millis();
    let skew = here.abs_diff(there) / 1_000;
    report.check(
        skew <= MAX_SKEW.as_secs(),
        &format!("this machine's clock and {whose} differ by {skew} s"),
        "set the clock, for example by NTP",
    );
}
