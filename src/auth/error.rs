use std::time::Duration;

use crate::store::StoreError;

/// Why somebody isn't let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Nothing was presented.
    #[error("sign in first")]
    Missing,
    /// What was presented is nobody's, or has ended.
    #[error("the credentials are unknown or have expired")]
    Unknown,
    /// No such admin, or not its password.
    #[error("e-mail address or password is wrong")]
    WrongPassword,
    /// The admin is known and disabled.
    #[error("this account is disabled")]
    Disabled,
    /// Too many attempts; try again after this time.
    #[error("too many attempts")]
    Throttled(Duration),
    /// Too many passwords wait to be checked; try again after this time.
    #[error("too many people are signing in right now")]
    Busy(Duration),
    /// The store couldn't be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthError {
    /// Of a write to an admin, which is gone where it isn't found.
    pub(super) fn of_admin(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::Unknown,
            error => error.into(),
        }
    }
}
