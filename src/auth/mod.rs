//! Authentication.
//!
//! A client sends a *credential*: a session (a browser's cookie, or the token returned by the API's sign-in), a token made for
//! scripts, an admin's id as existing clients send it, or the token from the settings. [`Auth`] checks credentials, caches the
//! results for a short time, and ends the streams of those that are no longer valid.

mod credential;
mod credential_cache;
mod credential_check;
mod error;
pub mod firebase;
mod hasher;
mod password;
mod password_change;
mod session_key;
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
use sha2::{Digest as _, Sha256};

pub use credential::{Credential, Principal};
use credential_cache::CredentialCache;
pub use error::AuthError;
use hasher::Hasher;
pub use password::{MIN_PASSWORD, hash_password, is_checkable};
pub use session_key::CookieKey;
use session_key::SessionKey;
pub use settings::AuthSettings;
pub use sign_in::{Authenticated, PasswordChecked, SignedIn};
pub use streams::{OpenStream, OpenStreams, StreamKind, StreamLimits, StreamRefusal};
use throttle::Throttle;
use touches::Touches;

use crate::clock::Clock;
use crate::limits::AddressLimiter;
use crate::store::{
    self, AccountStore, Digest, FcmToken, NewAdmin, Session, SessionKind, StoreError, Token,
};

/// Maximum age of a browser's session, used or not.
pub const SESSION_LIMIT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long a program's session lasts without use. Existing dashboards sign in once, keep the token, and show an empty list
/// when it has ended instead of asking to sign in again.
const API_SESSION_IDLE: Duration = Duration::from_secs(90 * 24 * 3_600);
/// How long an unchanged FCM token is not written again. Apps send it at every start.
const FCM_TOKEN_LIFE: Duration = Duration::from_secs(24 * 3_600);
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

/// The first admin, created on the first run.
pub struct FirstAdmin {
    /// E-mail address for sign-in.
    pub email: String,
    /// The password, if it was generated.
    pub made_up_password: Option<SecretString>,
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

    /// Creates the first admin if there is none.
    pub async fn ensure_first_admin(
        &self,
        settings: &AuthSettings,
    ) -> Result<Option<FirstAdmin>, AuthError> {
        if !self.accounts.admins().await?.is_empty() {
            return Ok(None);
        }
        let email = settings
            .admin_email
            .clone()
            .unwrap_or_else(|| "admin@localhost".to_owned());
        let (password, made_up_password) = match &settings.admin_password {
            Some(password) => (password.clone(), None),
            None => {
                let password = SecretString::from(store::random_id());
                (password.clone(), Some(password))
            }
        };
        let admin = NewAdmin {
            name: email.split('@').next().unwrap_or("admin").to_owned(),
            password_hash: self
                .hasher
                .hash(self.accounts.password_scheme(), password)
                .await?,
            email: email.clone(),
        };
        match self.accounts.add_admin(admin).await {
            Ok(_) => Ok(Some(FirstAdmin {
                email,
                made_up_password,
            })),
            // Another instance on the same store was faster.
            Err(StoreError::Exists) => Ok(None),
            Err(error) => Err(error.into()),
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

    /// Ends the session with this secret, and its streams. Does nothing if it has ended already.
    pub async fn sign_out(&self, secret: &str) -> Result<(), AuthError> {
        let Some(digest) = self.key.session(secret).await? else {
            return Ok(());
        };
        let ended = Credential::Session(digest);
        let id = match self.cache.get(&ended, self.clock.millis()) {
            Some(known) => known.principal.session_id,
            None => {
                let session = self.accounts.session(&digest).await?;
                session.map(|session| session.id)
            }
        };
        if let Some(id) = id {
            self.accounts.end_session(&id).await?;
        }
        self.cache.forget(|credential, _| *credential == ended);
        self.streams.end(|stream| *stream.credential() == ended);
        Ok(())
    }

    /// Ends all other sessions of the admin, and their streams. Returns how many.
    pub async fn sign_out_others(&self, principal: &Principal) -> Result<u64, AuthError> {
        let Some(admin_id) = &principal.admin_id else {
            return Ok(0);
        };
        let ended = self
            .accounts
            .end_sessions(admin_id, principal.session_id.as_deref())
            .await?;
        let other = |credential: &Credential, owner: Option<&str>| {
            matches!(credential, Credential::Session(_))
                && *credential != principal.credential
                && owner == Some(admin_id.as_str())
        };
        self.cache
            .forget(|credential, known| other(credential, known.admin_id.as_deref()));
        self.streams
            .end(|stream| other(stream.credential(), stream.principal().admin_id.as_deref()));
        Ok(ended)
    }

    /// Stores the FCM token of the phone app of `principal`'s admin, unless the same one was stored within a day.
    /// [`AuthError::Unknown`] for tokens that act as themselves, and if the admin is gone.
    pub async fn keep_fcm_token(
        &self,
        principal: &Principal,
        token: &SecretString,
    ) -> Result<(), AuthError> {
        let admin_id = principal.admin_id.as_deref().ok_or(AuthError::Unknown)?;
        let admin = self.able_admin(admin_id).await?;
        let now = self.clock.millis();
        let sent = FcmToken::new(token.expose_secret(), now);
        let is_kept = admin.fcm_token.is_some_and(|kept| {
            kept.digest == sent.digest && now < kept.updated_at + millis(FCM_TOKEN_LIFE)
        });
        if !is_kept {
            let token = token.expose_secret();
            let kept = self.accounts.set_fcm_token(admin_id, token).await;
            kept.map_err(AuthError::of_admin)?;
        }
        Ok(())
    }

    /// The sessions of `principal`'s admin. The time of last use is exact if this process has seen the session since its start,
    /// and up to an hour behind otherwise.
    pub async fn sessions(&self, principal: &Principal) -> Result<Vec<Session>, AuthError> {
        let Some(admin_id) = &principal.admin_id else {
            return Ok(Vec::new());
        };
        let mut sessions = self.accounts.sessions(admin_id).await?;
        let used = self.cache.last_used(admin_id);
        for session in &mut sessions {
            let here = used.get(&session.id).copied().unwrap_or_default();
            session.seen_at = session.seen_at.max(here);
        }
        Ok(sessions)
    }

    /// Ends the streams whose credential is no longer valid. True if there were any.
    pub async fn recheck_streams(&self) -> bool {
        let mut any = false;
        for credential in self.streams.credentials() {
            match self.verdict(credential.clone(), None).await {
                Ok(_) | Err(AuthError::Store(_)) => {}
                Err(_) => {
                    any |= self
                        .streams
                        .end(|stream| *stream.credential() == credential)
                        > 0;
                }
            }
        }
        any
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

fn sha256(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
