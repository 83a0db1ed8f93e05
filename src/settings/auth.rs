//! `auth.*`: admins, tokens and sessions.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::fields::{Fields, SettingsError};

/// `auth.*`
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
    /// Whether session cookies are `Secure`.
    pub secure_cookies: SecureCookies,
    /// Cookies without `Secure`, although the listener isn't on loopback.
    pub insecure_cookies: bool,
}

/// Whether session cookies are `Secure` and carry the prefix `__Host-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecureCookies {
    /// Wherever a browser may come from another machine, unless `auth.insecure_cookies` is set.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// `auth.*` as it is written.
#[derive(Deserialize)]
pub(super) struct RawAuth {
    admin_email: String,
    admin_password: SecretString,
    admin_token: SecretString,
    accept_admin_ids: String,
    failures_per_minute: u64,
    session_hours: u64,
    session_key: SecretString,
    secure_cookies: String,
    insecure_cookies: bool,
}

impl RawAuth {
    /// `auto_admin_ids` is what `auth.accept_admin_ids = "auto"` stands for.
    pub(super) fn check(
        self,
        fields: &Fields,
        auto_admin_ids: bool,
    ) -> Result<AuthSettings, SettingsError> {
        let hours: u64 = fields.range("auth.session_hours", self.session_hours, 1..=168)?;
        if !self.admin_email.is_empty() && !self.admin_email.contains('@') {
            return Err(fields.bad("auth.admin_email", "must be an e-mail address"));
        }
        Ok(AuthSettings {
            admin_email: Some(self.admin_email).filter(|email| !email.is_empty()),
            admin_password: fields.secret("auth.admin_password", self.admin_password, 8)?,
            admin_token: fields.secret("auth.admin_token", self.admin_token, 24)?,
            accept_admin_ids: fields.switch(
                "auth.accept_admin_ids",
                &self.accept_admin_ids,
                auto_admin_ids,
            )?,
            failures_per_minute: fields.range(
                "auth.failures_per_minute",
                self.failures_per_minute,
                1..=100_000,
            )?,
            session_idle: Duration::from_secs(hours * 3_600),
            session_key: fields.secret("auth.session_key", self.session_key, 32)?,
            secure_cookies: secure_cookies(fields, &self.secure_cookies)?,
            insecure_cookies: self.insecure_cookies,
        })
    }
}

fn secure_cookies(fields: &Fields, text: &str) -> Result<SecureCookies, SettingsError> {
    match text {
        "auto" => Ok(SecureCookies::Auto),
        "always" => Ok(SecureCookies::Always),
        "never" => Ok(SecureCookies::Never),
        other => Err(fields.bad(
            "auth.secure_cookies",
            format_args!("must be \"auto\", \"always\" or \"never\", not {other:?}"),
        )),
    }
}
