use serde::Serialize;

use super::path::Path;

/// Maximum number of problems listed in a response.
pub(super) const MAX_ERRORS: usize = 20;
/// Maximum length of a field path in a response, in characters: field names come from the client.
pub(super) const MAX_PATH: usize = 200;

/// A problem with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Path of the field, such as `order.items[3].quantity`.
    pub field: String,
    /// What it must be.
    pub message: String,
}

impl FieldError {
    /// Callers must bound the length of `field`, which may come from a client.
    pub(in crate::orders) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// The order can't be placed; lists the problem of each field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .0[0].field, .0[0].message)]
pub struct DraftError(pub Vec<FieldError>);

/// The problems found so far, up to a limit.
#[derive(Default)]
pub(super) struct Errors(pub(super) Vec<FieldError>);

impl Errors {
    pub(super) fn add(&mut self, field: &str, message: impl Into<String>) {
        self.add_at(&Path::Root(field), message);
    }

    /// Formats the path only here, so that valid fields allocate no text.
    pub(super) fn add_at(&mut self, field: &Path<'_>, message: impl Into<String>) {
        if !self.is_full() {
            self.0.push(FieldError {
                field: field.clipped(MAX_PATH),
                message: message.into(),
            });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_ERRORS
    }
}

impl From<Errors> for DraftError {
    fn from(errors: Errors) -> Self {
        Self(errors.0)
    }
}
