use std::time::Duration;

use crate::store::StoreError;

/// Why authentication failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The request has no credential.
    #[error("sign in first")]
    Missing,
    /// The credential is unknown or has ended.
    #[error("the credentials are unknown or have expired")]
    Unknown,
    /// No such admin, or a wrong password.
    #[error("e-mail address or password is wrong")]
    WrongPassword,
    /// The admin is disabled.
    #[error("this account is disabled")]
    Disabled,
    /// Too many attempts; try again after this time.
    #[error("too many attempts")]
    Throttled(Duration),
    /// The queue of password checks is full, or the check took too long; try again after this time.
    #[error("too many people are signing in right now")]
    Busy(Duration),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthError {
    /// Maps the error of a write to an admin: `NotFound` means that the admin is gone.
    pub(super) fn of_admin(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::Unknown,
            error => error.into(),
        }
    }
}
