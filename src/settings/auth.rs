//! `auth.*`: admins, tokens and sessions, and the cookies of sessions.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::fields::{Fields, SettingsError};
use crate::auth::AuthSettings;

/// `auth.secure_cookies` and `auth.insecure_cookies`.
#[derive(Debug, Clone)]
pub struct CookieSettings {
    /// Whether session cookies are `Secure`.
    pub secure: SecureCookies,
    /// Whether to send cookies without `Secure` although the listener isn't on loopback.
    pub insecure: bool,
}

/// When session cookies are `Secure` and have the prefix `__Host-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecureCookies {
    /// If browsers may connect from other machines, unless `auth.insecure_cookies` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `auth.*`, unparsed.
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
    /// `auto_admin_ids` is the meaning of `auth.accept_admin_ids = "auto"`.
    pub(super) fn check(
        self,
        fields: &Fields,
        auto_admin_ids: bool,
    ) -> Result<(AuthSettings, CookieSettings), SettingsError> {
        let hours: u64 = fields.range("auth.session_hours", self.session_hours, 1..=168)?;
        if !self.admin_email.is_empty() && !self.admin_email.contains('@') {
            return Err(fields.bad("auth.admin_email", "must be an e-mail address"));
        }
        let auth = AuthSettings {
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
        };
        let cookies = CookieSettings {
            secure: secure_cookies(fields, &self.secure_cookies)?,
            insecure: self.insecure_cookies,
        };
        Ok((auth, cookies))
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
