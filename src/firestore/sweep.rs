//! Removes expired documents, a few at a time, along with the work that adds new ones.

use std::sync::{Mutex, PoisonError};

use firestore::gcloud_sdk::google::firestore::v1::Write;

use super::database::Database;
use super::fault::Fault;
use super::query;
use super::usage::Cause;
use super::writes::delete;

/// Documents added between two sweeps.
const EVERY: usize = 20;
/// Maximum number of documents that one sweep removes: more than were added since the last one, so that a backlog shrinks.
const LIMIT: usize = 2 * EVERY;

/// Counts the documents added since the last sweep. The first one in a process also triggers a sweep.
#[derive(Default)]
pub(super) struct Sweep(Mutex<usize>);

impl Sweep {
    /// If a sweep is due, removes a few documents whose field `time` is a Timestamp up to `before` (milliseconds).
    pub(super) async fn run(&self, database: &Database, collection: &str, time: &str, before: u64) {
        if !self.is_due() {
            return;
        }
        if let Err(fault) = remove(database, collection, time, before).await {
            tracing::debug!(
                reason = fault.message,
                collection,
                "old documents can't be removed yet; a later write tries again"
            );
        }
    }

    fn is_due(&self) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = *since == 0;
        *since = (*since + 1) % EVERY;
        is_due
    }
}

async fn remove(
    database: &Database,
    collection: &str,
    time: &str,
    before: u64,
) -> Result<(), Fault> {
    let old = query::expired(collection, time, before, LIMIT);
    let writes: Vec<Write> = database
        .query(old, Cause::Write)
        .await?
        .into_iter()
        .map(|document| delete(document.name, None))
        .collect();
    if !writes.is_empty() {
        database.commit(writes).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_due_at_first_and_after_a_number_of_documents() {
        let sweep = Sweep::default();
        let due: Vec<usize> = (0..50).filter(|_| sweep.is_due()).collect();
        assert_eq!(due, [0, 20, 40]);
    }
}
