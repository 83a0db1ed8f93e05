use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::credential_cache::{Refusal, Verdict};
use super::digest::sha256;
use super::session_key::SESSION_PREFIX;
use super::{Auth, AuthError, Credential, Principal, SESSION_LIMIT, TOKEN_PREFIX};
use crate::clock::millis;
use crate::store::{Admin, Digest, Session, SessionKind, SessionUse, StoreError};

/// How often the use of a session or token is recorded. Each write may be billed, and is delivered to the watch of every
/// instance, which is billed as well.
const TOUCH_INTERVAL: Duration = Duration::from_secs(3_600);
/// Minimum age of a session when its first use is recorded. Scripts that sign in for every run don't reach it.
const FIRST_TOUCH: Duration = Duration::from_secs(60);
/// How long an unknown token or admin id is refused without a look-up. Short, because it may be created in the meantime.
const REFUSAL_LIFE: Duration = Duration::from_secs(10);
/// The same where a look-up is free: keeps a script with a bad token from using up the limit of its address.
const FREE_REFUSAL_LIFE: Duration = Duration::from_secs(5);
/// How long an ended session is refused without a look-up. It can't come back, and each look-up may be billed.
const ENDED_LIFE: Duration = Duration::from_secs(3_600);

impl Auth {
    /// The principal of the bearer token `secret`, sent from `address`.
    pub async fn bearer(&self, secret: &str, address: IpAddr) -> Result<Principal, AuthError> {
        use subtle::ConstantTimeEq as _;
        let digest = sha256(secret);
        let is_settings_token = |token: Digest| token.ct_eq(&digest).into();
        if self.settings_token.is_some_and(is_settings_token) {
            return self.verdict(Credential::Settings, None).await;
        }
        if secret.starts_with(SESSION_PREFIX) {
            return self.session(secret).await;
        }
        if secret.starts_with(TOKEN_PREFIX) {
            return self.verdict(Credential::Token(digest), Some(address)).await;
        }
        let is_plausible = !secret.is_empty() && secret.len() <= 128 && !secret.contains('/');
        if self.accept_admin_ids && is_plausible {
            let credential = Credential::AdminId(secret.to_owned());
            return self.verdict(credential, Some(address)).await;
        }
        self.refuse_word(digest, address)
    }

    /// Refuses a word that can't be a credential. Counts as a failure of the address, since it may be a guess.
    fn refuse_word(&self, digest: Digest, address: IpAddr) -> Result<Principal, AuthError> {
        // No real token has this digest, because tokens begin with a prefix.
        let credential = Credential::Token(digest);
        let now = self.clock.millis();
        if self.cache.refusal(&credential, now).is_none() {
            self.count_failure(address)?;
            self.cache
                .refuse(credential, Refusal::Unknown, now, REFUSAL_LIFE);
        }
        Err(AuthError::Unknown)
    }

    /// The principal of the session with this secret.
    ///
    /// The keyed check comes first, so an invented secret costs no look-up. Failures don't count: 128 bits can't be guessed,
    /// and a browser with an old cookie must not use up the limit of its network.
    pub async fn session(&self, secret: &str) -> Result<Principal, AuthError> {
        let digest = self.key.session(secret).await?.ok_or(AuthError::Unknown)?;
        self.verdict(Credential::Session(digest), None).await
    }

    /// Index of the session cookie to use: the first valid one, or else the first that couldn't be looked up, or else 0. A
    /// browser may send several: pages of a sibling host can set cookies for this one, which must not hide the valid one.
    pub async fn pick_session(&self, secrets: &[&str]) -> usize {
        let mut picked = None;
        for (index, secret) in secrets.iter().enumerate() {
            match self.session(secret).await {
                Ok(_) => return index,
                Err(AuthError::Store(_)) => picked = picked.or(Some(index)),
                Err(_) => {}
            }
        }
        picked.unwrap_or_default()
    }

    fn count_failure(&self, address: IpAddr) -> Result<(), AuthError> {
        self.failures.check(address).map_err(AuthError::Throttled)
    }

    /// The principal of `credential`, from the cache or the store. Before an uncached one is looked up, a failure is counted
    /// for the address `guessed_from`, if given.
    pub(super) async fn verdict(
        &self,
        credential: Credential,
        guessed_from: Option<IpAddr>,
    ) -> Result<Principal, AuthError> {
        let now = self.clock.millis();
        // Read before the look-up, like the ticket: a change during the look-up then makes the verdict stale.
        let generation = self.accounts.generation();
        let known = self.cache.get(&credential, now);
        if let Some(known) = &known
            && known.is_fresh(now, generation)
        {
            return Ok(known.principal.clone());
        }
        if let Some(refusal) = self.cache.refusal(&credential, now) {
            return Err(refusal.into());
        }
        let ticket = self.cache.ticket();
        let guessed_from = guessed_from.filter(|_| known.is_none());
        let is_free = self.accounts.answers_from_memory();
        // Tokens can't be guessed. Where a look-up is free, one counts only if it is unknown.
        let counts_later = is_free && matches!(credential, Credential::Token(_));
        if let Some(address) = guessed_from
            && !counts_later
        {
            self.count_failure(address)?;
        }
        match self.look_up(&credential).await {
            Ok((principal, ends_millis)) => {
                let verdict = Verdict {
                    principal: principal.clone(),
                    at_millis: now,
                    generation,
                    ends_millis,
                };
                self.cache.remember(ticket, credential, verdict);
                Ok(principal)
            }
            Err(AuthError::Store(error @ StoreError::Unavailable { .. })) => known
                .filter(|known| known.stands_in(now))
                .map(|known| known.principal)
                .ok_or(AuthError::Store(error)),
            Err(error) => {
                self.refused(credential, &error, is_free, now);
                if let Some(address) = guessed_from
                    && counts_later
                {
                    self.count_failure(address)?;
                }
                Err(error)
            }
        }
    }

    /// Caches that `credential` is refused.
    fn refused(&self, credential: Credential, error: &AuthError, is_free: bool, now: u64) {
        // The end of a session is cached already.
        if self.cache.refusal(&credential, now).is_some() {
            return;
        }
        let refusal = match error {
            AuthError::Unknown => Refusal::Unknown,
            AuthError::Disabled => Refusal::Disabled,
            _ => return self.cache.remove(&credential),
        };
        let life = if is_free {
            FREE_REFUSAL_LIFE
        } else {
            REFUSAL_LIFE
        };
        self.cache.refuse(credential, refusal, now, life);
    }

    /// The principal of `credential` from the store, and when the credential expires.
    async fn look_up(&self, credential: &Credential) -> Result<(Principal, u64), AuthError> {
        match credential {
            Credential::Settings => Ok((Principal::of_settings(), u64::MAX)),
            Credential::Session(digest) => self.look_up_session(digest, credential).await,
            Credential::Token(digest) => {
                let principal = self.look_up_token(digest, credential).await?;
                Ok((principal, u64::MAX))
            }
            Credential::AdminId(id) => {
                let admin = self.able_admin(id).await?;
                Ok((Principal::of_admin(&admin, credential.clone()), u64::MAX))
            }
        }
    }

    async fn look_up_token(
        &self,
        digest: &Digest,
        credential: &Credential,
    ) -> Result<Principal, AuthError> {
        let token = self.accounts.token(digest).await?;
        let token = token.ok_or(AuthError::Unknown)?;
        let principal = match &token.admin_id {
            Some(admin_id) => {
                Principal::of_admin(&self.able_admin(admin_id).await?, credential.clone())
            }
            None => Principal::of_token(&token, credential.clone()),
        };
        let now = self.clock.millis();
        let interval = millis(TOUCH_INTERVAL);
        if now.saturating_sub(token.used_at.unwrap_or_default()) > interval
            && let Some(touch) = self.touches.begin(&token.id, now, interval)
        {
            let accounts = Arc::clone(&self.accounts);
            touch.spawn(async move { accounts.touch_token(&token.id, now).await });
        }
        Ok(principal)
    }

    async fn look_up_session(
        &self,
        digest: &Digest,
        credential: &Credential,
    ) -> Result<(Principal, u64), AuthError> {
        let now = self.clock.millis();
        let has_ended = || {
            let (credential, refusal) = (credential.clone(), Refusal::Unknown);
            self.cache.refuse(credential, refusal, now, ENDED_LIFE);
            AuthError::Unknown
        };
        let session = self.accounts.session(digest).await?;
        let mut session = session.ok_or_else(has_ended)?;
        let limit = match session.kind {
            SessionKind::Browser => session.created_at + millis(SESSION_LIMIT),
            SessionKind::Api => u64::MAX,
        };
        if now >= session.expires_at || now >= limit {
            self.end_aside(session.id);
            return Err(has_ended());
        }
        let mut admin = self.able_admin(&session.admin_id).await?;
        if !self.has_password_of(&session, &admin).await? {
            // The cached session and admin may be from different sides of a password change.
            let stored = match self.accounts.session_and_admin(digest, &admin.id).await {
                // The known data says that the password was changed: refuse the session, and look it up again soon.
                Err(StoreError::Unavailable { .. }) => return Err(AuthError::Unknown),
                stored => stored?,
            };
            (session, admin) = stored.ok_or_else(has_ended)?;
            if !self.has_password_of(&session, &admin).await? {
                self.end_aside(session.id);
                return Err(has_ended());
            }
            if admin.disabled {
                return Err(AuthError::Disabled);
            }
        }
        let ends = limit.min(self.touch(&session, &admin, now).await?);
        let principal = Principal::of_session(&admin, &session, credential.clone());
        Ok((principal, ends))
    }

    /// Ends an invalid session in the background. If that fails, the next look-up tries again.
    fn end_aside(&self, id: String) {
        let accounts = Arc::clone(&self.accounts);
        self.touches
            .spawn(async move { accounts.end_session(&id).await });
    }

    /// Records that a session is in use, when due. Returns when it expires unless it is used again.
    async fn touch(&self, session: &Session, admin: &Admin, now: u64) -> Result<u64, StoreError> {
        let idle = self.idle(session.kind);
        // Sessions much shorter than the interval are also touched in time.
        let interval = millis(TOUCH_INTERVAL.min(idle / 4));
        let unseen = now.saturating_sub(session.seen_at);
        let is_first = session.seen_at <= session.created_at && unseen > millis(FIRST_TOUCH);
        if unseen <= interval && !is_first && session.password.is_some() {
            return Ok(session.expires_at);
        }
        let expires_at = now + millis(idle);
        if let Some(touch) = self.touches.begin(&session.id, now, interval) {
            let password = match session.password {
                None => Some(self.fingerprint(admin).await?),
                Some(_) => None,
            };
            let used = SessionUse {
                seen_at: now,
                expires_at,
                password,
            };
            let (accounts, id) = (Arc::clone(&self.accounts), session.id.clone());
            touch.spawn(async move { accounts.touch_session(&id, used).await });
        }
        Ok(expires_at)
    }

    /// The admin with this id, unless it is disabled.
    pub(super) async fn able_admin(&self, id: &str) -> Result<Admin, AuthError> {
        let admin = self.accounts.admin_by_id(id).await?;
        let admin = admin.ok_or(AuthError::Unknown)?;
        if admin.disabled {
            return Err(AuthError::Disabled);
        }
        Ok(admin)
    }
}
