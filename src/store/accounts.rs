use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::StoreError;

/// SHA-256 (or HMAC-SHA-256) of a secret that the store must not know.
pub type Digest = [u8; 32];

/// Maximum sessions per admin and [`SessionKind`]. A new one replaces the one with the lowest [`Session::precedence`]. Each
/// kind has a limit of its own, so that a script that signs in every day ends no browser's session.
pub const MAX_SESSIONS: usize = 50;
/// Added to the precedence of a session that was used after its beginning, in milliseconds.
pub const USED_AGAIN_BONUS: u64 = 24 * 3_600_000;

/// A user of the desk.
#[derive(Clone, PartialEq, Eq)]
pub struct Admin {
    /// Opaque and random.
    pub id: String,
    /// As typed when the admin was added; unique ignoring case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// The password's hash, in the store's [`PasswordScheme`] or that of an earlier version or another program.
    pub password_hash: String,
    /// A disabled admin can't sign in, and loses sessions, tokens and streams.
    pub disabled: bool,
    /// The FCM token of the admin's phone app, if it has sent one.
    pub fcm_token: Option<FcmToken>,
}

/// What is kept in memory of a Firebase Cloud Messaging token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FcmToken {
    /// Its SHA-256.
    pub digest: Digest,
    /// When it was stored, in milliseconds; 0 if another program stored it without a time.
    pub updated_at: u64,
}

impl FcmToken {
    /// From the token itself.
    pub fn new(token: &str, updated_at: u64) -> Self {
        Self {
            digest: Sha256::digest(token.as_bytes()).into(),
            updated_at,
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Leaves out the hash, and the id, which existing clients send as a bearer token.
        f.debug_struct("Admin")
            .field("email", &self.email)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// Data of a new admin.
#[derive(Clone)]
pub struct NewAdmin {
    /// E-mail address; unique ignoring case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// The password's hash, in the store's [`PasswordScheme`].
    pub password_hash: String,
}

/// How new passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordScheme {
    /// argon2id, as a PHC string.
    Argon2id,
    /// Werkzeug's scrypt, `scrypt:32768:8:1$salt$hex`: the only scheme that the store's other programs can check.
    Werkzeug,
}

/// A new password of an admin.
#[derive(Clone)]
pub struct NewPassword {
    /// Its hash, in the store's [`PasswordScheme`].
    pub hash: String,
    /// The hash that it replaces; `None` replaces any.
    pub replaces: Option<String>,
    /// The session that continues under the new password, and the fingerprint of the new hash.
    pub session: Option<(String, Digest)>,
}

/// What kind of client holds a session, which sets how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A browser that has signed in at the desk. Sessions without a kind, from earlier versions, count as this.
    Browser,
    /// A program that has signed in at `POST /api/admin/login`.
    Api,
}

/// A signed-in browser or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Public id, for lists and for ending it.
    pub id: String,
    /// The admin that it belongs to.
    pub admin_id: String,
    /// The client's name for itself, shortened.
    pub client: String,
    /// What kind of client holds it.
    pub kind: SessionKind,
    /// Keyed fingerprint of the password hash at its beginning; `None` for sessions of earlier versions.
    pub password: Option<Digest>,
    /// When it began, in milliseconds.
    pub created_at: u64,
    /// When it was last used, in milliseconds; up to an hour behind.
    pub seen_at: u64,
    /// When it expires unless it is used, in milliseconds.
    pub expires_at: u64,
}

impl Session {
    /// Rank among an admin's sessions: beyond [`MAX_SESSIONS`], those with the lowest end.
    ///
    /// The time of the last use, plus a day if the session was used after its beginning: `seen_at` is up to an hour behind, and
    /// a script that signs in every minute must not end the session of a phone in use.
    pub fn precedence(&self) -> u64 {
        let is_used_again = self.seen_at > self.created_at;
        self.seen_at + if is_used_again { USED_AGAIN_BONUS } else { 0 }
    }
}

/// The use of a session to record. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionUse {
    /// When it was used.
    pub seen_at: u64,
    /// When it expires unless it is used again.
    pub expires_at: u64,
    /// The fingerprint to set if the session has none.
    pub password: Option<Digest>,
}

/// A session to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// HMAC of the secret that the client holds.
    pub digest: Digest,
}

/// A bearer token for scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Public id, for lists and for revoking it.
    pub id: String,
    /// Its purpose, as described by its creator.
    pub name: String,
    /// The admin that it acts as; `None` if it acts as itself.
    pub admin_id: Option<String>,
    /// When it was created, in milliseconds.
    pub created_at: u64,
    /// When it was last used, in milliseconds, accurate to some minutes.
    pub used_at: Option<u64>,
}

/// Storage of admins, sessions and tokens. Times are milliseconds since the epoch.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Starts watching for changes, if the store can; [`generation`](Self::generation) then reports them.
    fn watch_accounts(&self) {}

    /// A number that changes whenever an admin or a credential may have changed: until then, earlier look-ups stay valid.
    /// `None` while changes aren't watched.
    fn generation(&self) -> Option<u64> {
        None
    }

    /// Whether look-ups of admins and tokens are served from memory now and cost nothing. The same holds for sessions that are
    /// in memory.
    fn answers_from_memory(&self) -> bool {
        false
    }

    /// How new passwords in this store are hashed.
    fn password_scheme(&self) -> PasswordScheme {
        PasswordScheme::Argon2id
    }

    /// The admin with this e-mail address.
    async fn admin_by_email(&self, email: &str) -> Result<Option<Admin>, StoreError>;
    /// The admin with this id.
    async fn admin_by_id(&self, id: &str) -> Result<Option<Admin>, StoreError>;
    /// All admins.
    async fn admins(&self) -> Result<Vec<Admin>, StoreError>;
    /// Adds an admin. [`StoreError::Exists`] if the e-mail address is taken.
    async fn add_admin(&self, admin: NewAdmin) -> Result<Admin, StoreError>;
    /// Disables or enables an admin. Disabling ends all of the admin's sessions.
    async fn set_admin_disabled(&self, id: &str, disabled: bool) -> Result<(), StoreError>;
    /// Replaces the hash of an admin's password, and the fingerprint of the session that continues, atomically. Returns `false`
    /// and changes nothing if the stored hash isn't the one to replace.
    async fn set_password(&self, id: &str, new: NewPassword) -> Result<bool, StoreError>;

    /// Replaces the FCM token of an admin's phone app, and records the time.
    async fn set_fcm_token(&self, id: &str, token: &str) -> Result<(), StoreError>;

    /// Begins a session. Removes expired sessions, and those of this admin and kind with the lowest
    /// [`precedence`](Session::precedence) beyond [`MAX_SESSIONS`].
    async fn begin_session(&self, session: NewSession) -> Result<(), StoreError>;
    /// The session with this digest, expired or not.
    async fn session(&self, digest: &Digest) -> Result<Option<Session>, StoreError>;
    /// The session with this digest and the admin with this id, read from the store at one moment, never from memory. `None` if
    /// either is gone.
    async fn session_and_admin(
        &self,
        digest: &Digest,
        admin_id: &str,
    ) -> Result<Option<(Session, Admin)>, StoreError>;
    /// Records that a session was used, and extends it. Succeeds if there is none.
    async fn touch_session(&self, id: &str, used: SessionUse) -> Result<(), StoreError>;
    /// Ends a session. Succeeds if there is none.
    async fn end_session(&self, id: &str) -> Result<(), StoreError>;
    /// Ends an admin's sessions except `keep`. Returns how many.
    async fn end_sessions(&self, admin_id: &str, keep: Option<&str>) -> Result<u64, StoreError>;
    /// An admin's sessions.
    async fn sessions(&self, admin_id: &str) -> Result<Vec<Session>, StoreError>;

    /// Stores a new token.
    async fn add_token(&self, token: Token, digest: Digest) -> Result<(), StoreError>;
    /// The token with this digest, unless it is revoked.
    async fn token(&self, digest: &Digest) -> Result<Option<Token>, StoreError>;
    /// All tokens.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;
    /// Records that a token was used.
    async fn touch_token(&self, id: &str, used_at: u64) -> Result<(), StoreError>;
    /// Revokes a token. [`StoreError::NotFound`] if there is none.
    async fn revoke_token(&self, id: &str) -> Result<(), StoreError>;

    /// The secret stored under `name`; stores and returns `fresh` if there is none yet.
    async fn secret(&self, name: &str, fresh: &str) -> Result<String, StoreError>;
}
