use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::sync::OnceCell;

use super::werkzeug::SALT_LENGTH;
use crate::store::{self, AccountStore, Digest, StoreError};

/// How a session's secret begins.
pub(super) const SESSION_PREFIX: &str = "obs_";
/// Letters and digits of the random part: see [`store::random_secret`].
const RANDOM_LENGTH: usize = 43;
/// Bytes of a keyed check, and its length in Base64.
const CHECK_BYTES: usize = 16;
const CHECK_LENGTH: usize = 22;

/// What salts consist of.
const SALT_LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// What each use of the key is for: no value made for one use is any good for another.
#[derive(Clone, Copy)]
enum Purpose {
    /// Under which the store keeps a session.
    SessionDigest,
    /// The check at the end of a session's secret.
    SessionCheck,
    /// The check at the end of a device's cookie.
    Device,
    /// Which hash an unknown e-mail address is checked against.
    Decoy,
    /// What a session remembers of the password's hash that it was begun under.
    PasswordFingerprint,
    /// The salt of a hash that replaces one of the same password.
    RehashSalt,
    /// The signature of the cookies that carry sessions.
    CookieSignature,
}

/// A key for signing cookies, as long as the `cookie` crate asks for.
pub type CookieKey = [u8; 64];

/// The session key, and what it makes and recognises.
///
/// Secrets end with a keyed check, so that a made-up one is refused without a look-up in the store.
pub(super) struct SessionKey {
    accounts: Arc<dyn AccountStore>,
    /// Read from the store when it is first needed, which may be away when the process starts.
    key: OnceCell<SecretString>,
}

impl SessionKey {
    /// `configured` is the key; the store's, where it is `None`.
    pub(super) fn new(accounts: Arc<dyn AccountStore>, configured: Option<SecretString>) -> Self {
        Self {
            accounts,
            key: OnceCell::new_with(configured),
        }
    }

    /// A session's secret, and the digest that the store keeps it under.
    pub(super) async fn new_session(&self) -> Result<(SecretString, Digest), StoreError> {
        let random = store::random_secret();
        let check = self.check(Purpose::SessionCheck, &[&random]).await?;
        let secret = format!("{SESSION_PREFIX}{random}{check}");
        let digest = self.mac(Purpose::SessionDigest, &[&secret]).await?;
        Ok((secret.into(), digest))
    }

    /// The digest of a session's secret; `None` where this key hasn't made it.
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

    /// The cookie of a device that has signed in as `email`.
    pub(super) async fn new_device(&self, email: &str) -> Result<SecretString, StoreError> {
        let random = store::random_secret();
        let check = self
            .check(Purpose::Device, &[&random, &email.to_lowercase()])
            .await?;
        Ok(format!("{random}{check}").into())
    }

    /// What a device is counted under; `None` where it hasn't signed in as `email` before.
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

    /// A number from 0 to `count` (exclusive) that is always the same for `email`, and that can't be known without the key.
    pub(super) async fn pick(&self, email: &str, count: usize) -> Result<usize, StoreError> {
        let mac = self.mac(Purpose::Decoy, &[&email.to_lowercase()]).await?;
        let number = mac[..4]
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte));
        Ok(number % count.max(1))
    }

    /// What a session remembers of the hash of its admin's password. It says nothing about the hash without the key.
    pub(super) async fn fingerprint(
        &self,
        admin_id: &str,
        hash: &str,
    ) -> Result<Digest, StoreError> {
        self.mac(Purpose::PasswordFingerprint, &[admin_id, hash])
            .await
    }

    /// The salt, of letters and digits, of the hash that replaces the one with this fingerprint while the password stays.
    pub(super) async fn rehash_salt(&self, fingerprint: &Digest) -> Result<String, StoreError> {
        let fingerprint = URL_SAFE_NO_PAD.encode(fingerprint);
        let mac = self.mac(Purpose::RehashSalt, &[&fingerprint]).await?;
        let letter = |pair: &[u8]| {
            let number = usize::from(u16::from_be_bytes([pair[0], pair[1]]));
            char::from(SALT_LETTERS[number % SALT_LETTERS.len()])
        };
        Ok(mac.chunks(2).take(SALT_LENGTH).map(letter).collect())
    }

    /// The key that cookies are signed with.
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

    async fn mac(&self, purpose: Purpose, parts: &[&str]) -> Result<Digest, StoreError> {
        let fresh = store::random_secret();
        let key = self
            .key
            .get_or_try_init(|| async {
                let kept = self.accounts.secret("session_key", &fresh).await;
                kept.map(SecretString::from)
            })
            .await?;
        let mut mac = <Hmac<Sha256>>::new_from_slice(key.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(purpose.label());
        for part in parts {
            // Each part with its length: no two lists of parts are the same bytes.
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

/// The random part and the check of something that has the right length.
fn split(text: &str, random: usize) -> Option<(&str, &str)> {
    let is_shaped = text.len() == random + CHECK_LENGTH && text.is_ascii();
    is_shaped.then(|| text.split_at(random))
}

fn is_same(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}
