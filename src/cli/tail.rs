use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{say, say_error};
use crate::settings::Settings;

/// How long to wait before coming back, until the server says something else.
const DEFAULT_RETRY: Duration = Duration::from_secs(2);
/// A server that says nothing for so long is gone: two heartbeats of the default settings, and some.
const SILENCE: Duration = Duration::from_secs(75);

#[derive(Args)]
pub(super) struct Tail {
    /// Address of the server; the one in the settings where left out.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Environment variable with the bearer token; `auth.admin_token` of the settings where left out.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Print the events' JSON data instead of a line for people.
    #[arg(long)]
    json: bool,
    /// Start after this cursor instead of now.
    #[arg(long, value_name = "CURSOR")]
    since: Option<String>,
}

impl Tail {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let base = self
            .url
            .clone()
            .unwrap_or_else(|| format!("http://{}:{}", settings.server.host, settings.server.port));
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
                    "{error:#}; coming back in {} s",
                    position.retry.as_secs()
                )),
            }
            tokio::time::sleep(position.retry).await;
        }
    }

    fn token(&self, settings: &Settings) -> anyhow::Result<SecretString> {
        match &self.token_env {
            Some(name) => std::env::var(name).map(Into::into).with_context(|| format!("the environment variable {name}")),
            None => settings
                .auth
                .admin_token
                .clone()
                .context("set auth.admin_token, or name an environment variable that holds a token with --token-env"),
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
            .with_context(|| format!("{base} can't be reached"))?;
        let status = response.status();
        if status.is_client_error() && status != reqwest::StatusCode::TOO_MANY_REQUESTS {
            return Err(Refused(status).into());
        }
        anyhow::ensure!(status.is_success(), "the server answers {status}");
        let mut lines = Lines::default();
        while let Some(chunk) = tokio::time::timeout(SILENCE, response.chunk())
            .await
            .context("the server is silent")??
        {
            for line in lines.take(&chunk) {
                self.line(&line, position, &mut lines);
            }
        }
        Ok(())
    }

    /// One line of the stream, by the rules of server-sent events as far as our own server uses them.
    fn line(&self, line: &str, position: &mut Position, lines: &mut Lines) {
        let (field, value) = line.split_once(": ").unwrap_or((line, ""));
        match field {
            "id" => position.cursor = Some(value.to_owned()),
            "retry" => {
                if let Ok(millis) = value.parse() {
                    position.retry = Duration::from_millis(millis);
                }
            }
            "event" => lines.event = value.to_owned(),
            "data" => {
                if matches!(
                    lines.event.as_str(),
                    "new_order" | "order_update" | "order_removed"
                ) {
                    say(&if self.json {
                        value.to_owned()
                    } else {
                        for_people(&lines.event, value)
                    });
                }
            }
            "" => lines.event.clear(),
            _ => {}
        }
    }
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

/// Bytes on their way to becoming lines, and the event that the lines are about.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    event: String,
}

impl Lines {
    fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(chunk);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&whole)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// Coming back would not help.
#[derive(Debug, thiserror::Error)]
#[error("the server refuses: {0}")]
struct Refused(reqwest::StatusCode);
