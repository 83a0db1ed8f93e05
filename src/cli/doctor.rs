use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::say;
use crate::clock::Clock;
use crate::embedded::EmbeddedStore;
use crate::settings::{Settings, StoreKind};
use crate::store::AccountStore;

/// Checks what can go wrong before and while serving. Settings were read already, or we would not be here.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut report = Report::default();
    report.good("settings are valid");
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    let serving = asks_ready(address).await;
    match &serving {
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
    match &settings.store.kind {
        StoreKind::Embedded(path) if !path.exists() => {
            report.good(&format!(
                "{} does not exist yet; `orderbell serve` creates it",
                path.display()
            ));
        }
        StoreKind::Embedded(path) => {
            match EmbeddedStore::open_for_accounts(path, Clock::system()) {
                Ok(store) => {
                    report.good(&format!("{} can be read", path.display()));
                    let admins = store.admins().await?;
                    let able = admins.iter().filter(|admin| !admin.disabled).count();
                    report.check(
                        able > 0,
                        &format!("{able} admins can sign in"),
                        "add one with `orderbell admin add`",
                    );
                    let writable = store.secret("doctor", "was here").await;
                    report.check(
                        writable.is_ok(),
                        &format!("{} can be written", path.display()),
                        "free space, or correct its permissions",
                    );
                }
                Err(error) => report.bad(
                    &format!("{error:#}"),
                    "check embedded.path and its permissions",
                ),
            }
        }
    }
    if !settings.server.host.is_loopback() && settings.auth.insecure_cookies {
        report.bad(
            "sessions travel in the clear (auth.insecure_cookies)",
            "put HTTPS before the server",
        );
    }
    report.finish()
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
