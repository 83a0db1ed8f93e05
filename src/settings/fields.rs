//! Checks of single values for all sections, and the error of an invalid value.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

/// Maximum length of a secret, in bytes.
const MAX_SECRET: usize = 512;

/// Invalid settings; the text names the key and where it was set.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub(super) String);

/// Checks values; errors name where the value was set.
pub(super) struct Fields {
    /// The layer that last set each key.
    origins: BTreeMap<String, String>,
}

impl Fields {
    pub(super) fn new(origins: BTreeMap<String, String>) -> Self {
        Self { origins }
    }

    /// An error about the value of `key`. `problem` continues the sentence after the key and its origin: "must be …".
    pub(super) fn bad(&self, key: &str, problem: impl fmt::Display) -> SettingsError {
        let origin = self.origins.get(key).map_or("the settings", String::as_str);
        SettingsError(format!("setting `{key}` in {origin} {problem}"))
    }

    /// A whole number in the range `allowed`.
    pub(super) fn range<T: TryFrom<u64>>(
        &self,
        key: &str,
        value: u64,
        allowed: RangeInclusive<u64>,
    ) -> Result<T, SettingsError> {
        let problem = || {
            self.bad(
                key,
                format_args!(
                    "must be from {} to {}, not {value}",
                    allowed.start(),
                    allowed.end()
                ),
            )
        };
        if !allowed.contains(&value) {
            return Err(problem());
        }
        T::try_from(value).map_err(|_| problem())
    }

    /// Whole seconds in the range `allowed`.
    pub(super) fn seconds(
        &self,
        key: &str,
        value: u64,
        allowed: RangeInclusive<u64>,
    ) -> Result<Duration, SettingsError> {
        self.range(key, value, allowed).map(Duration::from_secs)
    }

    /// A secret of at least `at_least` bytes; `None` if it is empty, which means "not set".
    pub(super) fn secret(
        &self,
        key: &str,
        value: SecretString,
        at_least: usize,
    ) -> Result<Option<SecretString>, SettingsError> {
        match value.expose_secret().len() {
            0 => Ok(None),
            length if length < at_least => Err(self.bad(
                key,
                format_args!("must have at least {at_least} characters"),
            )),
            length if length > MAX_SECRET => Err(self.bad(
                key,
                format_args!("must have at most {MAX_SECRET} characters"),
            )),
            _ => Ok(Some(value)),
        }
    }

    /// Parses `true`, `false`, or `auto`, which means the value of `auto`.
    pub(super) fn switch(&self, key: &str, text: &str, auto: bool) -> Result<bool, SettingsError> {
        match text {
            "auto" => Ok(auto),
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(self.bad(
                key,
                format_args!("must be \"true\", \"false\" or \"auto\", not {other:?}"),
            )),
        }
    }
}

/// Splits a comma-separated list, and trims spaces.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}
