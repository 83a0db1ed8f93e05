use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use bytes::BytesMut;
use clap::Args;
use russe::Event;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio_util::codec::Decoder as _;

use super::{say, say_error};
use crate::settings::Settings;

/// Pause before reconnecting, until the server sends a `retry`.
const DEFAULT_RETRY: Duration = Duration::from_secs(2);
/// Silence after which the server counts as gone: two heartbeats of the default settings and a margin.
const SILENCE: Duration = Duration::from_secs(75);

/// Maximum length of an event, in bytes; a batch of orders is far below it.
const MAX_EVENT: usize = 16 << 20;

#[derive(Args)]
pub(super) struct Tail {
    /// Address of the server, such as `https://desk.example.com`. Default: server.host and server.port of the settings.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Environment variable that holds the bearer token. Default: auth.admin_token of the settings.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Print each event's JSON data instead of a table row.
    #[arg(long)]
    json: bool,
    /// Start after this cursor instead of now.
    #[arg(long, value_name = "CURSOR")]
    since: Option<String>,
}

impl Tail {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let base = self.url.clone().unwrap_or_else(|| address(settings));
        let token = self.token(settings)?;
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .build()?;
        let mut position = Position {
            cursor: self.since.clone(),
            retry: DEFAULT_RETRY,
        };
        loop {
            match self.follow(&client, &base, &token, &mut position).await {
                Ok(()) => {}
                Err(error) if error.is::<Refused>() => return Err(error),
                Err(error) => say_error(&format!(
                    "{error:#}; trying again in {} s",
                    position.retry.as_secs()
                )),
            }
            tokio::time::sleep(position.retry).await;
        }
    }

    fn token(&self, settings: &Settings) -> anyhow::Result<SecretString> {
        match &self.token_env {
            Some(name) => std::env::var(name)
.map(Into::into)
.with_context(|| format!("can't read the token from the environment variable {name}")),
            None => settings
                .auth
                .admin_token
                .clone()
                .context("no bearer token: set auth.admin_token, or give the name of an environment variable with --token-env"),
        }
    }

    async fn follow(
        &self,
        client: &reqwest::Client,
        base: &str,
        token: &SecretString,
        position: &mut Position,
    ) -> anyhow::Result<()> {
        let mut request = client
            .get(format!("{base}/api/admin/stream/orders"))
            .bearer_auth(token.expose_secret());
        if let Some(cursor) = &position.cursor {
            request = request.header("last-event-id", cursor);
        }
        let mut response = request
            .send()
            .await
            .with_context(|| format!("can't reach {base}"))?;
        let status = response.status();
        if status.is_client_error() && status != reqwest::StatusCode::TOO_MANY_REQUESTS {
            return Err(Refused(status).into());
        }
        anyhow::ensure!(status.is_success(), "the server answered {status}");
        let (mut decoder, mut bytes) = (russe::Decoder::default(), BytesMut::new());
        while let Some(chunk) = tokio::time::timeout(SILENCE, response.chunk())
            .await
            .with_context(|| format!("the server sent nothing for {} s", SILENCE.as_secs()))??
        {
            bytes.extend_from_slice(&chunk);
            while let Some(event) = decoder.decode(&mut bytes)? {
                self.take(event, position);
            }
            anyhow::ensure!(
                bytes.len() <= MAX_EVENT,
                "the server sent an event that is too long"
            );
        }
        Ok(())
    }

    fn take(&self, event: Event, position: &mut Position) {
        let message = match event {
            Event::Retry(retry) => {
                position.retry = retry;
                return;
            }
            Event::Comment(_) => return,
            Event::Message(message) => message,
        };
        if let Some(retry) = message.retry {
            position.retry = retry;
        }
        if let Some(id) = message.id {
            position.cursor = Some(id.to_string());
        }
        let event = message.event.as_deref().unwrap_or_default();
        if matches!(event, "new_order" | "order_update" | "order_removed") {
            say(&if self.json {
                message.data.to_string()
            } else {
                for_people(event, &message.data)
            });
        }
    }
}

/// The address at which a client on this machine reaches the server of the settings. With HTTPS that is the public one, since a
/// certificate is for names.
fn address(settings: &Settings) -> String {
    match &settings.server.public_url {
        Some(url) if settings.tls.is_on() => url.origin(),
        _ if settings.tls.is_on() => {
            let plain = plain_address(settings.server.host, settings.server.port);
            plain.replacen("http://", "https://", 1)
        }
        _ => plain_address(settings.server.host, settings.server.port),
    }
}

fn plain_address(host: IpAddr, port: u16) -> String {
    let host = match host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    format!("http://{}", SocketAddr::new(host, port))
}

fn for_people(event: &str, data: &str) -> String {
    let order: Value = serde_json::from_str(data).unwrap_or_default();
    let text = |name: &str| match &order[name] {
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let what = match event {
        "new_order" => "NEW    ",
        "order_update" => "changed",
        _ => "removed",
    };
    format!(
        "{what}  {:<10} {:<18} {:>10}  {}",
        text("orderId"),
        text("status"),
        text("totalAmount"),
        text("customerName")
    )
}

struct Position {
    cursor: Option<String>,
    retry: Duration,
}

/// Errors that a reconnect can't fix.
#[derive(Debug, thiserror::Error)]
#[error("the server refused the request ({0}): check the address and the token")]
struct Refused(reqwest::StatusCode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_can_be_reached() {
        for (host, address_) in [
            ("127.0.0.1", "http://127.0.0.1:80"),
            ("::1", "http://[::1]:80"),
            ("2001:db8::7", "http://[2001:db8::7]:80"),
            ("0.0.0.0", "http://127.0.0.1:80"),
            ("::", "http://[::1]:80"),
        ] {
            assert_eq!(
                plain_address(host.parse().expect("an address"), 80),
                address_
            );
        }
    }
}
