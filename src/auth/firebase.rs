//! Firebase ID tokens: what customers' phones present.
//!
//! A token is a JWT signed by Google with one of a few keys that change every some hours. What counts: RS256 and nothing
//! else, a known key, this project as issuer's last part and as audience, times that hold, and a user.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::header::CACHE_CONTROL;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::clock::Clock;

/// Where Google publishes the keys that it signs ID tokens with.
pub const GOOGLE_KEYS_URL: &str =
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

/// How far Google's clock and ours may differ, in seconds.
const LEEWAY: u64 = 60;
/// Longest token that is looked at; Firebase's own have about a kilobyte.
const MAX_TOKEN: usize = 8 * 1024;
/// Longest id of a user that Firebase gives.
const MAX_USER_ID: usize = 128;
/// How often keys are fetched at most, in milliseconds: anybody can make up a token with an unknown key.
const FETCH_PAUSE: u64 = 30_000;
/// The same while there are no keys at all.
const FIRST_FETCH_PAUSE: u64 = 1_000;
/// How long keys are used that can't be renewed, in milliseconds.
const STALE: u64 = 3_600_000;
/// How long keys are good for when the answer doesn't say, in seconds.
const DEFAULT_MAX_AGE: u64 = 3_600;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_KEYS_BYTES: usize = 64 * 1024;

/// How tokens are judged.
#[derive(Debug, Clone)]
pub struct FirebaseSettings {
    /// The Firebase project that customers sign in to.
    pub project_id: String,
    /// Where the keys are: [`GOOGLE_KEYS_URL`], or a server of a test.
    pub keys_url: String,
    /// Also accept the unsigned tokens of Firebase's Auth emulator. Anybody can make those: for development only.
    pub emulator_tokens: bool,
}

/// A customer, as the token says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a token isn't accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirebaseError {
    /// The token isn't good; the caller has to get another one.
    #[error("the ID token is not valid: {0}")]
    Invalid(&'static str),
    /// Nobody can tell: Google's keys can't be fetched. Try again.
    #[error("ID tokens can't be checked now: {0}")]
    Unavailable(String),
}

/// Verifies ID tokens.
pub struct FirebaseVerifier {
    settings: FirebaseSettings,
    clock: Clock,
    http: reqwest::Client,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    /// In milliseconds, as the clock tells them.
    expires: u64,
    tried: Option<u64>,
    trouble: String,
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
            settings,
            clock,
            http: reqwest::Client::new(),
            keys: Mutex::default(),
        }
    }

    /// Who presents the token.
    pub async fn verify(&self, token: &str) -> Result<UserId, FirebaseError> {
        if token.len() > MAX_TOKEN {
            return Err(FirebaseError::Invalid("it is too long"));
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
        let key = self.key(&header.kid.unwrap_or_default()).await?;
        let mut rules = Validation::new(Algorithm::RS256);
        // Times and names are judged below, by a clock that tests can set.
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, &rules)
            .map_err(|_| FirebaseError::Invalid("its signature or its claims are wrong"))?;
        self.judge(decoded.claims)
    }

    fn judge(&self, claims: Claims) -> Result<UserId, FirebaseError> {
        let now = self.clock.millis() / 1_000;
        let project = &self.settings.project_id;
        let wrong = if claims.iss != format!("https://securetoken.google.com/{project}") {
            "it is of another issuer"
        } else if claims.aud != *project {
            "it is for another project"
        } else if claims.exp.saturating_add(LEEWAY) <= now {
            "it has expired"
        } else if claims.iat > now + LEEWAY || claims.auth_time > now + LEEWAY {
            "it is from the future"
        } else if claims.sub.is_empty() || claims.sub.len() > MAX_USER_ID {
            "it names no user"
        } else {
            return Ok(UserId(claims.sub));
        };
        Err(FirebaseError::Invalid(wrong))
    }

    async fn key(&self, id: &str) -> Result<DecodingKey, FirebaseError> {
        // Held while keys are fetched: everybody else waits for the same answer.
        let mut keys = self.keys.lock().await;
        let now = self.clock.millis();
        if !(keys.by_id.contains_key(id) && now < keys.expires) {
            let pause = if keys.by_id.is_empty() {
                FIRST_FETCH_PAUSE
            } else {
                FETCH_PAUSE
            };
            // A clock that was set back counts as time that has passed.
            if keys
                .tried
                .is_none_or(|tried| now < tried || now >= tried + pause)
            {
                keys.tried = Some(now);
                match self.fetch().await {
                    Ok((by_id, max_age)) => {
                        keys.by_id = by_id;
                        keys.expires = now + max_age * 1_000;
                        keys.trouble.clear();
                    }
                    Err(error) => {
                        tracing::warn!(error, "Google's keys for ID tokens can't be fetched");
                        keys.trouble = error;
                    }
                }
            }
        }
        if now >= keys.expires.saturating_add(STALE) {
            return Err(FirebaseError::Unavailable(keys.trouble.clone()));
        }
        keys.by_id
            .get(id)
            .cloned()
            .ok_or(FirebaseError::Invalid("its key is unknown"))
    }

    async fn fetch(&self) -> Result<(HashMap<String, DecodingKey>, u64), String> {
        let fetching = async {
            let response = self
                .http
                .get(&self.settings.keys_url)
                .send()
                .await?
                .error_for_status()?;
            let max_age = response
                .headers()
                .get(CACHE_CONTROL)
                .and_then(|value| max_age(value.to_str().ok()?));
            Ok::<_, reqwest::Error>((response.bytes().await?, max_age.unwrap_or(DEFAULT_MAX_AGE)))
        };
        let (body, max_age) = tokio::time::timeout(FETCH_TIMEOUT, fetching)
            .await
            .map_err(|_| "no answer in time".to_owned())?
            .map_err(|error| error.to_string())?;
        if body.len() > MAX_KEYS_BYTES {
            return Err("the answer is too long".to_owned());
        }
        let set: JwkSet = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let keys: HashMap<_, _> = set
            .keys
            .iter()
            .filter_map(|key| Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?)))
            .collect();
        if keys.is_empty() {
            return Err("the answer has no keys".to_owned());
        }
        Ok((keys, max_age.clamp(60, 24 * 3_600)))
    }
}

fn read<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, FirebaseError> {
    let json = BASE64
        .decode(part)
        .map_err(|_| FirebaseError::Invalid("it is not a JWT"))?;
    serde_json::from_slice(&json)
        .map_err(|_| FirebaseError::Invalid("it lacks what an ID token has"))
}

fn max_age(header: &str) -> Option<u64> {
    header
        .split(',')
        .find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
}

#[cfg(test)]
#[path = "firebase_tests.rs"]
mod tests;
