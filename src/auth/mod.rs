//! Authentication.
//!
//! A client sends a *credential*: a session (a browser's cookie, or the token returned by the API's sign-in), a token made for
//! scripts, an admin's id as existing clients send it, or the token from the settings. [`Auth`] checks credentials, caches the
//! results for a short time, and ends the streams of those that are no longer valid.

mod credential;
mod credential_cache;
mod credential_check;
mod digest;
mod error;
mod fcm_token;
pub mod firebase;
mod first_admin;
mod hasher;
mod password;
mod password_change;
mod session_key;
mod sessions;
mod settings;
mod sign_in;
mod streams;
#[cfg(test)]
mod tests;
mod throttle;
mod touches;
pub mod werkzeug;

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

pub use credential::{Authenticated, Credential, Principal};
use credential_cache::CredentialCache;
use digest::sha256;
pub use error::AuthError;
pub use first_admin::FirstAdmin;
use hasher::Hasher;
pub use password::{MIN_PASSWORD, hash_password, is_checkable};
pub use session_key::CookieKey;
use session_key::SessionKey;
pub use settings::AuthSettings;
pub use sign_in::{PasswordChecked, SignedIn};
pub use streams::{OpenStream, OpenStreams, StreamKind, StreamLimits, StreamRefusal};
use throttle::Throttle;
use touches::Touches;

use crate::clock::Clock;
use crate::limits::AddressLimiter;
use crate::store::{self, AccountStore, Digest, SessionKind, StoreError, Token};

/// Maximum age of a browser's session, used or not.
pub const SESSION_LIMIT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long a program's session lasts without use. Existing dashboards sign in once, keep the token, and show an empty list
/// when it has ended instead of asking to sign in again.
const API_SESSION_IDLE: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Prefix of tokens.
const TOKEN_PREFIX: &str = "obt_";

/// Checks credentials and passwords, and manages sessions.
pub struct Auth {
    accounts: Arc<dyn AccountStore>,
    clock: Clock,
    key: SessionKey,
    session_idle: Duration,
    accept_admin_ids: bool,
    settings_token: Option<Digest>,
    cache: CredentialCache,
    touches: Arc<Touches>,
    /// Limits how many unknown credentials an address can have looked up.
    failures: AddressLimiter,
    throttle: Throttle,
    hasher: Hasher,
    streams: Arc<OpenStreams>,
}

impl Auth {
    /// Uses the session key of the settings, or the one in the store, which is created on the first run.
    pub fn new(
        accounts: Arc<dyn AccountStore>,
        settings: &AuthSettings,
        streams: Arc<OpenStreams>,
        clock: Clock,
    ) -> Self {
        Self {
            key: SessionKey::new(Arc::clone(&accounts), settings.session_key.clone()),
            session_idle: settings.session_idle,
            accept_admin_ids: settings.accept_admin_ids,
            settings_token: settings
                .admin_token
                .as_ref()
                .map(|token| sha256(token.expose_secret())),
            cache: CredentialCache::default(),
            touches: Arc::default(),
            failures: AddressLimiter::new(
                settings.failures_per_minute,
                settings.failures_per_minute,
            ),
            throttle: Throttle::new(clock.clone()),
            hasher: Hasher::default(),
            accounts,
            clock,
            streams,
        }
    }

    /// The open streams, which this ends when their credentials do.
    pub fn streams(&self) -> &Arc<OpenStreams> {
        &self.streams
    }

    /// Waits until all background writes about used credentials have succeeded or failed. Requests don't wait for them.
    pub async fn settled(&self) {
        self.touches.settled().await;
    }

    /// How long a session of this kind lasts without use.
    fn idle(&self, kind: SessionKind) -> Duration {
        match kind {
            SessionKind::Browser => self.session_idle,
            SessionKind::Api => API_SESSION_IDLE,
        }
    }

    /// The key that signs session cookies; [`StoreError::Unavailable`] until it could be read from the store.
    pub async fn cookie_key(&self) -> Result<CookieKey, StoreError> {
        self.key.cookie_key().await
    }
}

/// Makes a token for scripts: the record to store, its digest, and the secret, which is shown once.
///
/// It acts as the admin `admin_id`, or as itself if that is `None`.
pub fn new_token(
    name: &str,
    admin_id: Option<String>,
    clock: &Clock,
) -> (Token, Digest, SecretString) {
    let secret = format!("{TOKEN_PREFIX}{}", store::random_secret());
    let token = Token {
        id: store::random_id(),
        name: name.to_owned(),
        admin_id,
        created_at: clock.millis(),
        used_at: None,
    };
    (token, sha256(&secret), secret.into())
}
