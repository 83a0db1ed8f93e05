use std::time::Duration;

use secrecy::SecretString;

/// What the operator decides about admins, tokens and sessions.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// E-mail address of the first admin.
    pub admin_email: Option<String>,
    /// Password of the first admin.
    pub admin_password: Option<SecretString>,
    /// A bearer token for scripts.
    pub admin_token: Option<SecretString>,
    /// Admins' ids are accepted as bearer tokens.
    pub accept_admin_ids: bool,
    /// Unknown credentials of one address that are looked up in a minute.
    pub failures_per_minute: u32,
    /// A browser's session that isn't used for this long ends.
    pub session_idle: Duration,
    /// Secret that sessions are kept under; `None` takes the one in the store.
    pub session_key: Option<SecretString>,
}
