use clap::Subcommand;
use secrecy::ExposeSecret as _;

use super::say;
use crate::auth::new_token;
use crate::clock::Clock;
use crate::store::{AccountStore, StoreError};

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token; it is shown only this once.
    Create {
        /// What the token is for; changes made with it are recorded under this name.
        name: String,
    },
    /// List all tokens.
    List,
    /// Revoke a token: its streams end within a minute.
    Revoke {
        /// The id that `token list` shows.
        id: String,
    },
}

impl TokenCommand {
    pub(super) async fn run(self, accounts: &dyn AccountStore) -> anyhow::Result<()> {
        match self {
            Self::Create { name } => {
                anyhow::ensure!(
                    (1..=60).contains(&name.chars().count()),
                    "a token's name has 1 to 60 characters"
                );
                let (token, digest, secret) = new_token(&name, &Clock::system());
                accounts.add_token(token, digest).await?;
                say(secret.expose_secret());
            }
            Self::List => {
                let now = Clock::system().millis();
                for token in accounts.tokens().await? {
                    let used = token.used_at.map_or("never used".to_owned(), |at| {
                        format!("used {}", ago(now, at))
                    });
                    say(&format!(
                        "{}  {}  made {}, {used}",
                        token.id,
                        token.name,
                        ago(now, token.created_at)
                    ));
                }
            }
            Self::Revoke { id } => match accounts.revoke_token(&id).await {
                Ok(()) => say("revoked"),
                Err(StoreError::NotFound) => anyhow::bail!("there is no token with the id {id}"),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }
}

fn ago(now: u64, then: u64) -> String {
    match now.saturating_sub(then) / 60_000 {
        0 => "just now".to_owned(),
        minutes @ 1..60 => format!("{minutes} min ago"),
        minutes @ 60..2_880 => format!("{} h ago", minutes / 60),
        minutes => format!("{} days ago", minutes / 1_440),
    }
}
