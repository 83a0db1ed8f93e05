//! Google's keys for ID tokens: fetched on demand in a task of their own, one fetch at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use reqwest::header::CACHE_CONTROL;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::error::FirebaseError;
use crate::clock::Clock;

/// Minimum time between fetches, in milliseconds: any client can send a token with an unknown key id.
const FETCH_PAUSE: u64 = 30_000;
/// The same before the first successful fetch.
const FIRST_FETCH_PAUSE: u64 = 1_000;
/// How long expired keys are still used when they can't be renewed, in milliseconds.
const STALE: u64 = 3_600_000;
/// How long keys are valid when the response has no `max-age`, in seconds.
const DEFAULT_MAX_AGE: u64 = 3_600;
/// Time limit of a whole fetch, and so of the wait for it.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum length of the response; Google's has about four kilobytes.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum number of verifications that wait for a fetch; more are refused at once.
pub(super) const MAX_WAITING: usize = 200;

type KeysById = HashMap<String, DecodingKey>;

/// Cache of the keys, which fetches them when needed.
pub(super) struct Keys {
    url: String,
    clock: Clock,
    http: reqwest::Client,
    /// Never held across an await.
    known: Mutex<Known>,
    waiting: Semaphore,
}

#[derive(Default)]
struct Known {
    by_id: KeysById,
    /// In milliseconds of the clock.
    expires: u64,
    tried: Option<u64>,
    trouble: String,
    /// Closed when the running fetch has ended.
    fetching: Option<watch::Receiver<()>>,
}

impl Keys {
    /// An empty cache of the keys at `url`.
    pub(super) fn new(url: String, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            url,
            clock,
            http: reqwest::Client::new(),
            known: Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
        })
    }

    /// The key with this id.
    ///
    /// A known key is returned at once, also during a fetch. For an unknown one, all callers wait for the same fetch.
    pub(super) async fn get(self: &Arc<Self>, id: &str) -> Result<DecodingKey, FirebaseError> {
        let fetching = {
            let now = self.clock.millis();
            let mut known = self.known();
            let found = known.usable(now).and_then(|keys| keys.get(id)).cloned();
            if found.is_none() || now >= known.expires {
                self.fetch_unless_tried(&mut known, now);
            }
            if let Some(key) = found {
                return Ok(key);
            }
            known.fetching.clone()
        };
        if let Some(mut fetching) = fetching {
            let Ok(_place) = self.waiting.try_acquire() else {
                return Err(FirebaseError::Unavailable(
                    "too many requests wait for Google's keys".to_owned(),
                ));
            };
            // An error means that the fetch has ended.
            let _ = timeout(FETCH_TIMEOUT, fetching.changed()).await;
        }
        let known = self.known();
        match known.usable(self.clock.millis()) {
            Some(keys) => keys.get(id).cloned().ok_or(FirebaseError::Invalid(
                "it is signed with a key that Google doesn't list",
            )),
            None => Err(FirebaseError::Unavailable(known.trouble.clone())),
        }
    }

    #[cfg(test)]
    pub(super) fn is_fetching(&self) -> bool {
        self.known().fetching.is_some()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a fetch, unless one runs or it is too early for another.
    fn fetch_unless_tried(self: &Arc<Self>, known: &mut Known, now: u64) {
        if known.fetching.is_some() || !known.may_try(now) {
            return;
        }
        known.tried = Some(now);
        let (ended, fetching) = watch::channel(());
        known.fetching = Some(fetching);
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            let ending = Ending(&keys);
            let fetched = timeout(FETCH_TIMEOUT, keys.fetch())
                .await
                .unwrap_or_else(|_| Err("the key server did not answer in time".to_owned()));
            keys.take(fetched, now);
            drop(ending);
            drop(ended);
        });
    }

    fn take(&self, fetched: Result<(KeysById, u64), String>, now: u64) {
        let mut known = self.known();
        match fetched {
            Ok((by_id, max_age)) => {
                known.by_id = by_id;
                known.expires = now + max_age * 1_000;
                known.trouble.clear();
            }
            Err(error) => {
                tracing::warn!(error, "can't fetch Google's keys for ID tokens");
                known.trouble = error;
            }
        }
    }

    async fn fetch(&self) -> Result<(KeysById, u64), String> {
        let (body, max_age) = self.download().await?;
        let set: JwkSet = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let keys: KeysById = set
            .keys
            .iter()
            .filter_map(|key| Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?)))
            .collect();
        if keys.is_empty() {
            return Err("the answer of the key server has no keys".to_owned());
        }
        Ok((keys, max_age.clamp(60, 24 * 3_600)))
    }

    /// The response body, and for how many seconds it is valid. Fails when it is too long.
    async fn download(&self) -> Result<(Vec<u8>, u64), String> {
        let text = |error: reqwest::Error| error.to_string();
        let mut response = self
            .http
            .get(&self.url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(text)?;
        let max_age = response
            .headers()
            .get(CACHE_CONTROL)
            .and_then(|value| max_age(value.to_str().ok()?));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(text)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err("the answer of the key server is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, max_age.unwrap_or(DEFAULT_MAX_AGE)))
    }
}

impl Known {
    /// The keys, unless they expired more than [`STALE`] ago.
    fn usable(&self, now: u64) -> Option<&KeysById> {
        (now < self.expires.saturating_add(STALE)).then_some(&self.by_id)
    }

    fn may_try(&self, now: u64) -> bool {
        let pause = if self.by_id.is_empty() {
            FIRST_FETCH_PAUSE
        } else {
            FETCH_PAUSE
        };
        // If the clock was set back, the pause counts as over.
        self.tried
            .is_none_or(|tried| now < tried || now >= tried + pause)
    }
}

/// Allows the next fetch when dropped, also after a panic.
struct Ending<'a>(&'a Keys);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.known().fetching = None;
    }
}

fn max_age(header: &str) -> Option<u64> {
    header
        .split(',')
        .find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
}
