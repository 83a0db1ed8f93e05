//! Accounts in memory that count calls, can be unreachable, and can delay answers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use crate::store::{
    AccountStore, Admin, Digest, FcmToken, NewAdmin, NewPassword, NewSession, PasswordScheme,
    Session, SessionUse, StoreError, Token, random_id,
};

#[derive(Default)]
pub(super) struct Accounts {
    admins: Mutex<Vec<Admin>>,
    sessions: Mutex<Vec<NewSession>>,
    tokens: Mutex<Vec<(Token, Digest)>>,
    calls: Mutex<BTreeMap<&'static str, u32>>,
    pub(super) away: AtomicBool,
    /// 0 means no watch.
    pub(super) generation: AtomicU64,
    /// Whether other programs also check the passwords.
    pub(super) has_other_readers: AtomicBool,
    /// The store's clock.
    pub(super) now_millis: AtomicU64,
    /// Cached state of an admin that has changed since.
    remembered: Mutex<Option<Admin>>,
    /// Whether look-ups of sessions, once they have found one, wait until released.
    pub(super) holds: AtomicBool,
    pub(super) holding: Notify,
    pub(super) let_go: Notify,
    /// Whether reads of a session with its admin fail.
    pub(super) fails_pairs: AtomicBool,
    /// Whether writes of a session's use fail.
    pub(super) fails_touches: AtomicBool,
    /// While set, writes of a session's use, and those that end one, wait.
    pub(super) hangs: watch::Sender<bool>,
}

impl Accounts {
    fn called(&self, what: &'static str) -> Result<(), StoreError> {
        *self
            .calls
            .lock()
            .expect("not poisoned")
            .entry(what)
            .or_default() += 1;
        fail_if(&self.away)
    }

    async fn hang(&self) {
        let mut hangs = self.hangs.subscribe();
        // Can't fail: this struct owns the sender.
        let _ = hangs.wait_for(|hangs| !hangs).await;
    }

    /// Calls since the last time.
    pub(super) fn calls(&self) -> BTreeMap<&'static str, u32> {
        std::mem::take(&mut self.calls.lock().expect("not poisoned"))
    }

    pub(super) fn add(&self, email: &str, password_hash: &str, disabled: bool) -> String {
        let admin = Admin {
            id: random_id(),
            email: email.to_owned(),
            name: email.to_owned(),
            password_hash: password_hash.to_owned(),
            disabled,
            fcm_token: None,
        };
        let id = admin.id.clone();
        self.admins.lock().expect("not poisoned").push(admin);
        id
    }

    pub(super) fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Admin),
    ) -> Result<(), StoreError> {
        let mut admins = self.admins.lock().expect("not poisoned");
        let found = admins.iter_mut().find(|admin| admin.id == id);
        found.map(change).ok_or(StoreError::NotFound)
    }

    pub(super) fn remove(&self, id: &str) {
        let mut admins = self.admins.lock().expect("not poisoned");
        admins.retain(|admin| admin.id != id);
    }

    /// Makes look-ups by id return the admin's current state, also after changes.
    pub(super) fn remember_admin(&self, id: &str) {
        let admins = self.admins.lock().expect("not poisoned");
        let admin = admins.iter().find(|admin| admin.id == id).cloned();
        *self.remembered.lock().expect("not poisoned") = admin;
    }

    pub(super) fn forget_admin(&self) {
        *self.remembered.lock().expect("not poisoned") = None;
    }

    pub(super) fn change_session(&self, id: &str, change: impl Fn(&mut Session)) {
        let mut sessions = self.sessions.lock().expect("not poisoned");
        for new in sessions.iter_mut().filter(|new| new.session.id == id) {
            change(&mut new.session);
        }
    }

    fn keep_sessions(&self, keep: impl Fn(&Session) -> bool) -> u64 {
        let mut sessions = self.sessions.lock().expect("not poisoned");
        let before = sessions.len();
        sessions.retain(|new| keep(&new.session));
        (before - sessions.len()) as u64
    }
}

fn fail_if(switch: &AtomicBool) -> Result<(), StoreError> {
    if switch.load(Ordering::Relaxed) {
        return Err(StoreError::Unavailable {
            reason: "away".to_owned(),
            retry_after: Duration::from_secs(1),
        });
    }
    Ok(())
}

#[async_trait]
impl AccountStore for Accounts {
    fn generation(&self) -> Option<u64> {
        Some(self.generation.load(Ordering::Relaxed)).filter(|now| *now > 0)
    }

    fn answers_from_memory(&self) -> bool {
        self.generation().is_some()
    }

    async fn admin_by_email(&self, email: &str) -> Result<Option<Admin>, StoreError> {
        self.called("admin_by_email")?;
        let admins = self.admins.lock().expect("not poisoned");
        Ok(admins.iter().find(|admin| admin.email == email).cloned())
    }

    async fn admin_by_id(&self, id: &str) -> Result<Option<Admin>, StoreError> {
        self.called("admin_by_id")?;
        let remembered = self.remembered.lock().expect("not poisoned").clone();
        if remembered.as_ref().is_some_and(|admin| admin.id == id) {
            return Ok(remembered);
        }
        let admins = self.admins.lock().expect("not poisoned");
        Ok(admins.iter().find(|admin| admin.id == id).cloned())
    }

    async fn admins(&self) -> Result<Vec<Admin>, StoreError> {
        self.called("admins")?;
        Ok(self.admins.lock().expect("not poisoned").clone())
    }

    async fn add_admin(&self, new: NewAdmin) -> Result<Admin, StoreError> {
        let id = self.add(&new.email, &new.password_hash, false);
        self.admin_by_id(&id).await?.ok_or(StoreError::NotFound)
    }

    async fn set_admin_disabled(&self, id: &str, disabled: bool) -> Result<(), StoreError> {
        self.change(id, |admin| admin.disabled = disabled)
    }

    fn password_scheme(&self) -> PasswordScheme {
        if self.has_other_readers.load(Ordering::Relaxed) {
            PasswordScheme::Werkzeug
        } else {
            PasswordScheme::Argon2id
        }
    }

    async fn set_password(&self, id: &str, new: NewPassword) -> Result<bool, StoreError> {
        self.called("set_password")?;
        let mut is_done = false;
        self.change(id, |admin| {
            is_done = new.replaces.is_none_or(|old| old == admin.password_hash);
            if is_done {
                admin.password_hash = new.hash;
            }
        })?;
        if let (true, Some((session, fingerprint))) = (is_done, new.session) {
            self.change_session(&session, |session| session.password = Some(fingerprint));
        }
        Ok(is_done)
    }

    async fn set_fcm_token(&self, id: &str, token: &str) -> Result<(), StoreError> {
        self.called("set_fcm_token")?;
        let now = self.now_millis.load(Ordering::Relaxed);
        self.change(id, |admin| {
            admin.fcm_token = Some(FcmToken::new(token, now));
        })
    }

    async fn begin_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.called("begin_session")?;
        self.sessions.lock().expect("not poisoned").push(session);
        Ok(())
    }

    async fn session(&self, digest: &Digest) -> Result<Option<Session>, StoreError> {
        self.called("session")?;
        let found = {
            let sessions = self.sessions.lock().expect("not poisoned");
            let found = sessions.iter().find(|new| new.digest == *digest);
            found.map(|new| new.session.clone())
        };
        if self.holds.load(Ordering::Relaxed) {
            self.holding.notify_one();
            self.let_go.notified().await;
        }
        Ok(found)
    }

    async fn session_and_admin(
        &self,
        digest: &Digest,
        admin_id: &str,
    ) -> Result<Option<(Session, Admin)>, StoreError> {
        self.called("session_and_admin")?;
        fail_if(&self.fails_pairs)?;
        let sessions = self.sessions.lock().expect("not poisoned");
        let session = sessions.iter().find(|new| new.digest == *digest);
        let session = session.map(|new| new.session.clone());
        let admins = self.admins.lock().expect("not poisoned");
        Ok(session.zip(admins.iter().find(|admin| admin.id == admin_id).cloned()))
    }

    async fn touch_session(&self, id: &str, used: SessionUse) -> Result<(), StoreError> {
        self.called("touch_session")?;
        fail_if(&self.fails_touches)?;
        self.hang().await;
        self.change_session(id, |session| {
            (session.seen_at, session.expires_at) = (used.seen_at, used.expires_at);
            session.password = session.password.or(used.password);
        });
        Ok(())
    }

    async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        self.called("end_session")?;
        self.hang().await;
        self.keep_sessions(|session| session.id != id);
        Ok(())
    }

    async fn end_sessions(&self, admin_id: &str, keep: Option<&str>) -> Result<u64, StoreError> {
        self.called("end_sessions")?;
        Ok(
            self.keep_sessions(|session| {
                session.admin_id != admin_id || Some(&*session.id) == keep
            }),
        )
    }

    async fn sessions(&self, admin_id: &str) -> Result<Vec<Session>, StoreError> {
        self.called("sessions")?;
        let sessions = self.sessions.lock().expect("not poisoned");
        let own = sessions.iter().map(|new| &new.session);
        Ok(own
            .filter(|session| session.admin_id == admin_id)
            .cloned()
            .collect())
    }

    async fn add_token(&self, token: Token, digest: Digest) -> Result<(), StoreError> {
        self.tokens
            .lock()
            .expect("not poisoned")
            .push((token, digest));
        Ok(())
    }

    async fn token(&self, digest: &Digest) -> Result<Option<Token>, StoreError> {
        self.called("token")?;
        let tokens = self.tokens.lock().expect("not poisoned");
        let found = tokens.iter().find(|(_, known)| known == digest);
        Ok(found.map(|(token, _)| token.clone()))
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.called("tokens")?;
        let tokens = self.tokens.lock().expect("not poisoned");
        Ok(tokens.iter().map(|(token, _)| token.clone()).collect())
    }

    async fn touch_token(&self, _: &str, _: u64) -> Result<(), StoreError> {
        self.called("touch_token")
    }

    async fn revoke_token(&self, id: &str) -> Result<(), StoreError> {
        self.tokens
            .lock()
            .expect("not poisoned")
            .retain(|(token, _)| token.id != id);
        Ok(())
    }

    async fn secret(&self, _: &str, _: &str) -> Result<String, StoreError> {
        self.called("secret")?;
        Ok("a session key for tests".to_owned())
    }
}
