//! Admins.

use firestore::gcloud_sdk::google::firestore::v1::Write;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use sha2::{Digest as _, Sha256};

use super::directory::{AccountSnapshot, same_email};
use super::documents::{ADMINS, Accounts, MOST, is_id};
use super::records::{FCM_TOKEN, FCM_TOKEN_UPDATED, read_admin};
use crate::firestore::fields::fields;
use crate::firestore::writes::{patch, put, server_time, unchanged};
use crate::firestore::{query, value};
use crate::store::{Admin, NewAdmin, StoreError, random_id};

/// Collection with one document per e-mail address in use, by its SHA-256, which makes addresses unique.
const EMAILS: &str = "orderbell_emails";

impl Accounts {
    pub(super) async fn admin_by_email(&self, email: &str) -> Result<Option<Admin>, StoreError> {
        let find = |contents: &AccountSnapshot| contents.admin_by_email(email);
        if let Some(known) = self.directory.look_through(&self.prefix(ADMINS), find) {
            return Ok(known);
        }
        // Most people type their address as it was entered: then one read is enough.
        let exact = self.with_text(ADMINS, "email", email).await?;
        if let Some(document) = exact.first() {
            return Ok(Some(read_admin(document)));
        }
        let mut admins = self.read_admins().await?.into_iter();
        Ok(admins.find(|admin| same_email(&admin.email, email)))
    }

    pub(super) async fn admin_by_id(&self, id: &str) -> Result<Option<Admin>, StoreError> {
        let name = self.database.name(ADMINS, id);
        let find = |contents: &AccountSnapshot| contents.admin_by_id(id);
        if let Some(known) = self.directory.look_up(&name, find) {
            return Ok(known);
        }
        Ok(self.document(ADMINS, id).await?.as_ref().map(read_admin))
    }

    pub(super) async fn admins(&self) -> Result<Vec<Admin>, StoreError> {
        let all = |contents: &AccountSnapshot| {
            let admins = contents.admins.iter().take(MOST);
            admins.map(|admin| Admin::clone(admin)).collect()
        };
        if let Some(known) = self.directory.look_through(&self.prefix(ADMINS), all) {
            return Ok(known);
        }
        self.read_admins().await
    }

    pub(super) async fn add_admin(&self, admin: NewAdmin) -> Result<Admin, StoreError> {
        let id = random_id();
        let claim_id = hex::encode(Sha256::digest(admin.email.to_lowercase()));
        let claim = self.document(EMAILS, &claim_id).await?;
        // The claim of a removed admin may be taken over.
        if self.has_email(&admin.email).await? {
            return Err(StoreError::Exists);
        }
        let writes = vec![
            put(
                self.database.name(EMAILS, &claim_id),
                fields([("adminId", value::text(&id))]),
                Some(unchanged(claim.as_ref())),
            ),
            put(
                self.database.name(ADMINS, &id),
                fields([
                    ("email", value::text(&admin.email)),
                    ("name", value::text(&admin.name)),
                    ("password", value::text(&admin.password_hash)),
                    ("disabled", value::wire(ValueType::BooleanValue(false))),
                ]),
                Some(ConditionType::Exists(false)),
            ),
        ];
        if !self.write(writes).await? && self.document(ADMINS, &id).await?.is_none() {
            return Err(StoreError::Exists);
        }
        Ok(Admin {
            id,
            email: admin.email,
            name: admin.name,
            password_hash: admin.password_hash,
            disabled: false,
            fcm_token: None,
        })
    }

    /// Sets the flag alone: the sessions of a disabled admin are ended by the caller.
    pub(super) async fn set_disabled(&self, id: &str, disabled: bool) -> Result<(), StoreError> {
        let values = fields([("disabled", value::wire(ValueType::BooleanValue(disabled)))]);
        if !self.set(ADMINS, id, values).await? {
            return Err(StoreError::NotFound);
        }
        Ok(())
    }

    pub(super) async fn set_fcm_token(&self, id: &str, token: &str) -> Result<(), StoreError> {
        if !is_id(id) {
            return Err(StoreError::NotFound);
        }
        let name = self.database.name(ADMINS, id);
        let values = fields([(FCM_TOKEN, value::text(token))]);
        let write = Write {
            update_transforms: vec![server_time(FCM_TOKEN_UPDATED)],
            ..patch(name, values, &[FCM_TOKEN], ConditionType::Exists(true))
        };
        if self.write(vec![write]).await? {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// All admins by e-mail address, read from the store.
    async fn read_admins(&self) -> Result<Vec<Admin>, StoreError> {
        let documents = self.documents(query::all(ADMINS, MOST)).await?;
        let mut admins: Vec<Admin> = documents.iter().map(read_admin).collect();
        admins.sort_by_cached_key(|admin| admin.email.to_lowercase());
        Ok(admins)
    }

    async fn has_email(&self, email: &str) -> Result<bool, StoreError> {
        let admins = self.read_admins().await?;
        Ok(admins.iter().any(|admin| same_email(&admin.email, email)))
    }
}
