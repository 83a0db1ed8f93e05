//! New passwords, and what becomes of sessions that were begun under the old one.
//!
//! A session remembers a fingerprint of the hash that its admin's password had when it began. Other programs change passwords
//! too, and know nothing of sessions: a session whose fingerprint isn't that of the hash any more has ended.
//!
//! A hash that is replaced while the password stays ([`Auth::rehash`]) must end no session, on no instance and in whatever
//! order the two are seen. So the salt of the new hash is made from the fingerprint of the old one: whoever holds the
//! fingerprint recognises the hash that has replaced it.

use std::net::IpAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::werkzeug::WerkzeugHash;
use super::{Auth, AuthError, Principal, password};
use crate::store::{Admin, Digest, NewPassword, PasswordScheme, Session, StoreError};

/// How much longer a sign-in may take in order to replace the hash of an earlier version.
const REHASH_PATIENCE: Duration = Duration::from_secs(5);
/// When to try again to change a password that another program is changing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Auth {
    /// Changes the password of `principal`, and signs out all its other sessions. [`AuthError::Unknown`] for tokens that act as
    /// themselves, and where the admin is gone.
    pub async fn change_password(
        &self,
        principal: &Principal,
        current: SecretString,
        new: SecretString,
        address: IpAddr,
    ) -> Result<(), AuthError> {
        let admin_id = principal.admin_id.as_deref().ok_or(AuthError::Unknown)?;
        let attempt = self.begin_attempt(&principal.email, address, None)?;
        let session = principal.session_id.clone();
        let changed = self.replace_password(admin_id, session, current, new).await;
        self.settle(&attempt, changed)?;
        self.sign_out_others(principal).await?;
        Ok(())
    }

    async fn replace_password(
        &self,
        admin_id: &str,
        session: Option<String>,
        current: SecretString,
        new: SecretString,
    ) -> Result<(), AuthError> {
        let admin = self.accounts.admin_by_id(admin_id).await?;
        let admin = admin.ok_or(AuthError::Unknown)?;
        let replaced = admin.password_hash;
        if !self.hasher.verify(replaced.clone(), current).await? {
            return Err(AuthError::WrongPassword);
        }
        let hash = self
            .hasher
            .hash(self.accounts.password_scheme(), new)
            .await?;
        let fingerprint = self.key.fingerprint(admin_id, &hash).await?;
        let new = NewPassword {
            hash,
            replaces: Some(replaced),
            session: session.map(|id| (id, fingerprint)),
        };
        let set = self.accounts.set_password(admin_id, new).await;
        if set.map_err(AuthError::of_admin)? {
            return Ok(());
        }
        // What was compared isn't the admin's password any more, or its hash was replaced a moment ago.
        Err(AuthError::Store(StoreError::Unavailable {
            reason: "the password was changed by another program meanwhile".to_owned(),
            retry_after: RETRY_AFTER,
        }))
    }

    /// What a session of this admin remembers of the password.
    pub(super) async fn fingerprint(&self, admin: &Admin) -> Result<Digest, StoreError> {
        self.key.fingerprint(&admin.id, &admin.password_hash).await
    }

    /// Whether `session` was begun under the password that `admin` has. Sessions of earlier versions don't know.
    pub(super) async fn has_password_of(
        &self,
        session: &Session,
        admin: &Admin,
    ) -> Result<bool, StoreError> {
        let Some(begun_under) = &session.password else {
            return Ok(true);
        };
        if *begun_under == self.fingerprint(admin).await? {
            return Ok(true);
        }
        match WerkzeugHash::parse(&admin.password_hash) {
            Some(hash) => Ok(hash.salt() == self.key.rehash_salt(begun_under).await?),
            None => Ok(false),
        }
    }

    /// Replaces a hash that the store's other programs don't know, from an earlier version of this one. `password` is the
    /// admin's, just checked. Best effort: the old hash is good for this program, and the next sign-in tries again.
    pub(super) async fn rehash(&self, admin: &Admin, password: SecretString) {
        let scheme = self.accounts.password_scheme();
        if scheme != PasswordScheme::Werkzeug || password::is_in(scheme, &admin.password_hash) {
            return;
        }
        let replacing = async {
            let salt = self
                .key
                .rehash_salt(&self.fingerprint(admin).await?)
                .await?;
            let new = NewPassword {
                hash: self.hasher.werkzeug(password, salt).await?,
                replaces: Some(admin.password_hash.clone()),
                session: None,
            };
            Ok::<_, AuthError>(self.accounts.set_password(&admin.id, new).await?)
        };
        match tokio::time::timeout(REHASH_PATIENCE, replacing).await {
            Ok(Ok(true)) => tracing::info!(
                admin = admin.email,
                "the password's hash is one now that other programs know"
            ),
            // Another instance was faster, or the password was changed.
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the password's hash stays as it is for now"),
            Err(_) => tracing::debug!("replacing the password's hash takes too long"),
        }
    }
}
