//! Classifies failed calls.

use std::error::Error;
use std::time::Duration;

use firestore::gcloud_sdk::error::{Error as SdkError, ErrorKind};
use firestore::gcloud_sdk::tonic::{Code, ConnectError, Status};

use crate::store::StoreError;

/// `Retry-After` while Firestore is away.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// `Retry-After` when the quota is used up.
const RETRY_AFTER_EXHAUSTED: Duration = Duration::from_secs(60);

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// What happened, and what an operator has to do, if anything.
    pub(super) message: String,
    /// Whether the server may have carried out the request.
    pub(super) maybe_done: bool,
    /// Status code of the server's answer, if there was one.
    pub(super) code: Option<Code>,
}

/// How to go on after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Try again.
    Transient,
    /// The quota is used up, or the server is overloaded: try again much later.
    Exhausted,
    /// The server refuses the request or its resume token.
    Rejected,
    /// A precondition didn't hold, or another transaction was faster: read, and try again.
    Conflict,
    /// Trying again is of no use before an operator has fixed the cause.
    Permanent,
}

impl Fault {
    pub(super) fn transient(message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Transient,
            message: message.into(),
            maybe_done: false,
            code: None,
        }
    }

    /// No connection could be made, so nothing was sent.
    pub(super) fn unreachable(reason: &str) -> Self {
        Self::transient(format!("Firestore can't be reached: {reason}"))
    }

    pub(super) fn permanent(message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Permanent,
            message: message.into(),
            maybe_done: false,
            code: None,
        }
    }

    /// A call that timed out; its outcome is unknown.
    pub(super) fn timed_out(what: &str) -> Self {
        Self {
            kind: FaultKind::Transient,
            message: format!("Firestore has not answered in time ({what})"),
            maybe_done: true,
            code: None,
        }
    }

    /// Classifies a status code, from an answer or from the cause of a removed target.
    pub(super) fn from_code(code: Code, text: &str) -> Self {
        let (kind, hint) = match code {
            Code::ResourceExhausted => (
                FaultKind::Exhausted,
                "the quota of this project is used up; see the usage page of the Firebase console",
            ),
            Code::PermissionDenied => (
                FaultKind::Permanent,
                "give the service account the role Cloud Datastore User (roles/datastore.user) in the project of \
                 firestore.project_id, and check that the Cloud Firestore API is enabled there",
            ),
            Code::NotFound => (
                FaultKind::Permanent,
                "there is no such database: check firestore.project_id and firestore.database_id, or create the \
                 database in Native mode",
            ),
            Code::Unauthenticated => (
                FaultKind::Transient,
                "the credentials are not accepted: check GOOGLE_APPLICATION_CREDENTIALS or \
                 FIREBASE_SERVICE_ACCOUNT_BASE64, and this machine's clock",
            ),
            Code::FailedPrecondition => (
                FaultKind::Rejected,
                "the database must be in Native mode, and a query may need the index that the message names",
            ),
            Code::InvalidArgument => (
                FaultKind::Rejected,
                "check firestore.collection and firestore.database_id",
            ),
            Code::Unimplemented | Code::OutOfRange => (
                FaultKind::Permanent,
                "this is not the Firestore that orderbell knows: check FIRESTORE_EMULATOR_HOST and any proxy",
            ),
            Code::AlreadyExists | Code::Aborted => (FaultKind::Conflict, ""),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => (FaultKind::Transient, ""),
        };
        let name = format!("{code:?}");
        let mut message = if text.is_empty() {
            name
        } else {
            format!("{name}: {text}")
        };
        if !hint.is_empty() {
            message = format!("{message} ({hint})");
        }
        Self {
            kind,
            message,
            maybe_done: kind == FaultKind::Transient && code != Code::Unauthenticated,
            code: Some(code),
        }
    }

    /// The fault as that of a commit: a failed precondition means that another writer was faster.
    #[must_use]
    pub(super) fn of_commit(self) -> Self {
        match self.code {
            Some(Code::FailedPrecondition | Code::NotFound) => Self {
                kind: FaultKind::Conflict,
                ..self
            },
            _ => self,
        }
    }

    /// The error for callers of the store: nothing was changed.
    pub(super) fn into_error(self) -> StoreError {
        if self.code == Some(Code::InvalidArgument) {
            return StoreError::Internal(anyhow::anyhow!(
                "Firestore refuses the request as invalid: {}",
                self.message
            ));
        }
        StoreError::Unavailable {
            reason: self.message,
            retry_after: if self.kind == FaultKind::Exhausted {
                RETRY_AFTER_EXHAUSTED
            } else {
                RETRY_AFTER
            },
        }
    }
}

impl Fault {
    fn of_credentials(error: &SdkError) -> Self {
        if let ErrorKind::Credentials(error) = error.kind()
            && error.is_transient()
        {
            return Self::transient(format!("Google's sign-in can't be reached: {error}"));
        }
        Self::no_credentials(&error.to_string())
    }

    /// The process has no usable credentials.
    pub(super) fn no_credentials(reason: &str) -> Self {
        Self::permanent(format!(
            "no usable Google credentials ({reason}): set GOOGLE_APPLICATION_CREDENTIALS to the file of a service \
             account's key, or FIREBASE_SERVICE_ACCOUNT_BASE64 to its Base64 text"
        ))
    }
}

impl From<&Status> for Fault {
    fn from(status: &Status) -> Self {
        let causes = causes(status);
        if causes.iter().any(|cause| cause.is::<ConnectError>()) {
            let deepest = causes.last().map(ToString::to_string).unwrap_or_default();
            return Self::unreachable(&deepest);
        }
        if let Some(error) = causes.iter().find_map(|cause| credentials_error(*cause)) {
            return Self::of_credentials(error);
        }
        Self::from_code(status.code(), status.message())
    }
}

/// An error and its chain of causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source()).collect()
}

/// The error itself if it is about credentials. They are looked for at the first call, which fails before anything is sent.
fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a SdkError> {
    error
        .downcast_ref::<SdkError>()
        .or_else(|| error.downcast_ref::<Box<SdkError>>().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_sent_is_not_done() {
        let refused = Status::from_error(Box::new(ConnectError("connection refused".into())));
        let fault = Fault::from(&refused);
        assert_eq!(
            (fault.kind, fault.maybe_done),
            (FaultKind::Transient, false)
        );
        assert!(
            fault.message.contains("can't be reached"),
            "{}",
            fault.message
        );
        let lost = Fault::from(&Status::unavailable("broken pipe"));
        assert_eq!((lost.kind, lost.maybe_done), (FaultKind::Transient, true));
    }

    #[test]
    fn missing_credentials_are_for_a_person_to_mend() {
        let error = SdkError::from(ErrorKind::CryptoProviderMissing);
        // As the client's middleware wraps it.
        let status = Status::from_error(Box::new(Box::new(error)));
        let fault = Fault::from(&status);
        assert_eq!(
            (fault.kind, fault.maybe_done),
            (FaultKind::Permanent, false)
        );
        assert!(
            fault.message.contains("GOOGLE_APPLICATION_CREDENTIALS"),
            "{}",
            fault.message
        );
    }

    #[test]
    fn answers_that_refuse_a_commit_have_not_done_it() {
        for code in [
            Code::InvalidArgument,
            Code::NotFound,
            Code::AlreadyExists,
            Code::PermissionDenied,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unimplemented,
            Code::Unauthenticated,
        ] {
            assert!(!Fault::from_code(code, "").maybe_done, "{code:?}");
        }
        for code in [
            Code::Cancelled,
            Code::Unknown,
            Code::DeadlineExceeded,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
        ] {
            assert!(Fault::from_code(code, "").maybe_done, "{code:?}");
        }
    }
}
