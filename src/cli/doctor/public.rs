//! The desk as browsers reach it: name, ports, certificate, proxies.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, UNIX_EPOCH};

use tokio::net::{TcpStream, lookup_host};

use super::{Report, certificate, stream};
use crate::clock::Clock;
use crate::http::CertificateFacts;
use crate::settings::{PublicUrl, Settings};

/// Time limit of a look-up, of a connection, and of a request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum addresses of the name that are tried.
const MAX_ADDRESSES: usize = 4;
/// Days before its end at which a certificate should have been renewed.
const LAST_DAYS: u64 = 10;
/// Headers that orderbell never sends.
const OF_PROXIES: [&str; 5] = ["via", "server", "cf-ray", "x-served-by", "x-cache"];

pub(super) async fn check(report: &mut Report, settings: &Settings) {
    let Some(url) = &settings.server.public_url else {
        if !settings.server.host.is_loopback() {
            report.unknown(
                "how browsers reach the desk can't be checked: server.public_url is not set",
            );
        }
        return;
    };
    if url.is_https() && !settings.secure_cookies() {
        report.bad(
            "cookies are sent without Secure although the desk is reached over HTTPS",
            "set auth.secure_cookies to \"auto\", and remove auth.insecure_cookies",
        );
    }
    let Some(addresses) = check_name(report, url).await else {
        return;
    };
    let has_port = check_ports(report, url, settings, &addresses).await;
    if !has_port {
        return;
    }
    if url.is_https() {
        check_certificate(report, url).await;
    }
    check_answer(report, url, settings).await;
    stream::check(report, url, settings).await;
}

/// Looks the name up. `None` if it has no address.
async fn check_name(report: &mut Report, url: &PublicUrl) -> Option<BTreeSet<IpAddr>> {
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    let found = tokio::time::timeout(PATIENCE, lookup_host((host, url.port()))).await;
    let addresses: BTreeSet<IpAddr> = match found {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        Ok(Err(error)) => {
            report.bad(
                &format!("{host} has no address: {error}"),
                "add an A record (and AAAA for IPv6) that points to this server",
            );
            return None;
        }
        Err(_) => {
            report.unknown(&format!("{host} can't be looked up: DNS doesn't answer"));
            return None;
        }
    };
    let own: BTreeSet<IpAddr> = addresses.iter().copied().filter(|to| is_own(*to)).collect();
    let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let whose = if own.is_empty() {
        "of a router, a proxy or another machine"
    } else {
        "of this machine"
    };
    report.good(&format!(
        "{host} has the address {}, {whose}",
        listed.join(", ")
    ));
    Some(addresses)
}

/// Whether an address belongs to this machine: a socket can be bound to it.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Connects to the ports. False if HTTPS (or HTTP, if that is the public address) can't be reached.
async fn check_ports(
    report: &mut Report,
    url: &PublicUrl,
    settings: &Settings,
    addresses: &BTreeSet<IpAddr>,
) -> bool {
    let mut ports = vec![url.port()];
    if settings.tls.is_on() && settings.tls.redirect_port.is_some() {
        ports.push(80);
    }
    let mut reached = false;
    for port in ports {
        for address in addresses.iter().take(MAX_ADDRESSES) {
            let to = SocketAddr::new(*address, port);
            match tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await {
                Ok(Ok(_)) => {
                    reached |= port == url.port();
                    report.good(&format!("{to} accepts connections"));
                }
                result => {
                    let why = match result {
                        Ok(Err(error)) => error.to_string(),
                        _ => "no answer".to_owned(),
                    };
                    report.warn(
                        &format!("{to} can't be reached from here: {why}"),
                        "check server, firewall and router; many routers don't pass on connections from inside, so try from another network, too",
                    );
                }
            }
        }
    }
    if !reached {
        report.unknown("certificate, proxies and streams can't be checked from here");
    }
    reached
}

async fn check_certificate(report: &mut Report, url: &PublicUrl) {
    let request = async {
        let client = client()
            .tls_info(true)
            .tls_danger_accept_invalid_certs(true)
            .build()?;
        let answer = client
            .get(format!("{}/health/live", url.origin()))
            .send()
            .await?;
        let info = answer.extensions().get::<reqwest::tls::TlsInfo>();
        let certificate = info.and_then(|info| info.peer_certificate().map(<[u8]>::to_vec));
        anyhow::Ok(certificate)
    };
    let facts = match request.await {
        Ok(Some(certificate)) => CertificateFacts::from_der(&certificate).ok(),
        Ok(None) => None,
        Err(error) => {
            return report.bad(
                &format!("{} has no HTTPS: {error:#}", url.origin()),
                "see the log; a certificate may still be on its way",
            );
        }
    };
    let Some(facts) = facts else {
        return report.unknown("the certificate can't be read");
    };
    let now = Duration::from_millis(Clock::system().millis());
    let end = facts
        .not_after
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let days = end.saturating_sub(now).as_secs() / 86_400;
    let what = format!(
        "the certificate is for {}, and ends in {days} days",
        facts.names.join(", ")
    );
    report.check(
        days > LAST_DAYS,
        &what,
        "see why it isn't renewed: the log, or the program that renews it",
    );
    let trusted = async {
        let client = client().build()?;
        client
            .get(format!("{}/health/live", url.origin()))
            .send()
            .await
    };
    if let Err(error) = trusted.await {
        report.warn(
            &format!("this machine doesn't trust the certificate: {:#}", anyhow::Error::from(error)),
            "if it is of your own authority, browsers need its root (docs/https.md); otherwise check its names and chain",
        );
    }
}

/// What the answer tells of proxies and clocks.
async fn check_answer(report: &mut Report, url: &PublicUrl, settings: &Settings) {
    let request = async {
        let client = client().tls_danger_accept_invalid_certs(true).build()?;
        client
            .get(format!("{}/health/ready", url.origin()))
            .send()
            .await
    };
    let answer = match request.await {
        Ok(answer) => answer,
        Err(error) => {
            let error = anyhow::Error::from(error);
            return report.bad(
                &format!("{} doesn't answer: {error:#}", url.origin()),
                "see the log",
            );
        }
    };
    let proxies: Vec<String> = OF_PROXIES
        .iter()
        .filter_map(|name| Some((name, answer.headers().get(*name)?)))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
        .collect();
    certificate::check_clock(report, &answer, "that of the public address");
    if !answer.status().is_success() {
        report.bad(
            &format!("{} answers {}", url.origin(), answer.status()),
            "see the log of the proxy, or of orderbell",
        );
    }
    if proxies.is_empty() {
        return;
    }
    let proxies = proxies.join(", ");
    if settings.server.trusted_proxies.is_empty() {
        report.warn(
            &format!("a proxy is in front ({proxies}), and what it says of clients is not trusted: all of them count as one address"),
            "name its address in server.trusted_proxies",
        );
    } else {
        report.good(&format!(
            "a proxy is in front ({proxies}); server.trusted_proxies is set"
        ));
    }
}

/// A client with deadlines, which follows no redirects.
pub(super) fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}
