use async_trait::async_trait;

use super::accounts::SECRETS;
use super::connection::{put, unchanged};
use super::records::{fields, text_of};
use super::{FirestoreStore, value};
use crate::store::{SecretStore, StoreError};

#[async_trait]
impl SecretStore for FirestoreStore {
    async fn read_secret(&self, name: &str) -> Result<Option<String>, StoreError> {
        let kept = self.document(SECRETS, name).await?;
        Ok(kept.map(|document| text_of(&document.fields, "value")))
    }

    /// Two calls: the precondition is the document's update time.
    async fn replace_secret(
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
        let name_in_store = self.connection.name(SECRETS, name);
        let write = put(name_in_store, values, Some(unchanged(kept.as_ref())));
        if self.write(vec![write]).await? {
            return Ok(true);
        }
        // A commit whose answer was lost is repeated, and then finds its own document.
        Ok(self.read_secret(name).await?.as_deref() == Some(value))
    }
}
