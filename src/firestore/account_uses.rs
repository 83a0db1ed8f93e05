//! Records the use of sessions and tokens.

use firestore::gcloud_sdk::google::firestore::v1::Write;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;

use super::FirestoreStore;
use super::connection::{patch, unchanged};
use super::fault::Fault;
use super::records::{FINGERPRINT, Fields, bytes, fields, time};
use super::usage::Cause;
use crate::store::{Digest, SessionUse, StoreError};

impl FirestoreStore {
    /// See [`AccountStore::touch_session`](crate::store::AccountStore::touch_session).
    pub(super) async fn mark_session(&self, id: &str, used: SessionUse) -> Result<(), StoreError> {
        let times = fields([
            ("seenAt", time(used.seen_at)),
            ("expiresAt", time(used.expires_at)),
        ]);
        let names = self.session_names(id).await?;
        let writes = match used.password {
            None => names.into_iter().map(|name| mark(name, &times)).collect(),
            Some(fingerprint) => self.first_fingerprints(names, &times, &fingerprint).await?,
        };
        self.mark_all(writes).await
    }

    /// Writes that give a fingerprint to the sessions without one. Their precondition is that the session is as it was read: a
    /// change of password may write a newer fingerprint meanwhile.
    async fn first_fingerprints(
        &self,
        names: Vec<String>,
        times: &Fields,
        fingerprint: &Digest,
    ) -> Result<Vec<Write>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.connection.get(names, Cause::Lookup).await;
        let found = found.map_err(Fault::into_error)?.into_iter().flatten();
        Ok(found
            .map(|document| {
                if document.fields.contains_key(FINGERPRINT) {
                    return mark(document.name, times);
                }
                let condition = unchanged(Some(&document));
                let mut values = times.clone();
                values.insert(FINGERPRINT.to_owned(), bytes(fingerprint));
                patch_all(document.name, &values, condition)
            })
            .collect())
    }

    /// See [`AccountStore::touch_token`](crate::store::AccountStore::touch_token).
    pub(super) async fn mark_token(&self, id: &str, used_at: u64) -> Result<(), StoreError> {
        let values = fields([("usedAt", time(used_at))]);
        let names = self.token_names(id).await?;
        let writes = names.into_iter().map(|name| mark(name, &values)).collect();
        self.mark_all(writes).await
    }

    /// Commits the writes. Changes nothing if the session or token has ended meanwhile, or has changed and the write depends on
    /// that.
    async fn mark_all(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if !writes.is_empty() {
            self.write(writes).await?;
        }
        Ok(())
    }
}

/// Updates a session or token only if it exists: one that has ended meanwhile must not come back.
fn mark(name: String, values: &Fields) -> Write {
    patch_all(name, values, ConditionType::Exists(true))
}

fn patch_all(name: String, values: &Fields, condition: ConditionType) -> Write {
    let mask: Vec<&str> = values.keys().map(String::as_str).collect();
    patch(name, values.clone(), &mask, condition)
}
