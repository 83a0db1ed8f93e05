//! Where things stand with the certificate, for the log, `doctor` and the page on port 80.

use super::held::Held;
use super::machine::{self, Wanted};
use super::problem::Problem;
use super::record::Record;
use crate::store::SecretStore;

/// Where things stand with the certificate. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// When the certificate expires, if there is one for the wanted names.
    pub expires_at: Option<u64>,
    /// When the next certificate is requested.
    pub next_attempt_at: u64,
    /// Whether an instance is talking to the authority.
    pub is_working: bool,
    /// Why the last attempt has failed, and the number of failures in a row.
    pub failure: Option<(Problem, u32)>,
}

impl Status {
    pub(super) fn of(record: &Record, wanted: &Wanted, trouble: Option<Problem>, now: u64) -> Self {
        let failure = machine::failure(record, wanted);
        let failure = failure.map(|failure| (failure.problem.clone(), failure.count));
        Self {
            expires_at: machine::current(record, wanted).map(|certificate| certificate.not_after),
            next_attempt_at: machine::due_at(record, wanted, now),
            is_working: record
                .lease
                .as_ref()
                .is_some_and(|lease| machine::holds(lease, now)),
            failure: trouble.map(|problem| (problem, 1)).or(failure),
        }
    }

    /// Reads the status from the store, beside running servers.
    pub async fn read(store: &dyn SecretStore, wanted: &Wanted, now: u64) -> Result<Self, Problem> {
        let held = Held::read(store).await?;
        Ok(Self::of(&held.record, wanted, None, now))
    }
}
