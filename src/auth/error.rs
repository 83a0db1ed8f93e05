use std::time::Duration;

use crate::store::StoreError;

/// Why authentication failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The request has no credential.
    #[error("no credentials were sent: sign in, or send a bearer token")]
    Missing,
    /// The credential is unknown or has ended.
    #[error("the credentials are unknown or have expired: sign in again")]
    Unknown,
    /// No such admin, or a wrong password.
    #[error("the e-mail address or the password is wrong")]
    WrongPassword,
    /// The admin is disabled.
    #[error("this account is disabled: another admin can enable it")]
    Disabled,
    /// Too many attempts; try again after this time.
    #[error("too many failed attempts: try again later")]
    Throttled(Duration),
    /// The queue of password checks is full, or the check took too long; try again after this time.
    #[error("the server is busy with other sign-ins: try again later")]
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
