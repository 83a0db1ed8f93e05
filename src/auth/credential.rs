use std::fmt;

use serde::{Deserialize, Serialize};

use super::sign_in::Authenticated;
use crate::store::{Admin, Digest, Session, Token};

/// What a client has presented, without its secret.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Credential {
    /// A session: HMAC of its secret.
    Session(Digest),
    /// A token for scripts: SHA-256 of it.
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

/// Somebody who may use the desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The admin, `None` for tokens that act as themselves.
    pub admin_id: Option<String>,
    /// What other people see, and what changes are recorded under.
    pub name: String,
    /// The admin's e-mail address, empty for tokens that act as themselves.
    pub email: String,
    /// The session's public handle, where it is one.
    pub session_id: Option<String>,
    /// What was presented.
    pub credential: Credential,
    /// Streams are counted under this.
    pub(super) account: String,
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

    /// Of a session that has just begun.
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
