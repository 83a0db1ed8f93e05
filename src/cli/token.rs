use anyhow::Context as _;
use clap::Subcommand;
use secrecy::ExposeSecret as _;

use super::say;
use crate::auth::new_token;
use crate::clock::Clock;
use crate::store::{AccountStore, Admin, StoreError, Token};

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token and print it. It can't be shown again.
    Create {
        /// Name of the token, such as its use. Changes made with the token are recorded under this name.
        name: String,
        /// E-mail address of an admin. The token then acts as this admin: changes are recorded under the admin's name, and the
        /// token ends when the admin is disabled.
        #[arg(long, value_name = "EMAIL")]
        admin: Option<String>,
    },
    /// List all tokens.
    List,
    /// Revoke a token. Its open streams end within a minute.
    Revoke {
        /// Id of the token, as `token list` shows it.
        id: String,
    },
}

impl TokenCommand {
    pub(super) async fn run(self, accounts: &dyn AccountStore) -> anyhow::Result<()> {
        match self {
            Self::Create { name, admin } => {
                anyhow::ensure!(
                    (1..=60).contains(&name.chars().count()),
                    "a token's name must have 1 to 60 characters"
                );
                let admin_id = match admin {
                    Some(email) => Some(able_admin(accounts, &email).await?.id),
                    None => None,
                };
                let (token, digest, secret) = new_token(&name, admin_id, &Clock::system());
                accounts.add_token(token, digest).await?;
                say(secret.expose_secret());
            }
            Self::List => {
                let now = Clock::system().millis();
                let admins = accounts.admins().await?;
                for token in accounts.tokens().await? {
                    let used = token.used_at.map_or("never used".to_owned(), |at| {
                        format!("used {}", ago(now, at))
                    });
                    let acts_as = acts_as(&token, &admins);
                    say(&format!(
                        "{}  {}{acts_as}  created {}, {used}",
                        token.id,
                        token.name,
                        ago(now, token.created_at)
                    ));
                }
            }
            Self::Revoke { id } => match accounts.revoke_token(&id).await {
                Ok(()) => say("revoked"),
                Err(StoreError::NotFound) => anyhow::bail!(
                    "there is no token with the id {id}: `orderbell token list` shows all"
                ),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }
}

async fn able_admin(accounts: &dyn AccountStore, email: &str) -> anyhow::Result<Admin> {
    let admin = accounts.admin_by_email(email).await?;
    let admin = admin
        .with_context(|| format!("there is no admin {email}: `orderbell admin list` shows all"))?;
    anyhow::ensure!(
        !admin.disabled,
        "the admin {} is disabled: enable it first with `orderbell admin enable`",
        admin.email
    );
    Ok(admin)
}

fn acts_as(token: &Token, admins: &[Admin]) -> String {
    let Some(id) = &token.admin_id else {
        return String::new();
    };
    match admins.iter().find(|admin| admin.id == *id) {
        Some(admin) if admin.disabled => format!("  as {} (disabled)", admin.email),
        Some(admin) => format!("  as {}", admin.email),
        None => "  as an admin who was removed".to_owned(),
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
