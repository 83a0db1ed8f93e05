use std::time::Duration;

use crate::orders::{FieldError, Order};

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such order, admin or token.
    #[error("not found")]
    NotFound,
    /// The order isn't in the status that the caller expected; carries the order as it is.
    #[error("the order has changed meanwhile")]
    Conflict(Box<Order>),
    /// A field of the change doesn't fit the order. Nothing was changed.
    #[error("{}: {}", .0.field, .0.message)]
    Invalid(FieldError),
    /// An admin with this e-mail address exists.
    #[error("an admin with this e-mail address exists already")]
    Exists,
    /// The idempotency key was used for another submit. Nothing was changed.
    #[error("the idempotency key was used for another order")]
    KeyReused,
    /// The store is unreachable, full, read-only or overloaded. Nothing was changed.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// Why, for the log.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The store didn't confirm in time; the write may have happened.
    #[error("whether it was done is not known: {reason}")]
    OutcomeUnknown {
        /// Why, for the log.
        reason: String,
    },
    /// An unexpected failure.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}
