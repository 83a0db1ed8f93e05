//! `submit.*`: limits and authentication of customers' orders.

use serde::Deserialize;

use super::fields::{Fields, SettingsError};
use crate::auth::firebase::{FirebaseSettings, GOOGLE_KEYS_URL};

/// `submit.*`
#[derive(Debug, Clone)]
pub struct SubmitSettings {
    /// Who may place orders.
    pub auth: SubmitAuth,
    /// Maximum number of an order's items.
    pub max_items: usize,
    /// Maximum length of a body, in bytes.
    pub max_body: usize,
    /// Maximum number of submits per address and minute.
    pub per_minute: u32,
    /// Maximum number of these at once.
    pub burst: u32,
    /// Maximum number of submits per minute from all addresses.
    pub total_per_minute: u32,
}

/// Who may place orders.
#[derive(Debug, Clone)]
pub enum SubmitAuth {
    /// Anyone.
    Open,
    /// Customers with a Firebase ID token.
    Firebase(FirebaseSettings),
}

/// `submit.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawSubmit {
    auth: String,
    firebase_project_id: String,
    firebase_keys_url: String,
    firebase_emulator_tokens: bool,
    max_items: u64,
    max_kib: u64,
    per_minute: u64,
    burst: u64,
    total_per_minute: u64,
}

impl RawSubmit {
    /// `store_project` is `firestore.project_id`, the default project of ID tokens. Tokens of the Auth emulator are accepted
    /// only if the server `is_local`, that is, listens on loopback.
    pub(super) fn check(
        &self,
        fields: &Fields,
        store_project: &str,
        is_local: bool,
    ) -> Result<SubmitSettings, SettingsError> {
        let auth = match self.auth.as_str() {
            "open" => SubmitAuth::Open,
            "firebase" => SubmitAuth::Firebase(self.firebase(fields, store_project, is_local)?),
            other => {
                return Err(fields.bad(
                    "submit.auth",
                    format_args!("must be \"open\" or \"firebase\", not {other:?}"),
                ));
            }
        };
        Ok(SubmitSettings {
            auth,
            max_items: fields.range("submit.max_items", self.max_items, 1..=5_000)?,
            max_body: fields.range::<usize>("submit.max_kib", self.max_kib, 1..=1_024)? << 10,
            per_minute: fields.range("submit.per_minute", self.per_minute, 1..=1_000_000)?,
            burst: fields.range("submit.burst", self.burst, 1..=1_000_000)?,
            total_per_minute: fields.range(
                "submit.total_per_minute",
                self.total_per_minute,
                1..=1_000_000,
            )?,
        })
    }

    fn firebase(
        &self,
        fields: &Fields,
        store_project: &str,
        is_local: bool,
    ) -> Result<FirebaseSettings, SettingsError> {
        let emulator_tokens = self.firebase_emulator_tokens;
        if emulator_tokens && !is_local {
            return Err(fields.bad(
                "submit.firebase_emulator_tokens",
                "is only for development: it needs server.host = \"127.0.0.1\"",
            ));
        }
        let project = [self.firebase_project_id.as_str(), store_project]
            .into_iter()
            .find(|id| !id.is_empty());
        let keys_url = Some(self.firebase_keys_url.as_str()).filter(|url| !url.is_empty());
        Ok(FirebaseSettings {
            project_id: project.map(str::to_owned).ok_or_else(|| {
                fields.bad(
                    "submit.firebase_project_id",
                    "must be set, unless firestore.project_id is",
                )
            })?,
            keys_url: keys_url.unwrap_or(GOOGLE_KEYS_URL).to_owned(),
            emulator_tokens,
        })
    }
}
