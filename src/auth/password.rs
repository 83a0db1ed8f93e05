use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use super::werkzeug;
use crate::store::StoreError;

/// Shortest password that is taken for a new admin.
pub const MIN_PASSWORD: usize = 8;
/// Longest password that is looked at, in bytes.
const MAX_PASSWORD: usize = 512;
/// Checks at the same time; each takes 19 MiB.
const PARALLEL_CHECKS: usize = 2;
/// A hash of nothing in particular: checking against it takes as long as checking a real one.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$TzkcTdUSyd6RzNDDtwBtBvmgMgGjnmWYzDW6b/1LZOw";

/// Checks passwords, away from the async threads and a few at a time.
pub(super) struct Hasher {
    permits: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(PARALLEL_CHECKS)),
        }
    }
}

impl Hasher {
    /// Whether `password` is the one that `hash` was made from. Takes as long where there is no hash.
    pub(super) async fn verify(
        &self,
        hash: Option<String>,
        password: SecretString,
    ) -> Result<bool, StoreError> {
        // An answer within milliseconds for an absurd length says nothing about any account.
        if password.expose_secret().len() > MAX_PASSWORD {
            return Ok(false);
        }
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(anyhow::Error::from)?;
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
        let right = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            verify(&hash, &password)
        })
        .await
        .map_err(anyhow::Error::from)?;
        Ok(right && known)
    }
}

fn verify(hash: &str, password: &SecretString) -> bool {
    // Admins of older systems sign in with the password they have.
    if let Some(right) = werkzeug::verify(hash, password.expose_secret()) {
        return right;
    }
    let argon2 = Argon2::default();
    argon2
        .verify_password(password.expose_secret().as_bytes(), hash)
        .is_ok()
}

/// The PHC string (argon2id, OWASP's parameters) to keep for `password`.
pub async fn hash_password(password: &SecretString) -> Result<String, StoreError> {
    let password = password.clone();
    tokio::task::spawn_blocking(move || {
        Argon2::default()
            .hash_password(password.expose_secret().as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| anyhow::anyhow!("the password can't be hashed: {error}"))
    })
    .await
    .map_err(anyhow::Error::from)?
    .map_err(StoreError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password_only() -> Result<(), StoreError> {
        let hasher = Hasher::default();
        let hash = hash_password(&"correct horse".into()).await?;
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(
            hasher
                .verify(Some(hash.clone()), "correct horse".into())
                .await?
        );
        assert!(
            !hasher
                .verify(Some(hash.clone()), "correct horsf".into())
                .await?
        );
        assert!(!hasher.verify(Some(hash), "x".repeat(1_000).into()).await?);
        assert!(!hasher.verify(None, "correct horse".into()).await?);
        Ok(())
    }

    #[test]
    fn the_dummy_costs_as_much_as_a_real_hash() {
        assert!(argon2::password_hash::phc::PasswordHash::new(DUMMY_HASH).is_ok());
        assert!(!verify(DUMMY_HASH, &"anything".into()));
    }
}
