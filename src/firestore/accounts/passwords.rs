//! New passwords of admins.

use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;

use super::documents::{ADMINS, Accounts, is_id};
use super::records::{FINGERPRINT, read_admin};
use crate::firestore::fault::Fault;
use crate::firestore::fields::{bytes, fields};
use crate::firestore::usage::Cause;
use crate::firestore::value;
use crate::firestore::writes::{patch, unchanged};
use crate::store::{NewPassword, StoreError};

/// Maximum attempts at a write that fails because the admin, or the session to keep, has just changed.
const ATTEMPTS: u32 = 4;
/// `Retry-After` when all attempts have failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Accounts {
    /// See [`AccountStore::set_password`](crate::store::AccountStore::set_password). One commit, with the precondition that the
    /// admin is as it was read: other programs write the document as well.
    pub(super) async fn set_password(
        &self,
        id: &str,
        new: &NewPassword,
    ) -> Result<bool, StoreError> {
        if !is_id(id) {
            return Err(StoreError::NotFound);
        }
        for attempt in 0..ATTEMPTS {
            let mut names = vec![self.database.name(ADMINS, id)];
            if let Some((session, _)) = &new.session {
                names.extend(self.session_names(session).await?);
            }
            let found = self.database.get(names, Cause::Lookup).await;
            let mut found = found.map_err(Fault::into_error)?.into_iter();
            let document = found.next().flatten().ok_or(StoreError::NotFound)?;
            let admin = read_admin(&document);
            if attempt > 0 && admin.password_hash == new.hash {
                // The last attempt took effect; its answer was lost.
                return Ok(true);
            }
            let replaces = new.replaces.as_ref();
            if replaces.is_some_and(|replaced| *replaced != admin.password_hash) {
                return Ok(false);
            }
            let condition = unchanged(Some(&document));
            let values = fields([("password", value::text(&new.hash))]);
            let mut writes = vec![patch(document.name, values, &["password"], condition)];
            if let (Some((_, fingerprint)), Some(session)) = (&new.session, found.next().flatten())
            {
                let values = fields([(FINGERPRINT, bytes(fingerprint))]);
                let condition = ConditionType::Exists(true);
                writes.push(patch(session.name, values, &[FINGERPRINT], condition));
            }
            if self.write(writes).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Unavailable {
            reason: format!(
                "other programs keep changing the admin: {ATTEMPTS} attempts at a new password failed"
            ),
            retry_after: RETRY_AFTER,
        })
    }
}
