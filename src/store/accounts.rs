use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::StoreError;

/// SHA-256 (or HMAC-SHA-256) of a secret that the store must not know.
pub type Digest = [u8; 32];

/// Most sessions of one admin and one [`SessionKind`]. A new one takes the place of the one whose [`Session::precedence`] is the
/// lowest. Each kind has its own number, so that a script that signs in anew every day ends no browser's session.
pub const MAX_SESSIONS: usize = 50;
/// How much later than it was, in milliseconds, a session counts as used that went on being used after its beginning.
pub const USED_AGAIN_BONUS: u64 = 24 * 3_600_000;

/// Somebody who may use the desk.
#[derive(Clone, PartialEq, Eq)]
pub struct Admin {
    /// Opaque and random.
    pub id: String,
    /// As it was typed when the admin was added; compared without regard to case.
    pub email: String,
    /// What other people see.
    pub name: String,
    /// The password's hash, in the store's [`PasswordScheme`] or another one that an earlier version or another program used.
    pub password_hash: String,
    /// A disabled admin can't sign in, and loses sessions, tokens and streams.
    pub disabled: bool,
    /// The FCM token of the admin's phone app, where it has sent one.
    pub fcm_token: Option<FcmToken>,
}

/// What is known in memory of the token by which Firebase Cloud Messaging reaches a phone app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FcmToken {
    /// Its SHA-256.
    pub digest: Digest,
    /// When it was kept, in milliseconds; 0 where another program has kept it without a time.
    pub updated_at: u64,
}

impl FcmToken {
    /// Of the token itself.
    pub fn new(token: &str, updated_at: u64) -> Self {
        Self {
            digest: Sha256::digest(token.as_bytes()).into(),
            updated_at,
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the hash nor the id: existing clients send the id as a bearer token.
        f.debug_struct("Admin")
            .field("email", &self.email)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// What is needed to add an admin.
#[derive(Clone)]
pub struct NewAdmin {
    /// E-mail address; unique without regard to case.
    pub email: String,
    /// What other people see.
    pub name: String,
    /// The password's hash, in the store's [`PasswordScheme`].
    pub password_hash: String,
}

/// How new passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordScheme {
    /// argon2id, as a PHC string.
    Argon2id,
    /// Werkzeug's scrypt, `scrypt:32768:8:1$salt$hex`: other programs check these passwords too, and know nothing else.
    Werkzeug,
}

/// A new password of an admin.
#[derive(Clone)]
pub struct NewPassword {
    /// Its hash, in the store's [`PasswordScheme`].
    pub hash: String,
    /// The hash that it replaces; `None` replaces any.
    pub replaces: Option<String>,
    /// The session that goes on under the new password, and the fingerprint of the new hash.
    pub session: Option<(String, Digest)>,
}

/// Who holds a session, and so how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A browser that has signed in at the desk. Sessions without a kind, from earlier versions, count as this.
    Browser,
    /// A program that has signed in at `POST /api/admin/login`.
    Api,
}

/// A signed-in browser or script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Public handle, to show and to end it.
    pub id: String,
    /// Whose session it is.
    pub admin_id: String,
    /// What the client calls itself, shortened.
    pub client: String,
    /// Who holds it.
    pub kind: SessionKind,
    /// Keyed fingerprint of the password's hash that it was begun under; `None` for sessions from earlier versions.
    pub password: Option<Digest>,
    /// When it began, in milliseconds.
    pub created_at: u64,
    /// When it was last used, in milliseconds; up to an hour behind.
    pub seen_at: u64,
    /// When it ends unless it is used, in milliseconds.
    pub expires_at: u64,
}

impl Session {
    /// Of an admin's sessions beyond [`MAX_SESSIONS`], those with the lowest precedence end.
    ///
    /// It is the time of the last use, and a day more where there was one after the beginning: `seen_at` is up to an hour behind,
    /// and a script that signs in anew each minute must not end the session of a phone that is in use.
    pub fn precedence(&self) -> u64 {
        let is_used_again = self.seen_at > self.created_at;
        self.seen_at + if is_used_again { USED_AGAIN_BONUS } else { 0 }
    }
}

/// What is recorded of a session in use. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionUse {
    /// When it was used.
    pub seen_at: u64,
    /// When it ends unless it is used again.
    pub expires_at: u64,
    /// The fingerprint to give to a session that has none yet.
    pub password: Option<Digest>,
}

/// What is needed to begin a session.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session as it shall be.
    pub session: Session,
    /// HMAC of the secret that the client holds.
    pub digest: Digest,
}

/// A bearer token for scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Public handle, to show and to revoke it.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The admin that it acts as; `None` where it acts as itself.
    pub admin_id: Option<String>,
    /// When it was made, in milliseconds.
    pub created_at: u64,
    /// When it was last used, in milliseconds, give or take some minutes.
    pub used_at: Option<u64>,
}

/// Where admins, sessions and tokens are kept. Times are milliseconds since the epoch.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Begins to watch, where the store can: from then on [`generation`](Self::generation) tells of changes.
    fn watch_accounts(&self) {}

    /// A number that changes whenever an admin, or what it takes to be one, may have changed: until then, what was looked
    /// up stays true. `None` where nobody watches, and it has to be looked up again.
    fn generation(&self) -> Option<u64> {
        None
    }

    /// Whether admins and tokens are looked up in memory right now, so that look-ups cost nothing. Sessions are, too, unless
    /// they are unknown there.
    fn answers_from_memory(&self) -> bool {
        false
    }

    /// How the passwords of this store's admins are hashed.
    fn password_scheme(&self) -> PasswordScheme {
        PasswordScheme::Argon2id
    }

    /// The admin with this e-mail address.
    async fn admin_by_email(&self, email: &str) -> Result<Option<Admin>, StoreError>;
    /// The admin with this id.
    async fn admin_by_id(&self, id: &str) -> Result<Option<Admin>, StoreError>;
    /// All admins.
    async fn admins(&self) -> Result<Vec<Admin>, StoreError>;
    /// Adds an admin; [`StoreError::Exists`] where the e-mail address is taken.
    async fn add_admin(&self, admin: NewAdmin) -> Result<Admin, StoreError>;
    /// Disables or enables an admin. Disabling ends all of the admin's sessions.
    async fn set_admin_disabled(&self, id: &str, disabled: bool) -> Result<(), StoreError>;
    /// Replaces the hash of an admin's password, and the fingerprint of the session that goes on, in one step. Answers `false`,
    /// and changes nothing, where the store has another hash than the one to replace.
    async fn set_password(&self, id: &str, new: NewPassword) -> Result<bool, StoreError>;

    /// Keeps the FCM token of an admin's phone app in place of the last one, and when that was.
    async fn set_fcm_token(&self, id: &str, token: &str) -> Result<(), StoreError>;

    /// Begins a session, and forgets those that have expired, and the admin's of that kind beyond [`MAX_SESSIONS`], by their
    /// [`precedence`](Session::precedence).
    async fn begin_session(&self, session: NewSession) -> Result<(), StoreError>;
    /// The session with this digest, expired or not.
    async fn session(&self, digest: &Digest) -> Result<Option<Session>, StoreError>;
    /// The session with this digest and the admin with this id, as the store has both at one moment, never from memory. `None`
    /// where one of them is gone.
    async fn session_and_admin(
        &self,
        digest: &Digest,
        admin_id: &str,
    ) -> Result<Option<(Session, Admin)>, StoreError>;
    /// Records that a session was used, and that it lasts longer. It is no error when there is none.
    async fn touch_session(&self, id: &str, used: SessionUse) -> Result<(), StoreError>;
    /// Ends a session; it is no error when there is none.
    async fn end_session(&self, id: &str) -> Result<(), StoreError>;
    /// Ends an admin's sessions but for `keep`, and answers how many.
    async fn end_sessions(&self, admin_id: &str, keep: Option<&str>) -> Result<u64, StoreError>;
    /// An admin's sessions.
    async fn sessions(&self, admin_id: &str) -> Result<Vec<Session>, StoreError>;

    /// Keeps a new token.
    async fn add_token(&self, token: Token, digest: Digest) -> Result<(), StoreError>;
    /// The token with this digest, unless it is revoked.
    async fn token(&self, digest: &Digest) -> Result<Option<Token>, StoreError>;
    /// All tokens.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;
    /// Records that a token was used.
    async fn touch_token(&self, id: &str, used_at: u64) -> Result<(), StoreError>;
    /// Revokes a token; [`StoreError::NotFound`] where there is none.
    async fn revoke_token(&self, id: &str) -> Result<(), StoreError>;

    /// The secret kept under `name`; `fresh` is kept and returned where there is none yet.
    async fn secret(&self, name: &str, fresh: &str) -> Result<String, StoreError>;
}
