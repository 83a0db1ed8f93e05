//! Secrets that all instances share.

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;

use super::documents::Accounts;
use crate::firestore::fields::{fields, text_of};
use crate::firestore::value;
use crate::firestore::writes::put;
use crate::store::StoreError;

/// Collection of secrets, by name.
const SECRETS: &str = "orderbell_secrets";

impl Accounts {
    pub(super) async fn secret(&self, name: &str, fresh: &str) -> Result<String, StoreError> {
        let values = fields([("value", value::text(fresh))]);
        let read = || async {
            let kept = self.document(SECRETS, name).await?;
            Ok::<_, StoreError>(kept.map(|document| text_of(&document.fields, "value")))
        };
        if let Some(kept) = read().await? {
            return Ok(kept);
        }
        let create = put(
            self.database.name(SECRETS, name),
            values,
            Some(ConditionType::Exists(false)),
        );
        if self.write(vec![create]).await? {
            return Ok(fresh.to_owned());
        }
        // Another instance was faster.
        read().await?.ok_or(StoreError::NotFound)
    }
}
