//! SQLite's errors as those of the store port.

use std::time::Duration;

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// `Retry-After` of a refused client.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Maps an SQLite error: trouble with the file is temporary, anything else is a bug.
pub(super) fn from_sqlite(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory,
        ) => unavailable(error.to_string()),
        _ => StoreError::Internal(anyhow::Error::new(error).context("SQLite")),
    }
}

/// The error of a write or read that may work later.
pub(super) fn unavailable(reason: impl Into<String>) -> StoreError {
    StoreError::Unavailable {
        reason: reason.into(),
        retry_after: RETRY_AFTER,
    }
}

/// Maps the error of a write that fails only with SQLite errors.
pub(super) fn sql<T>(result: rusqlite::Result<T>) -> Result<T, StoreError> {
    result.map_err(from_sqlite)
}
