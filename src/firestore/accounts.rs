use async_trait::async_trait;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, StructuredQuery, Write};
use sha2::{Digest as _, Sha256};

use super::FirestoreStore;
use super::account_directory::Contents;
use super::connection::{commit_micros, delete, patch, put, server_time, unchanged};
use super::fault::{Fault, FaultKind};
use super::records::{
    FCM_TOKEN, FCM_TOKEN_UPDATED, Fields, fields, hex, read_admin, read_session, read_token,
    session_fields, text_of, time,
};
use super::usage::Cause;
use super::{query, value};
use crate::store::{
    AccountStore, Admin, Digest, NewAdmin, NewPassword, NewSession, PasswordScheme, Session,
    SessionUse, StoreError, Token, random_id,
};

/// Collection of admins, shared with the other programs of the shop.
pub(super) const ADMINS: &str = "admins";
/// Collection with one document per e-mail address in use, by its SHA-256, which makes addresses unique.
const EMAILS: &str = "orderbell_emails";
/// Collection of sessions, by hexadecimal digest.
pub(super) const SESSIONS: &str = "orderbell_sessions";
/// Collection of tokens, by hexadecimal digest.
pub(super) const TOKENS: &str = "orderbell_tokens";
/// Collection of secrets, by name.
pub(super) const SECRETS: &str = "orderbell_secrets";
/// Maximum number of admins, of tokens, and of sessions of one admin.
const MOST: usize = 500;
/// Repetitions of a write of unknown outcome. Every write can be repeated: the second time changes nothing more.
const REPEATS: u32 = 3;

impl FirestoreStore {
    pub(super) async fn document(
        &self,
        collection: &str,
        id: &str,
    ) -> Result<Option<Document>, StoreError> {
        if !is_id(id) {
            return Ok(None);
        }
        let name = self.connection.name(collection, id);
        self.connection
            .get_one(name, Cause::Lookup)
            .await
            .map_err(Fault::into_error)
    }

    pub(super) async fn documents(
        &self,
        query: StructuredQuery,
    ) -> Result<Vec<Document>, StoreError> {
        self.connection
            .query(query, Cause::Lookup)
            .await
            .map_err(Fault::into_error)
    }

    /// Documents of a collection whose field `name` is `text`.
    pub(super) async fn with_text(
        &self,
        collection: &str,
        name: &str,
        text: &str,
    ) -> Result<Vec<Document>, StoreError> {
        self.documents(query::equal(collection, name, value::text(text), MOST))
            .await
    }

    /// Commits, and repeats that if the answer is lost. `false` if a precondition doesn't hold.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        let mut repeats = 0;
        loop {
            match self.connection.commit(writes.clone()).await {
                Ok(response) => {
                    let names = writes.iter().filter_map(name_of);
                    self.accounts.wrote(names, commit_micros(&response));
                    return Ok(true);
                }
                Err(fault) if fault.kind == FaultKind::Conflict => return Ok(false),
                Err(fault) if fault.maybe_done && repeats < REPEATS => repeats += 1,
                Err(fault) => return Err(fault.into_error()),
            }
        }
    }

    /// Changes some fields of an existing document; `false` if there is none.
    async fn set(&self, collection: &str, id: &str, values: Fields) -> Result<bool, StoreError> {
        if !is_id(id) {
            return Ok(false);
        }
        let mask: Vec<&str> = values.keys().map(String::as_str).collect();
        let name = self.connection.name(collection, id);
        let write = patch(name, values.clone(), &mask, ConditionType::Exists(true));
        self.write(vec![write]).await
    }

    /// Prefix of the names of a collection's documents.
    fn prefix(&self, collection: &str) -> String {
        self.connection.name(collection, "")
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

#[async_trait]
impl AccountStore for FirestoreStore {
    fn watch_accounts(&self) {
        self.listen_to_accounts();
    }

    fn generation(&self) -> Option<u64> {
        self.accounts.generation()
    }

    fn answers_from_memory(&self) -> bool {
        self.accounts.is_live()
    }

    fn password_scheme(&self) -> PasswordScheme {
        PasswordScheme::Werkzeug
    }

    async fn admin_by_email(&self, email: &str) -> Result<Option<Admin>, StoreError> {
        let find = |contents: &Contents| contents.admin_by_email(email);
        if let Some(known) = self.accounts.look_through(&self.prefix(ADMINS), find) {
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

    async fn admin_by_id(&self, id: &str) -> Result<Option<Admin>, StoreError> {
        let name = self.connection.name(ADMINS, id);
        let find = |contents: &Contents| contents.admin_by_id(id);
        if let Some(known) = self.accounts.look_up(&name, find) {
            return Ok(known);
        }
        Ok(self.document(ADMINS, id).await?.as_ref().map(read_admin))
    }

    async fn admins(&self) -> Result<Vec<Admin>, StoreError> {
        let all = |contents: &Contents| {
            let admins = contents.admins.iter().take(MOST);
            admins.map(|admin| Admin::clone(admin)).collect()
        };
        if let Some(known) = self.accounts.look_through(&self.prefix(ADMINS), all) {
            return Ok(known);
        }
        self.read_admins().await
    }

    async fn add_admin(&self, admin: NewAdmin) -> Result<Admin, StoreError> {
        let id = random_id();
        let claim_id = hex(&Sha256::digest(admin.email.to_lowercase()));
        let claim = self.document(EMAILS, &claim_id).await?;
        // The claim of a removed admin may be taken over.
        if self.has_email(&admin.email).await? {
            return Err(StoreError::Exists);
        }
        let writes = vec![
            put(
                self.connection.name(EMAILS, &claim_id),
                fields([("adminId", value::text(&id))]),
                Some(unchanged(claim.as_ref())),
            ),
            put(
                self.connection.name(ADMINS, &id),
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

    async fn set_admin_disabled(&self, id: &str, disabled: bool) -> Result<(), StoreError> {
        let values = fields([("disabled", value::wire(ValueType::BooleanValue(disabled)))]);
        if !self.set(ADMINS, id, values).await? {
            return Err(StoreError::NotFound);
        }
        if disabled {
            self.end_sessions(id, None).await?;
        }
        Ok(())
    }

    async fn set_password(&self, id: &str, new: NewPassword) -> Result<bool, StoreError> {
        self.replace_password(id, &new).await
    }

    async fn set_fcm_token(&self, id: &str, token: &str) -> Result<(), StoreError> {
        if !is_id(id) {
            return Err(StoreError::NotFound);
        }
        let name = self.connection.name(ADMINS, id);
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

    async fn begin_session(&self, new: NewSession) -> Result<(), StoreError> {
        let mut writes: Vec<Write> = self
            .superseded(&new.session)
            .await?
            .into_iter()
            .map(|name| delete(name, None))
            .collect();
        let name = self.connection.name(SESSIONS, &hex(&new.digest));
        writes.push(put(name, session_fields(&new.session), None));
        self.write(writes).await?;
        Ok(())
    }

    async fn session(&self, digest: &Digest) -> Result<Option<Session>, StoreError> {
        let id = hex(digest);
        let name = self.connection.name(SESSIONS, &id);
        let find = |contents: &Contents| contents.sessions.get(&id).cloned();
        // An unknown session may have begun a moment ago on another instance.
        if let Some(Some(known)) = self.accounts.look_up(&name, find) {
            return Ok(Some(Session::clone(&known)));
        }
        Ok(self
            .document(SESSIONS, &id)
            .await?
            .as_ref()
            .map(read_session))
    }

    async fn session_and_admin(
        &self,
        digest: &Digest,
        admin_id: &str,
    ) -> Result<Option<(Session, Admin)>, StoreError> {
        if !is_id(admin_id) {
            return Ok(None);
        }
        let names = vec![
            self.connection.name(SESSIONS, &hex(digest)),
            self.connection.name(ADMINS, admin_id),
        ];
        let found = self.connection.get(names, Cause::Lookup).await;
        let found = found.map_err(Fault::into_error)?;
        Ok(match found.as_slice() {
            [Some(session), Some(admin)] => Some((read_session(session), read_admin(admin))),
            _ => None,
        })
    }

    async fn touch_session(&self, id: &str, used: SessionUse) -> Result<(), StoreError> {
        self.mark_session(id, used).await
    }

    async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        let found = self.session_names(id).await?;
        let writes: Vec<Write> = found.into_iter().map(|name| delete(name, None)).collect();
        if !writes.is_empty() {
            self.write(writes).await?;
        }
        Ok(())
    }

    async fn end_sessions(&self, admin_id: &str, keep: Option<&str>) -> Result<u64, StoreError> {
        let found = self.with_text(SESSIONS, "adminId", admin_id).await?;
        let writes: Vec<Write> = found
            .into_iter()
            .filter(|document| keep.is_none_or(|keep| text_of(&document.fields, "id") != keep))
            .map(|document| delete(document.name, None))
            .collect();
        let ended = writes.len() as u64;
        if ended > 0 {
            self.write(writes).await?;
        }
        Ok(ended)
    }

    async fn sessions(&self, admin_id: &str) -> Result<Vec<Session>, StoreError> {
        let found = self.with_text(SESSIONS, "adminId", admin_id).await?;
        let mut sessions: Vec<Session> = found.iter().map(read_session).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        Ok(sessions)
    }

    async fn add_token(&self, token: Token, digest: Digest) -> Result<(), StoreError> {
        let mut values = fields([
            ("id", value::text(token.id)),
            ("name", value::text(token.name)),
            ("createdAt", time(token.created_at)),
        ]);
        if let Some(admin_id) = token.admin_id {
            values.insert("adminId".to_owned(), value::text(admin_id));
        }
        self.write(vec![put(
            self.connection.name(TOKENS, &hex(&digest)),
            values,
            None,
        )])
        .await?;
        Ok(())
    }

    async fn token(&self, digest: &Digest) -> Result<Option<Token>, StoreError> {
        let id = hex(digest);
        let name = self.connection.name(TOKENS, &id);
        let find = |contents: &Contents| contents.tokens.get(&id).cloned();
        if let Some(known) = self.accounts.look_up(&name, find) {
            return Ok(known.map(|token| Token::clone(&token)));
        }
        Ok(self.document(TOKENS, &id).await?.as_ref().map(read_token))
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let documents = self.documents(query::all(TOKENS, MOST)).await?;
        let mut tokens: Vec<Token> = documents.iter().map(read_token).collect();
        tokens.sort_by_key(|token| token.created_at);
        Ok(tokens)
    }

    async fn touch_token(&self, id: &str, used_at: u64) -> Result<(), StoreError> {
        self.mark_token(id, used_at).await
    }

    async fn revoke_token(&self, id: &str) -> Result<(), StoreError> {
        let found = self.with_text(TOKENS, "id", id).await?;
        if found.is_empty() {
            return Err(StoreError::NotFound);
        }
        self.write(
            found
                .into_iter()
                .map(|document| delete(document.name, None))
                .collect(),
        )
        .await?;
        Ok(())
    }

    async fn secret(&self, name: &str, fresh: &str) -> Result<String, StoreError> {
        let values = fields([("value", value::text(fresh))]);
        let read = || async {
            let kept = self.document(SECRETS, name).await?;
            Ok::<_, StoreError>(kept.map(|document| text_of(&document.fields, "value")))
        };
        if let Some(kept) = read().await? {
            return Ok(kept);
        }
        let create = put(
            self.connection.name(SECRETS, name),
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

pub(super) fn same_email(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// Name of the document that a write changes.
fn name_of(write: &Write) -> Option<String> {
    match write.operation.as_ref()? {
        Operation::Update(document) => Some(document.name.clone()),
        Operation::Delete(name) => Some(name.clone()),
        Operation::Transform(_) => None,
    }
}

/// Whether `id` can be a document's id. Callers pass any text as an admin's id; no admin has one that can't.
pub(super) fn is_id(id: &str) -> bool {
    crate::orders::OrderId::parse(id).is_ok()
}
