//! `store.*`: which store, and how much of it is held in memory.

use std::path::PathBuf;

use serde::Deserialize;

use super::fields::{Fields, SettingsError};
use crate::firestore::FirestoreSettings;
use crate::orders::WindowLimits;

/// `store.*`, and the section of the store that it names.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The store.
    pub kind: StoreKind,
    /// Limits of the orders held in memory.
    pub window: WindowLimits,
}

/// The store to use.
#[derive(Debug, Clone)]
pub enum StoreKind {
    /// SQLite in this file.
    Embedded(PathBuf),
    /// Cloud Firestore.
    Firestore(FirestoreSettings),
}

/// `store.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawStore {
    kind: String,
    window: u64,
    max_open: u64,
    window_mib: u64,
}

impl RawStore {
    /// `embedded` and `firestore` check the section of that store. Only the one named by `store.kind` is called, so the other
    /// section may hold anything.
    pub(super) fn check(
        &self,
        fields: &Fields,
        embedded: impl FnOnce() -> Result<PathBuf, SettingsError>,
        firestore: impl FnOnce() -> Result<FirestoreSettings, SettingsError>,
    ) -> Result<StoreSettings, SettingsError> {
        Ok(StoreSettings {
            kind: match self.kind.as_str() {
                "embedded" => StoreKind::Embedded(embedded()?),
                "firestore" => StoreKind::Firestore(firestore()?),
                other => {
                    return Err(fields.bad(
                        "store.kind",
                        format_args!("must be \"embedded\" or \"firestore\", not {other:?}"),
                    ));
                }
            },
            window: WindowLimits {
                orders: fields.range("store.window", self.window, 1..=10_000)?,
                open: fields.range("store.max_open", self.max_open, 0..=10_000)?,
                bytes: fields.range::<usize>("store.window_mib", self.window_mib, 1..=4_096)? << 20,
            },
        })
    }
}
