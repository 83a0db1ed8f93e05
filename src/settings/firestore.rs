//! `firestore.*`: the store on Cloud Firestore.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::fields::{Fields, SettingsError};
use crate::firestore::{Access, FirestoreSettings};

/// Variable with the JSON key of a service account in Base64, which fits in one line.
const SERVICE_ACCOUNT: &str = "FIREBASE_SERVICE_ACCOUNT_BASE64";

/// `firestore.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawFirestore {
    /// The Google Cloud project; empty if not set.
    pub(super) project_id: String,
    database_id: String,
    collection: String,
}

/// Environment variables of Google's tools and hosts, which aren't settings of this program.
pub(super) struct GoogleVariables {
    emulator: Option<String>,
    service_account: Option<SecretString>,
}

impl GoogleVariables {
    pub(super) fn of(environment: &BTreeMap<String, String>) -> Self {
        let set = |name| {
            environment
                .get(name)
                .filter(|value: &&String| !value.is_empty())
                .cloned()
        };
        Self {
            emulator: set("FIRESTORE_EMULATOR_HOST"),
            service_account: set(SERVICE_ACCOUNT).map(Into::into),
        }
    }
}

impl RawFirestore {
    pub(super) fn check(
        &self,
        fields: &Fields,
        google: &GoogleVariables,
    ) -> Result<FirestoreSettings, SettingsError> {
        for (key, value) in [
            ("firestore.project_id", &self.project_id),
            ("firestore.database_id", &self.database_id),
            ("firestore.collection", &self.collection),
        ] {
            if value.is_empty() || value.contains('/') {
                return Err(fields.bad(key, "must be set, and must not contain a slash"));
            }
        }
        let access = match (&google.emulator, &google.service_account) {
            (Some(host), _) => Access::Emulator(host.clone()),
            (None, Some(key)) => Access::ServiceAccount(service_account(key)?),
            (None, None) => Access::Default,
        };
        Ok(FirestoreSettings {
            database_id: self.database_id.clone(),
            collection: self.collection.clone(),
            ..FirestoreSettings::new(&self.project_id, access)
        })
    }
}

/// Decodes the JSON key of a service account. Ignores spaces and line ends in the Base64.
fn service_account(base64: &SecretString) -> Result<SecretString, SettingsError> {
    let bad = |problem: &str| {
        SettingsError(format!(
            "the environment variable {SERVICE_ACCOUNT} {problem}"
        ))
    };
    let compact: String = base64.expose_secret().split_whitespace().collect();
    let bytes = BASE64
        .decode(compact)
        .map_err(|_| bad("must be Base64, and isn't"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| bad("must be a JSON key in Base64: its content isn't text"))?;
    if !text.trim_start().starts_with('{') {
        return Err(bad("must be a JSON key in Base64: its content isn't JSON"));
    }
    Ok(text.into())
}
