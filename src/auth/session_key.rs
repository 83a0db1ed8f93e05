use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::sync::OnceCell;

use super::werkzeug::SALT_LENGTH;
use crate::store::{self, AccountStore, Digest, StoreError};

/// Prefix of session secrets.
pub(super) const SESSION_PREFIX: &str = "obs_";
/// Length of the random part, in letters and digits: see [`store::random_secret`].
const RANDOM_LENGTH: usize = 43;
/// Length of a keyed check, in bytes and in Base64.
const CHECK_BYTES: usize = 16;
const CHECK_LENGTH: usize = 22;

/// Maximum time that a caller waits for the key, which others may be trying to read as well.
const KEY_PATIENCE: Duration = Duration::from_secs(5);
/// When a caller may try again.
const KEY_RETRY: Duration = Duration::from_secs(1);

/// Alphabet of salts.
const SALT_LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Separates the uses of the key: a value made for one purpose is invalid for any other.
#[derive(Clone, Copy)]
enum Purpose {
    /// The digest that identifies a session in the store.
    SessionDigest,
    /// The check at the end of a session's secret.
    SessionCheck,
    /// The check at the end of a device's cookie.
    Device,
    /// Chooses the hash that an unknown e-mail address is compared with.
    Decoy,
    /// The fingerprint of the password hash that a session began under.
    PasswordFingerprint,
    /// The salt of a new hash of an unchanged password.
    RehashSalt,
    /// The signature of the cookies that carry sessions.
    CookieSignature,
}

/// A key for signing cookies, of the length that the `cookie` crate requires.
pub type CookieKey = [u8; 64];

/// Makes and verifies the secrets, cookies and fingerprints derived from the session key.
///
/// Secrets end with a keyed check, so an invented one is refused without a look-up in the store.
pub(super) struct SessionKey {
    accounts: Arc<dyn AccountStore>,
    /// Read from the store on first use, since the store may be unreachable at startup.
    key: OnceCell<SecretString>,
}

impl SessionKey {
    /// Uses the key `configured`, or the store's if it is `None`.
    pub(super) fn new(accounts: Arc<dyn AccountStore>, configured: Option<SecretString>) -> Self {
        Self {
            accounts,
            key: OnceCell::new_with(configured),
        }
    }

    /// Makes a session secret, and the digest that identifies it in the store.
    pub(super) async fn new_session(&self) -> Result<(SecretString, Digest), StoreError> {
        let random = store::random_secret();
        let check = self.check(Purpose::SessionCheck, &[&random]).await?;
        let secret = format!("{SESSION_PREFIX}{random}{check}");
        let digest = self.mac(Purpose::SessionDigest, &[&secret]).await?;
        Ok((secret.into(), digest))
    }

    /// The digest of a session's secret; `None` if this key didn't make the secret.
    pub(super) async fn session(&self, secret: &str) -> Result<Option<Digest>, StoreError> {
        let parts = secret
            .strip_prefix(SESSION_PREFIX)
            .and_then(|rest| split(rest, RANDOM_LENGTH));
        let Some((random, check)) = parts else {
            return Ok(None);
        };
        let expected = self.check(Purpose::SessionCheck, &[random]).await?;
        if !is_same(&expected, check) {
            return Ok(None);
        }
        Ok(Some(self.mac(Purpose::SessionDigest, &[secret]).await?))
    }

    /// Makes the cookie of a device that has signed in as `email`.
    pub(super) async fn new_device(&self, email: &str) -> Result<SecretString, StoreError> {
        let random = store::random_secret();
        let check = self
            .check(Purpose::Device, &[&random, &email.to_lowercase()])
            .await?;
        Ok(format!("{random}{check}").into())
    }

    /// The key of a device in the throttle; `None` if it hasn't signed in as `email` before.
    pub(super) async fn device(
        &self,
        cookie: &str,
        email: &str,
    ) -> Result<Option<Digest>, StoreError> {
        let Some((random, check)) = split(cookie, RANDOM_LENGTH) else {
            return Ok(None);
        };
        let expected = self
            .check(Purpose::Device, &[random, &email.to_lowercase()])
            .await?;
        Ok(is_same(&expected, check).then(|| super::sha256(random)))
    }

    /// A number from 0 to `count` (exclusive) that is constant for `email` and can't be computed without the key.
    pub(super) async fn pick(&self, email: &str, count: usize) -> Result<usize, StoreError> {
        let mac = self.mac(Purpose::Decoy, &[&email.to_lowercase()]).await?;
        let number = mac[..4]
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte));
        Ok(number % count.max(1))
    }

    /// The fingerprint of an admin's password hash. Reveals nothing about the hash without the key.
    pub(super) async fn fingerprint(
        &self,
        admin_id: &str,
        hash: &str,
    ) -> Result<Digest, StoreError> {
        self.mac(Purpose::PasswordFingerprint, &[admin_id, hash])
            .await
    }

    /// The salt of the hash that replaces the one with this fingerprint while the password stays.
    pub(super) async fn rehash_salt(&self, fingerprint: &Digest) -> Result<String, StoreError> {
        let fingerprint = URL_SAFE_NO_PAD.encode(fingerprint);
        let mac = self.mac(Purpose::RehashSalt, &[&fingerprint]).await?;
        let letter = |pair: &[u8]| {
            let number = usize::from(u16::from_be_bytes([pair[0], pair[1]]));
            char::from(SALT_LETTERS[number % SALT_LETTERS.len()])
        };
        Ok(mac.chunks(2).take(SALT_LENGTH).map(letter).collect())
    }

    /// Derives the key that signs cookies.
    pub(super) async fn cookie_key(&self) -> Result<CookieKey, StoreError> {
        let mut key = [0; 64];
        for (half, part) in key.chunks_exact_mut(32).zip(["first", "second"]) {
            half.copy_from_slice(&self.mac(Purpose::CookieSignature, &[part]).await?);
        }
        Ok(key)
    }

    async fn check(&self, purpose: Purpose, parts: &[&str]) -> Result<String, StoreError> {
        let mac = self.mac(purpose, parts).await?;
        Ok(URL_SAFE_NO_PAD.encode(&mac[..CHECK_BYTES]))
    }

    /// Reads the key from the store. One caller at a time does, and where that fails the next one tries.
    async fn read_key(&self) -> Result<&SecretString, StoreError> {
        let fresh = store::random_secret();
        self.key
            .get_or_try_init(|| async {
                let kept = self.accounts.secret("session_key", &fresh).await;
                kept.map(SecretString::from)
            })
            .await
    }

    async fn mac(&self, purpose: Purpose, parts: &[&str]) -> Result<Digest, StoreError> {
        let key = match self.key.get() {
            Some(key) => key,
            None => tokio::time::timeout(KEY_PATIENCE, self.read_key())
                .await
                .unwrap_or_else(|_| {
                    Err(StoreError::Unavailable {
                        reason: "the session key can't be read".to_owned(),
                        retry_after: KEY_RETRY,
                    })
                })?,
        };
        let mut mac = <Hmac<Sha256>>::new_from_slice(key.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(purpose.label());
        for part in parts {
            // Length-prefixed, so that different lists of parts never give the same bytes.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac.finalize().into_bytes().into())
    }
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::SessionDigest => b"session digest",
            Self::SessionCheck => b"session check",
            Self::Device => b"device",
            Self::Decoy => b"decoy",
            Self::PasswordFingerprint => b"password fingerprint",
            Self::RehashSalt => b"rehash salt",
            Self::CookieSignature => b"cookie signature",
        }
    }
}

/// Splits a text of the right length into its random part and its check.
fn split(text: &str, random: usize) -> Option<(&str, &str)> {
    let is_shaped = text.len() == random + CHECK_LENGTH && text.is_ascii();
    is_shaped.then(|| text.split_at(random))
}

fn is_same(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}
