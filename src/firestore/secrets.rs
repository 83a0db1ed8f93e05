use async_trait::async_trait;

use super::FirestoreStore;
use crate::store::{SecretStore, StoreError};

#[async_trait]
impl SecretStore for FirestoreStore {
    async fn read_secret(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.accounts.read_secret(name).await
    }

    async fn replace_secret(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, StoreError> {
        self.accounts.replace_secret(name, expected, value).await
    }
}
