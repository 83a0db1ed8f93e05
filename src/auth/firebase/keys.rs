//! Google's keys for ID tokens: fetched when they are needed, one fetch at a time, away from those who verify.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use reqwest::header::CACHE_CONTROL;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::FirebaseError;
use crate::clock::Clock;

/// How often keys are fetched at most, in milliseconds: any client can make up a token with an unknown key.
const FETCH_PAUSE: u64 = 30_000;
/// The same while there are no keys at all.
const FIRST_FETCH_PAUSE: u64 = 1_000;
/// How long keys are used that can't be renewed, in milliseconds.
const STALE: u64 = 3_600_000;
/// How long keys are good for when the answer doesn't say, in seconds.
const DEFAULT_MAX_AGE: u64 = 3_600;
/// For a whole fetch, and so for those that wait for it.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read; Google's has about four kilobytes.
const MAX_BYTES: usize = 64 * 1024;
/// Verifications that may wait for a fetch; more are refused at once.
pub(super) const MAX_WAITING: usize = 200;

type KeysById = HashMap<String, DecodingKey>;

/// The keys that are known, and the way to others.
pub(super) struct Keys {
    url: String,
    clock: Clock,
    http: reqwest::Client,
    /// Never held while something is awaited.
    known: Mutex<Known>,
    waiting: Semaphore,
}

#[derive(Default)]
struct Known {
    by_id: KeysById,
    /// In milliseconds, as the clock tells them.
    expires: u64,
    tried: Option<u64>,
    trouble: String,
    /// Closed when the fetch that runs has ended.
    fetching: Option<watch::Receiver<()>>,
}

impl Keys {
    /// Keys at `url`, none of them known yet.
    pub(super) fn new(url: String, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            url,
            clock,
            http: reqwest::Client::new(),
            known: Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
        })
    }

    /// The key called `id`.
    ///
    /// A known key is there at once, also while keys are fetched. For an unknown one, all callers wait for the same fetch.
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
                    "too many wait for Google's keys".to_owned(),
                ));
            };
            // An error means that the fetch has ended, which is what is waited for.
            let _ = timeout(FETCH_TIMEOUT, fetching.changed()).await;
        }
        let known = self.known();
        match known.usable(self.clock.millis()) {
            Some(keys) => keys
                .get(id)
                .cloned()
                .ok_or(FirebaseError::Invalid("its key is unknown")),
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
                .unwrap_or_else(|_| Err("no answer in time".to_owned()));
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
                tracing::warn!(error, "Google's keys for ID tokens can't be fetched");
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
            return Err("the answer has no keys".to_owned());
        }
        Ok((keys, max_age.clamp(60, 24 * 3_600)))
    }

    /// The answer's body, and for how many seconds it is good. Stops reading where it is too long.
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
                return Err("the answer is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, max_age.unwrap_or(DEFAULT_MAX_AGE)))
    }
}

impl Known {
    /// The keys, unless they have been out of date for too long.
    fn usable(&self, now: u64) -> Option<&KeysById> {
        (now < self.expires.saturating_add(STALE)).then_some(&self.by_id)
    }

    fn may_try(&self, now: u64) -> bool {
        let pause = if self.by_id.is_empty() {
            FIRST_FETCH_PAUSE
        } else {
            FETCH_PAUSE
        };
        // A clock that was set back counts as time that has passed.
        self.tried
            .is_none_or(|tried| now < tried || now >= tried + pause)
    }
}

/// Lets the next fetch begin, however this one ends.
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
