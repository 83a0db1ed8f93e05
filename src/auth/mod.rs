//! Who may use the desk.
//!
//! A client presents a *credential*: a session (a browser's cookie, or the token that the API's sign-in answers with), a
//! token made for scripts, an admin's id as existing clients send it, or the token from the settings. [`Auth`] knows what
//! each is worth, for a short time without asking the store, and ends the streams of those that are worth nothing any more.

mod credential;
mod error;
pub mod firebase;
mod password;
mod streams;
mod throttle;
mod verdicts;
pub mod werkzeug;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

pub use credential::{Credential, Principal};
pub use error::AuthError;
pub use password::{MIN_PASSWORD, hash_password};
pub use streams::{OpenStream, OpenStreams, StreamKind, StreamLimits, StreamRefusal};
use throttle::Throttle;
use verdicts::{Verdict, Verdicts};

use crate::clock::Clock;
use crate::settings::AuthSettings;
use crate::store::{
    self, AccountStore, Admin, Digest, NewAdmin, NewSession, Session, StoreError, Token,
};

/// How often the use of a session or token is written down.
const TOUCH_INTERVAL: Duration = Duration::from_secs(300);
/// A session ends after so long however much it is used.
const SESSION_LIMIT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How a session's secret begins.
const SESSION_PREFIX: &str = "obs_";
/// How a token begins.
const TOKEN_PREFIX: &str = "obt_";

/// Who may use the desk.
pub struct Auth {
    accounts: Arc<dyn AccountStore>,
    clock: Clock,
    /// Read from the store when it is first needed, which may be away when the process starts.
    session_key: OnceCell<SecretString>,
    session_idle: Duration,
    accept_admin_ids: bool,
    settings_token: Option<Digest>,
    verdicts: Verdicts,
    throttle: Throttle,
    hasher: password::Hasher,
    streams: Arc<OpenStreams>,
}

/// A session that has just begun.
pub struct SignedIn {
    /// Who has signed in.
    pub principal: Principal,
    /// What the client has to present from now on.
    pub secret: SecretString,
    /// How long it may be kept at most.
    pub lifetime: Duration,
}

/// The first admin, made on the first run.
pub struct FirstAdmin {
    /// E-mail address to sign in with.
    pub email: String,
    /// The password, where one was made up.
    pub made_up_password: Option<SecretString>,
}

impl Auth {
    /// The session key is the settings', or the store's, where one is made on the first run.
    pub fn new(
        accounts: Arc<dyn AccountStore>,
        settings: &AuthSettings,
        streams: Arc<OpenStreams>,
        clock: Clock,
    ) -> Self {
        Self {
            session_key: OnceCell::new_with(settings.session_key.clone()),
            session_idle: settings.session_idle,
            accept_admin_ids: settings.accept_admin_ids,
            settings_token: settings
                .admin_token
                .as_ref()
                .map(|token| sha256(token.expose_secret())),
            verdicts: Verdicts::default(),
            throttle: Throttle::new(clock.clone()),
            hasher: password::Hasher::default(),
            accounts,
            clock,
            streams,
        }
    }

    /// Makes the first admin if there is none yet.
    pub async fn ensure_first_admin(
        &self,
        settings: &AuthSettings,
    ) -> Result<Option<FirstAdmin>, StoreError> {
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
            password_hash: hash_password(&password).await?,
            email: email.clone(),
        };
        match self.accounts.add_admin(admin).await {
            Ok(_) => Ok(Some(FirstAdmin {
                email,
                made_up_password,
            })),
            // Another instance on the same store was faster.
            Err(StoreError::Exists) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The open streams, which this keeps an eye on.
    pub fn streams(&self) -> &Arc<OpenStreams> {
        &self.streams
    }

    /// Signs an admin in, in the time of one password check whoever it is.
    pub async fn sign_in(
        &self,
        email: &str,
        password: SecretString,
        address: IpAddr,
        client: &str,
    ) -> Result<SignedIn, AuthError> {
        let email = email.trim();
        self.throttle
            .begin(email, address)
            .map_err(AuthError::Throttled)?;
        let admin = self.accounts.admin_by_email(email).await?;
        let hash = admin.as_ref().map(|admin| admin.password_hash.clone());
        let right = self.hasher.verify(hash, password).await?;
        let admin = match admin {
            Some(admin) if right => admin,
            _ => return Err(AuthError::WrongPassword),
        };
        self.throttle.succeeded(email, address);
        if admin.disabled {
            return Err(AuthError::Disabled);
        }
        self.begin_session(&admin, client).await
    }

    async fn begin_session(&self, admin: &Admin, client: &str) -> Result<SignedIn, AuthError> {
        let secret = SecretString::from(format!("{SESSION_PREFIX}{}", store::random_secret()));
        let digest = self.session_digest(secret.expose_secret()).await?;
        let now = self.clock.millis();
        let session = Session {
            id: store::random_id(),
            admin_id: admin.id.clone(),
            client: client.chars().take(200).collect(),
            created_at: now,
            seen_at: now,
            expires_at: now + millis(self.session_idle),
        };
        let principal = Principal::of_session(admin, &session, Credential::Session(digest));
        self.accounts
            .begin_session(NewSession { session, digest })
            .await?;
        Ok(SignedIn {
            principal,
            secret,
            lifetime: SESSION_LIMIT,
        })
    }

    /// Ends the session that `principal` is signed in with, and its streams.
    pub async fn sign_out(&self, principal: &Principal) -> Result<(), AuthError> {
        if let Some(session) = &principal.session_id {
            self.accounts.end_session(session).await?;
        }
        self.verdicts
            .forget(|credential, _| *credential == principal.credential);
        self.streams
            .end(|stream| *stream.credential() == principal.credential);
        Ok(())
    }

    /// Ends all other sessions of the admin, and their streams; answers how many.
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
        self.verdicts
            .forget(|credential, known| other(credential, known.admin_id.as_deref()));
        self.streams
            .end(|stream| other(stream.credential(), stream.principal().admin_id.as_deref()));
        Ok(ended)
    }

    /// Changes the password of `principal`, and signs out all its other sessions.
    pub async fn change_password(
        &self,
        principal: &Principal,
        current: SecretString,
        new: SecretString,
        address: IpAddr,
    ) -> Result<(), AuthError> {
        let admin_id = principal.admin_id.as_deref().ok_or(AuthError::Unknown)?;
        self.throttle
            .begin(&principal.email, address)
            .map_err(AuthError::Throttled)?;
        let admin = self
            .accounts
            .admin_by_id(admin_id)
            .await?
            .ok_or(AuthError::Unknown)?;
        if !self
            .hasher
            .verify(Some(admin.password_hash), current)
            .await?
        {
            return Err(AuthError::WrongPassword);
        }
        self.throttle.succeeded(&principal.email, address);
        let hash = hash_password(&new).await?;
        self.accounts.set_password_hash(admin_id, &hash).await?;
        self.sign_out_others(principal).await?;
        Ok(())
    }

    /// The sessions of `principal`'s admin.
    pub async fn sessions(&self, principal: &Principal) -> Result<Vec<Session>, AuthError> {
        match &principal.admin_id {
            Some(admin_id) => Ok(self.accounts.sessions(admin_id).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Who presents `secret` as a bearer token.
    pub async fn bearer(&self, secret: &str) -> Result<Principal, AuthError> {
        self.verdict(self.bearer_credential(secret).await?).await
    }

    /// Who presents `secret` as a cookie.
    pub async fn cookie(&self, secret: &str) -> Result<Principal, AuthError> {
        if !secret.starts_with(SESSION_PREFIX) {
            return Err(AuthError::Unknown);
        }
        self.verdict(Credential::Session(self.session_digest(secret).await?))
            .await
    }

    async fn bearer_credential(&self, secret: &str) -> Result<Credential, AuthError> {
        use subtle::ConstantTimeEq as _;
        let digest = sha256(secret);
        if self
            .settings_token
            .is_some_and(|token| token.ct_eq(&digest).into())
        {
            return Ok(Credential::Settings);
        }
        if secret.starts_with(SESSION_PREFIX) {
            return Ok(Credential::Session(self.session_digest(secret).await?));
        }
        if secret.starts_with(TOKEN_PREFIX) {
            return Ok(Credential::Token(digest));
        }
        let plausible = !secret.is_empty() && secret.len() <= 128 && !secret.contains('/');
        if self.accept_admin_ids && plausible {
            Ok(Credential::AdminId(secret.to_owned()))
        } else {
            Err(AuthError::Unknown)
        }
    }

    /// What `credential` is worth: as remembered, or as the store says.
    async fn verdict(&self, credential: Credential) -> Result<Principal, AuthError> {
        let now = self.clock.millis();
        // Read before the store is asked: what changes meanwhile makes the answer an old one.
        let generation = self.accounts.generation();
        let known = self.verdicts.get(&credential);
        if let Some(known) = &known
            && known.is_fresh(now, generation)
        {
            return Ok(known.principal.clone());
        }
        match self.look_up(&credential).await {
            Ok((principal, ends_millis)) => {
                let verdict = Verdict {
                    principal: principal.clone(),
                    at_millis: now,
                    generation,
                    ends_millis,
                };
                self.verdicts.remember(credential, verdict);
                Ok(principal)
            }
            Err(AuthError::Store(StoreError::Unavailable {
                reason,
                retry_after,
            })) => match known {
                Some(known) if known.stands_in(now) => Ok(known.principal),
                _ => Err(AuthError::Store(StoreError::Unavailable {
                    reason,
                    retry_after,
                })),
            },
            Err(error) => {
                self.verdicts.remove(&credential);
                Err(error)
            }
        }
    }

    /// Who presents `credential`, and until when it is good.
    async fn look_up(&self, credential: &Credential) -> Result<(Principal, u64), AuthError> {
        match credential {
            Credential::Settings => Ok((Principal::of_settings(), u64::MAX)),
            Credential::Session(digest) => self.look_up_session(digest, credential).await,
            Credential::Token(digest) => {
                let token = self
                    .accounts
                    .token(digest)
                    .await?
                    .ok_or(AuthError::Unknown)?;
                let now = self.clock.millis();
                if now.saturating_sub(token.used_at.unwrap_or_default()) > millis(TOUCH_INTERVAL) {
                    self.note(self.accounts.touch_token(&token.id, now).await);
                }
                Ok((Principal::of_token(&token, credential.clone()), u64::MAX))
            }
            Credential::AdminId(id) => {
                let admin = self
                    .accounts
                    .admin_by_id(id)
                    .await?
                    .ok_or(AuthError::Unknown)?;
                if admin.disabled {
                    return Err(AuthError::Disabled);
                }
                Ok((Principal::of_admin(&admin, credential.clone()), u64::MAX))
            }
        }
    }

    async fn look_up_session(
        &self,
        digest: &Digest,
        credential: &Credential,
    ) -> Result<(Principal, u64), AuthError> {
        let session = self
            .accounts
            .session(digest)
            .await?
            .ok_or(AuthError::Unknown)?;
        let now = self.clock.millis();
        let limit = session.created_at + millis(SESSION_LIMIT);
        if now >= session.expires_at || now >= limit {
            self.note(self.accounts.end_session(&session.id).await);
            return Err(AuthError::Unknown);
        }
        let admin = self
            .accounts
            .admin_by_id(&session.admin_id)
            .await?
            .ok_or(AuthError::Unknown)?;
        if admin.disabled {
            return Err(AuthError::Disabled);
        }
        // Much shorter sessions than the interval are touched in time, too.
        let mut ends = limit.min(session.expires_at);
        let interval = TOUCH_INTERVAL.min(self.session_idle / 4);
        if now.saturating_sub(session.seen_at) > millis(interval) {
            ends = limit.min(now + millis(self.session_idle));
            self.note(self.accounts.touch_session(&session.id, now, ends).await);
        }
        Ok((
            Principal::of_session(&admin, &session, credential.clone()),
            ends,
        ))
    }

    /// Book-keeping that must not keep anybody out.
    fn note(&self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            tracing::debug!(%error, "the use of a credential couldn't be written down");
        }
    }

    /// Ends the streams whose credential isn't worth anything any more; true if there were any.
    pub async fn recheck_streams(&self) -> bool {
        let mut any = false;
        for credential in self.streams.credentials() {
            match self.verdict(credential.clone()).await {
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

    async fn session_digest(&self, secret: &str) -> Result<Digest, StoreError> {
        let fresh = store::random_secret();
        let key = self
            .session_key
            .get_or_try_init(|| async {
                self.accounts
                    .secret("session_key", &fresh)
                    .await
                    .map(SecretString::from)
            })
            .await?;
        let mut mac = <Hmac<Sha256>>::new_from_slice(key.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(secret.as_bytes());
        Ok(mac.finalize().into_bytes().into())
    }
}

/// A new token for scripts: what the store keeps, and the secret that is shown once.
pub fn new_token(name: &str, clock: &Clock) -> (Token, Digest, SecretString) {
    let secret = format!("{TOKEN_PREFIX}{}", store::random_secret());
    let token = Token {
        id: store::random_id(),
        name: name.to_owned(),
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
