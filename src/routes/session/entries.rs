//! Entries of a session's state, which handlers, the middleware and the storage exchange.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::{AuthError, Authenticated, Principal};
use crate::routes::error::ApiError;
use crate::store::StoreError;

/// State entry with the validity of the cookie; set when the session is loaded.
pub(super) const VALIDITY: &str = "validity";
/// State entry that makes a session begin; set by the sign-in.
pub(super) const BEGINS: &str = "begins";

/// `Retry-After` if the store gives none.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Validity of the session in a request's cookie. An ended session has no state.
#[derive(Serialize, Deserialize)]
pub(super) enum Validity {
    Good(Principal),
    /// The admin is disabled.
    Disabled,
    /// The store was unreachable.
    Unknown(Away),
}

/// A session to begin, after a verified password.
#[derive(Serialize, Deserialize)]
pub(super) struct Beginning {
    pub(super) admin: Authenticated,
    /// Description of the client, shown to people.
    pub(super) client: String,
    /// For the log.
    pub(super) address: IpAddr,
}

/// Why the store is unreachable. Stored in a request's extensions while the key of the cookies can't be read.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Away {
    pub(super) reason: String,
    pub(super) retry_after: Duration,
}

impl TryFrom<StoreError> for Away {
    type Error = ApiError;

    /// Converts temporary errors; returns permanent ones as errors.
    fn try_from(error: StoreError) -> Result<Self, ApiError> {
        match error {
            StoreError::Unavailable {
                reason,
                retry_after,
            } => Ok(Self {
                reason,
                retry_after,
            }),
            // From creating the key on the first run: the next request reads it.
            StoreError::OutcomeUnknown { reason } => Ok(Self {
                reason,
                retry_after: RETRY_AFTER,
            }),
            error => Err(error.into()),
        }
    }
}

impl From<Away> for AuthError {
    fn from(away: Away) -> Self {
        Self::Store(StoreError::Unavailable {
            reason: away.reason,
            retry_after: away.retry_after,
        })
    }
}

/// Converts an error of actix-session, which isn't `Send`, to one of the store.
pub(super) fn internal(error: impl std::fmt::Display) -> AuthError {
    AuthError::Store(anyhow::anyhow!("can't read or write the session's state: {error}").into())
}

tokio::task_local! {
    /// Why [`AccountSessions`] failed in this request: the middleware turns each error into an opaque 500.
    pub(super) static FAILURE: RefCell<Option<ApiError>>;
}
