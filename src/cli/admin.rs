use anyhow::Context as _;
use clap::Subcommand;
use secrecy::ExposeSecret as _;

use super::{read_password, say};
use crate::auth::{MIN_PASSWORD, hash_password};
use crate::store::{AccountStore, NewAdmin, NewPassword, StoreError};

#[derive(Subcommand)]
pub(super) enum AdminCommand {
    /// Add an admin; asks for the password, or reads it from standard input.
    Add {
        /// E-mail address that the admin signs in with.
        email: String,
        /// Name that other people see. Default: the part of the address before the @.
        #[arg(long)]
        name: Option<String>,
    },
    /// Set a new password for an admin; asks for it, or reads it from standard input. The admin's sessions end within a minute.
    Password {
        /// E-mail address.
        email: String,
    },
    /// List all admins.
    List,
    /// Disable an admin. The admin's sessions and open streams end within a minute.
    Disable {
        /// E-mail address.
        email: String,
    },
    /// Enable a disabled admin.
    Enable {
        /// E-mail address.
        email: String,
    },
}

impl AdminCommand {
    pub(super) async fn run(self, accounts: &dyn AccountStore) -> anyhow::Result<()> {
        match self {
            Self::Add { email, name } => add(accounts, email, name).await,
            Self::Password { email } => set_password(accounts, &email).await,
            Self::List => list(accounts).await,
            Self::Disable { email } => set_disabled(accounts, &email, true).await,
            Self::Enable { email } => set_disabled(accounts, &email, false).await,
        }
    }
}

async fn add(
    accounts: &dyn AccountStore,
    email: String,
    name: Option<String>,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        email.contains('@') && email.len() <= 254,
        "{email:?} is not an e-mail address"
    );
    let password_hash = read_new_password(accounts).await?;
    let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or("admin").to_owned());
    let admin = NewAdmin {
        password_hash,
        name,
        email: email.clone(),
    };
    match accounts.add_admin(admin).await {
        Ok(_) => say(&format!("{email} can sign in now")),
        Err(StoreError::Exists) => anyhow::bail!("there is already an admin {email}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Reads a new password, and hashes it in the store's scheme.
async fn read_new_password(accounts: &dyn AccountStore) -> anyhow::Result<String> {
    let password = read_password()?;
    let length = password.expose_secret().chars().count();
    anyhow::ensure!(
        (MIN_PASSWORD..=128).contains(&length),
        "a password must have {MIN_PASSWORD} to 128 characters"
    );
    Ok(hash_password(accounts.password_scheme(), &password).await?)
}

async fn set_password(accounts: &dyn AccountStore, email: &str) -> anyhow::Result<()> {
    let Some(admin) = accounts.admin_by_email(email).await? else {
        anyhow::bail!("there is no admin {email}: `orderbell admin list` shows all");
    };
    let new = NewPassword {
        hash: read_new_password(accounts).await?,
        replaces: None,
        session: None,
    };
    accounts.set_password(&admin.id, new).await?;
    // Sessions of earlier versions have no fingerprint of the password, and would continue.
    accounts
        .end_sessions(&admin.id, None)
        .await
        .with_context(|| {
            format!(
                "{} has a new password, but the admin's sessions couldn't be ended: set the password again",
                admin.email
            )
        })?;
    say(&format!(
        "{} has a new password; the admin's sessions end within a minute",
        admin.email
    ));
    Ok(())
}

async fn list(accounts: &dyn AccountStore) -> anyhow::Result<()> {
    for admin in accounts.admins().await? {
        let state = if admin.disabled { "  disabled" } else { "" };
        say(&format!("{}  {}{state}", admin.email, admin.name));
    }
    Ok(())
}

async fn set_disabled(
    accounts: &dyn AccountStore,
    email: &str,
    disabled: bool,
) -> anyhow::Result<()> {
    let Some(admin) = accounts.admin_by_email(email).await? else {
        anyhow::bail!("there is no admin {email}: `orderbell admin list` shows all");
    };
    accounts.set_admin_disabled(&admin.id, disabled).await?;
    say(&format!(
        "{} is {} now",
        admin.email,
        if disabled { "disabled" } else { "enabled" }
    ));
    Ok(())
}
