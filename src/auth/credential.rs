use std::fmt;

use serde::{Deserialize, Serialize};

use crate::store::{Admin, Digest, Session, Token};

/// A credential that a client has sent, without its secret.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Credential {
    /// HMAC of a session's secret.
    Session(Digest),
    /// SHA-256 of a token for scripts.
    Token(Digest),
    /// An admin's id, as existing clients send it.
    AdminId(String),
    /// The token from the settings.
    Settings,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session(_) => "session",
            Self::Token(_) => "token",
            Self::AdminId(_) => "admin id",
            Self::Settings => "token from the settings",
        })
    }
}

/// The authenticated user of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The admin, `None` for tokens that act as themselves.
    pub admin_id: Option<String>,
    /// Display name, also recorded as the author of changes.
    pub name: String,
    /// The admin's e-mail address, empty for tokens that act as themselves.
    pub email: String,
    /// Public id of the session; `None` for other credentials.
    pub session_id: Option<String>,
    /// The credential that was sent.
    pub credential: Credential,
    /// Key of the stream limit.
    pub(super) account: String,
}

/// An admin whose password was verified: the input of [`super::Auth::begin_session`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Authenticated {
    /// The admin's id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// The admin's e-mail address.
    pub email: String,
    /// Fingerprint of the password hash, stored with the session.
    pub(super) password: Digest,
}

impl Principal {
    pub(super) fn of_admin(admin: &Admin, credential: Credential) -> Self {
        Self {
            account: format!("admin {}", admin.id),
            admin_id: Some(admin.id.clone()),
            name: admin.name.clone(),
            email: admin.email.clone(),
            session_id: None,
            credential,
        }
    }

    pub(super) fn of_session(admin: &Admin, session: &Session, credential: Credential) -> Self {
        Self {
            session_id: Some(session.id.clone()),
            ..Self::of_admin(admin, credential)
        }
    }

    /// The principal of a new session.
    pub(super) fn of_sign_in(
        admin: &Authenticated,
        session: &Session,
        credential: Credential,
    ) -> Self {
        Self {
            account: format!("admin {}", admin.id),
            admin_id: Some(admin.id.clone()),
            name: admin.name.clone(),
            email: admin.email.clone(),
            session_id: Some(session.id.clone()),
            credential,
        }
    }

    pub(super) fn of_token(token: &Token, credential: Credential) -> Self {
        Self {
            admin_id: None,
            name: token.name.clone(),
            email: String::new(),
            session_id: None,
            credential,
            account: format!("token {}", token.id),
        }
    }

    pub(super) fn of_settings() -> Self {
        Self {
            admin_id: None,
            name: "script".to_owned(),
            email: String::new(),
            session_id: None,
            credential: Credential::Settings,
            account: "settings".to_owned(),
        }
    }
}
