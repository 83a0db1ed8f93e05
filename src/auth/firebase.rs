//! Firebase ID tokens, sent by customers' phones.
//!
//! A token is a JWT signed by Google with one of a few keys that change every few hours. Accepted are only RS256, a known key,
//! this project in issuer and audience, valid times, and a user id.

mod error;
mod keys;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use crate::clock::Clock;
pub use error::FirebaseError;
use keys::Keys;

/// Where Google publishes the keys that it signs ID tokens with.
pub const GOOGLE_KEYS_URL: &str =
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

/// Allowed difference between Google's clock and ours, in seconds.
const LEEWAY: u64 = 60;
/// Maximum length of a token, in bytes; Firebase's own have about a kilobyte.
const MAX_TOKEN: usize = 8 * 1024;
/// Maximum length of a Firebase user id.
const MAX_USER_ID: usize = 128;

/// Settings of the token check.
#[derive(Debug, Clone)]
pub struct FirebaseSettings {
    /// The Firebase project that customers sign in to.
    pub project_id: String,
    /// URL of the keys: [`GOOGLE_KEYS_URL`], or a test server.
    pub keys_url: String,
    /// Also accept the unsigned tokens of Firebase's Auth emulator. Anyone can make those: for development only.
    pub emulator_tokens: bool,
}

/// The id of a customer, from the token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Verifies ID tokens.
pub struct FirebaseVerifier {
    settings: FirebaseSettings,
    clock: Clock,
    keys: Arc<Keys>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
    iat: u64,
    auth_time: u64,
}

impl FirebaseVerifier {
    /// A verifier without keys; the first token fetches them.
    pub fn new(settings: FirebaseSettings, clock: Clock) -> Self {
        Self {
            keys: Keys::new(settings.keys_url.clone(), clock.clone()),
            settings,
            clock,
        }
    }

    /// The user of a valid token.
    pub async fn verify(&self, token: &str) -> Result<UserId, FirebaseError> {
        if token.len() > MAX_TOKEN {
            return Err(FirebaseError::Invalid("it is longer than any ID token"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(FirebaseError::Invalid("it is not a JWT"));
        };
        let header: Header = read(header)?;
        if header.alg == "none" && signature.is_empty() && self.settings.emulator_tokens {
            return self.judge(read(claims)?);
        }
        if header.alg != "RS256" {
            return Err(FirebaseError::Invalid("it is not signed with RS256"));
        }
        let key = self.keys.get(&header.kid.unwrap_or_default()).await?;
        let mut rules = Validation::new(Algorithm::RS256);
        // Times and names are checked in `judge`, with a clock that tests can set.
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, &rules)
            .map_err(|_| FirebaseError::Invalid("its signature or one of its claims is wrong"))?;
        self.judge(decoded.claims)
    }

    fn judge(&self, claims: Claims) -> Result<UserId, FirebaseError> {
        let now = self.clock.millis() / 1_000;
        let project = &self.settings.project_id;
        let wrong = if claims.iss != format!("https://securetoken.google.com/{project}") {
            "its issuer is not Firebase for this project"
        } else if claims.aud != *project {
            "it was issued for another project"
        } else if claims.exp.saturating_add(LEEWAY) <= now {
            "it has expired: get a new one"
        } else if claims.iat > now + LEEWAY || claims.auth_time > now + LEEWAY {
            "its time of issue is in the future"
        } else if claims.sub.is_empty() || claims.sub.len() > MAX_USER_ID {
            "its user id is empty or too long"
        } else {
            return Ok(UserId(claims.sub));
        };
        Err(FirebaseError::Invalid(wrong))
    }
}

fn read<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, FirebaseError> {
    let json = BASE64
        .decode(part)
        .map_err(|_| FirebaseError::Invalid("it is not a JWT"))?;
    serde_json::from_slice(&json).map_err(|_| {
        FirebaseError::Invalid("a claim of an ID token is missing or has the wrong type")
    })
}

#[cfg(test)]
mod tests;
