//! Admins, sessions and tokens: the calls of the port. Each file answers those about its subject, if possible from the
//! [`directory`] in memory. Methods of [`Accounts`] are documented at those of [`AccountStore`] with the same name.

mod admins;
mod directory;
mod documents;
mod passwords;
mod records;
mod secrets;
mod sessions;
mod stage;
mod tokens;
mod watch;

use std::sync::Arc;

use async_trait::async_trait;

use super::FirestoreStore;
use crate::store::{
    AccountStore, Admin, Digest, NewAdmin, NewPassword, NewSession, PasswordScheme, Session,
    SessionUse, StoreError, Token,
};
pub(super) use documents::Accounts;

#[async_trait]
impl AccountStore for FirestoreStore {
    fn watch_accounts(&self) {
        let watching = watch::run(
            self.database.settings().clone(),
            Arc::clone(&self.meter),
            Arc::clone(&self.accounts.directory),
        );
        tokio::spawn(self.stopping.clone().run_until_cancelled_owned(watching));
    }

    fn generation(&self) -> Option<u64> {
        self.accounts.directory.generation()
    }

    fn answers_from_memory(&self) -> bool {
        self.accounts.directory.is_live()
    }

    fn password_scheme(&self) -> PasswordScheme {
        PasswordScheme::Werkzeug
    }

    async fn admin_by_email(&self, email: &str) -> Result<Option<Admin>, StoreError> {
        self.accounts.admin_by_email(email).await
    }

    async fn admin_by_id(&self, id: &str) -> Result<Option<Admin>, StoreError> {
        self.accounts.admin_by_id(id).await
    }

    async fn admins(&self) -> Result<Vec<Admin>, StoreError> {
        self.accounts.admins().await
    }

    async fn add_admin(&self, admin: NewAdmin) -> Result<Admin, StoreError> {
        self.accounts.add_admin(admin).await
    }

    async fn set_admin_disabled(&self, id: &str, disabled: bool) -> Result<(), StoreError> {
        self.accounts.set_disabled(id, disabled).await?;
        if disabled {
            self.accounts.end_sessions(id, None).await?;
        }
        Ok(())
    }

    async fn set_password(&self, id: &str, new: NewPassword) -> Result<bool, StoreError> {
        self.accounts.set_password(id, &new).await
    }

    async fn set_fcm_token(&self, id: &str, token: &str) -> Result<(), StoreError> {
        self.accounts.set_fcm_token(id, token).await
    }

    async fn begin_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.accounts.begin_session(session).await
    }

    async fn session(&self, digest: &Digest) -> Result<Option<Session>, StoreError> {
        self.accounts.session(digest).await
    }

    async fn session_and_admin(
        &self,
        digest: &Digest,
        admin_id: &str,
    ) -> Result<Option<(Session, Admin)>, StoreError> {
        self.accounts.session_and_admin(digest, admin_id).await
    }

    async fn touch_session(&self, id: &str, used: SessionUse) -> Result<(), StoreError> {
        self.accounts.touch_session(id, used).await
    }

    async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        self.accounts.end_session(id).await
    }

    async fn end_sessions(&self, admin_id: &str, keep: Option<&str>) -> Result<u64, StoreError> {
        self.accounts.end_sessions(admin_id, keep).await
    }

    async fn sessions(&self, admin_id: &str) -> Result<Vec<Session>, StoreError> {
        self.accounts.sessions(admin_id).await
    }

    async fn add_token(&self, token: Token, digest: Digest) -> Result<(), StoreError> {
        self.accounts.add_token(token, digest).await
    }

    async fn token(&self, digest: &Digest) -> Result<Option<Token>, StoreError> {
        self.accounts.token(digest).await
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.accounts.tokens().await
    }

    async fn touch_token(&self, id: &str, used_at: u64) -> Result<(), StoreError> {
        self.accounts.touch_token(id, used_at).await
    }

    async fn revoke_token(&self, id: &str) -> Result<(), StoreError> {
        self.accounts.revoke_token(id).await
    }

    async fn secret(&self, name: &str, fresh: &str) -> Result<String, StoreError> {
        self.accounts.secret(name, fresh).await
    }
}
