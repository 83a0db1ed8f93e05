//! `embedded.*`: the store on SQLite.

use std::path::PathBuf;

use serde::Deserialize;

use super::fields::{Fields, SettingsError};

/// `embedded.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawEmbedded {
    path: String,
}

impl RawEmbedded {
    /// The path of the database file.
    pub(super) fn check(&self, fields: &Fields) -> Result<PathBuf, SettingsError> {
        if self.path.is_empty() {
            return Err(fields.bad("embedded.path", "must not be empty"));
        }
        Ok(PathBuf::from(&self.path))
    }
}
