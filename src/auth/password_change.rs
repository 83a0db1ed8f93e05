//! Password changes, and the sessions that they end.
//!
//! A session stores a fingerprint of the hash that its admin's password had when it began. Other programs also change
//! passwords, without knowing of sessions: a session has ended when its fingerprint doesn't match the current hash.
//!
//! Replacing a hash while the password stays ([`Auth::rehash`]) must end no session, on any instance, in whatever order the
//! instance reads the two. So the salt of the new hash is derived from the fingerprint of the old one: the fingerprint is
//! enough to recognise the new hash.

use std::net::IpAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::werkzeug::WerkzeugHash;
use super::{Auth, AuthError, Principal, password};
use crate::store::{Admin, Digest, NewPassword, PasswordScheme, Session, StoreError};

/// Maximum time that replacing an old hash adds to a sign-in.
const REHASH_PATIENCE: Duration = Duration::from_secs(5);
/// `Retry-After` when another program changes the password at the same time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Auth {
    /// Changes the password of `principal`, and ends all its other sessions. [`AuthError::Unknown`] for tokens that act as
    /// themselves, and if the admin is gone.
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
        // The password was changed, or its hash replaced, since the comparison.
        Err(AuthError::Store(StoreError::Unavailable {
            reason: "another program changed the password at the same time".to_owned(),
            retry_after: RETRY_AFTER,
        }))
    }

    /// The password fingerprint that a session of this admin stores.
    pub(super) async fn fingerprint(&self, admin: &Admin) -> Result<Digest, StoreError> {
        self.key.fingerprint(&admin.id, &admin.password_hash).await
    }

    /// Whether `session` began under the current password of `admin`. True for sessions of earlier versions, which have no
    /// fingerprint.
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

    /// Replaces a hash of an earlier version that the store's other programs can't check. `password` is the admin's, already
    /// verified. Best effort: this program can check the old hash, and the next sign-in tries again.
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
                "replaced the password's hash by one that other programs can check"
            ),
            // Another instance was faster, or the password was changed.
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the password's hash couldn't be replaced; the next sign-in tries again");
            }
            Err(_) => tracing::debug!(
                "replacing the password's hash timed out; the next sign-in tries again"
            ),
        }
    }
}
