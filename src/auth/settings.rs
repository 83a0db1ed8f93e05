use std::time::Duration;

use secrecy::SecretString;

/// Settings of admins, tokens and sessions.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// E-mail address of the first admin.
    pub admin_email: Option<String>,
    /// Password of the first admin.
    pub admin_password: Option<SecretString>,
    /// A bearer token for scripts.
    pub admin_token: Option<SecretString>,
    /// Whether admins' ids are accepted as bearer tokens.
    pub accept_admin_ids: bool,
    /// Maximum look-ups of unknown credentials per address and minute.
    pub failures_per_minute: u32,
    /// How long a browser's session lasts without use.
    pub session_idle: Duration,
    /// The session key; `None` uses the one in the store.
    pub session_key: Option<SecretString>,
}
