use std::time::Duration;

use crate::orders::{FieldError, Order};

/// Why a store didn't do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such order, admin or token.
    #[error("not found")]
    NotFound,
    /// The order isn't in the status that the caller expected; here is what it is.
    #[error("the order has changed meanwhile")]
    Conflict(Box<Order>),
    /// A field of the change doesn't fit the order as it is. Nothing was changed.
    #[error("{}: {}", .0.field, .0.message)]
    Invalid(FieldError),
    /// An admin with this e-mail address exists.
    #[error("an admin with this e-mail address exists already")]
    Exists,
    /// The idempotency key was used for another submit. Nothing was changed.
    #[error("the idempotency key was used for another order")]
    KeyReused,
    /// The store can't do it now: away, full, read-only or overloaded. Nothing was changed.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// Why, for the log.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The store didn't say in time whether it has done it.
    #[error("whether it was done is not known: {reason}")]
    OutcomeUnknown {
        /// Why, for the log.
        reason: String,
    },
    /// Something that should not happen.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}
