use async_trait::async_trait;

use super::StoreError;

/// Named texts that all instances on the same store share and replace one at a time: keys, certificates, and who renews them.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// The text stored under `name`, read from the store, never from memory.
    async fn read_secret(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Stores `value` under `name` if the text there is still `expected` (`None`: if there is none). Returns `false` and changes
    /// nothing otherwise.
    async fn replace_secret(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, StoreError>;
}
