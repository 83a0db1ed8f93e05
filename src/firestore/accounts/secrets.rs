//! Secrets that all instances share.

use super::documents::Accounts;
use crate::firestore::fields::{fields, text_of};
use crate::firestore::value;
use crate::firestore::writes::{put, unchanged};
use crate::store::StoreError;

/// Collection of secrets, by name.
const SECRETS: &str = "orderbell_secrets";

impl Accounts {
    pub(super) async fn secret(&self, name: &str, fresh: &str) -> Result<String, StoreError> {
        if let Some(kept) = self.read_secret(name).await? {
            return Ok(kept);
        }
        if self.replace_secret(name, None, fresh).await? {
            return Ok(fresh.to_owned());
        }
        // Another instance was faster.
        let kept = self.read_secret(name).await?;
        kept.ok_or(StoreError::NotFound)
    }

    pub(in crate::firestore) async fn read_secret(
        &self,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        let kept = self.document(SECRETS, name).await?;
        Ok(kept.map(|document| text_of(&document.fields, "value")))
    }

    /// Two calls: the precondition is the document's update time.
    pub(in crate::firestore) async fn replace_secret(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, StoreError> {
        let kept = self.document(SECRETS, name).await?;
        let text = kept
            .as_ref()
            .map(|document| text_of(&document.fields, "value"));
        if text.as_deref() != expected {
            return Ok(false);
        }
        let values = fields([("value", value::text(value))]);
        let name_in_store = self.database.name(SECRETS, name);
        let write = put(name_in_store, values, Some(unchanged(kept.as_ref())));
        if self.write(vec![write]).await? {
            return Ok(true);
        }
        // A commit whose answer was lost is repeated, and then finds its own document.
        Ok(self.read_secret(name).await?.as_deref() == Some(value))
    }
}
