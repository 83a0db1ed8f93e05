//! The listeners on this machine.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::Report;
use crate::settings::Settings;

/// Time limit of one request to a server on this machine.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn check(report: &mut Report, settings: &Settings) {
    let scheme = if settings.tls.is_on() {
        "https"
    } else {
        "http"
    };
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    match asks_ready(scheme, address).await {
        Ok(state) => report.check(
            state == "ready",
            &format!("a server on {address} says it is {state}"),
            "see its log",
        ),
        Err(_) => check_free(report, address, "server.port"),
    }
    if let Some(port) = settings.tls.redirect_port.filter(|_| settings.tls.is_on()) {
        let address = SocketAddr::new(settings.server.host, port);
        match redirects(address).await {
            Ok(true) => report.good(&format!("{address} redirects to HTTPS")),
            Ok(false) => report.bad(
                &format!("{address} is used by another program, which doesn't redirect to HTTPS"),
                "stop what is there, or set tls.redirect_port",
            ),
            Err(_) => check_free(report, address, "tls.redirect_port"),
        }
    }
}

fn check_free(report: &mut Report, address: SocketAddr, setting: &str) {
    match TcpListener::bind(address) {
        Ok(_) => report.good(&format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => report.bad(
            &format!("can't listen on {address}: {error}"),
            "give the permission for ports below 1024 (docs/https.md), or set another port",
        ),
        Err(error) => report.bad(
            &format!("can't listen on {address}: {error}"),
            &format!("stop what is there, or set {setting}"),
        ),
    }
}

async fn asks_ready(scheme: &str, address: SocketAddr) -> anyhow::Result<String> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        // A certificate is for names, and this asks by address. What is asked is no secret.
        .tls_danger_accept_invalid_certs(true)
        .build()?;
    let answer: serde_json::Value = client
        .get(format!("{scheme}://{address}/health/ready"))
        .send()
        .await?
        .json()
        .await?;
    Ok(answer["status"]
        .as_str()
        .unwrap_or("something else")
        .to_owned())
}

/// Whether the server on this address redirects to HTTPS, or says why it doesn't yet.
async fn redirects(address: SocketAddr) -> anyhow::Result<bool> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let answer = client.get(format!("http://{address}/")).send().await?;
    Ok(matches!(answer.status().as_u16(), 308 | 503))
}
