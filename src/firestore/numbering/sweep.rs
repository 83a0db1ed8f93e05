//! Forgetting idempotency keys that have expired, for projects without a TTL policy.

use std::sync::Mutex;
use std::sync::PoisonError;

use firestore::gcloud_sdk::google::firestore::v1::Write;

use super::{KEYS_COLLECTION, Numbering};
use crate::firestore::connection::delete;
use crate::firestore::fault::Fault;
use crate::firestore::query;
use crate::firestore::usage::Cause;

/// Submits with a key between two sweeps.
const EVERY: usize = 20;
/// Most keys that one sweep removes: more than have come since the last one, so that old ones become fewer.
const LIMIT: usize = 2 * EVERY;

/// Counts the submits with a key since the last sweep. The first of a process sweeps, too.
#[derive(Default)]
pub(super) struct Sweep(Mutex<usize>);

impl Sweep {
    fn is_due(&self) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = *since == 0;
        *since = (*since + 1) % EVERY;
        is_due
    }
}

impl Numbering {
    /// Removes a few expired keys when it is time to.
    pub(super) async fn sweep_keys(&self) {
        if !self.sweep.is_due() {
            return;
        }
        if let Err(fault) = self.remove_expired_keys().await {
            tracing::debug!(
                reason = fault.message,
                "expired idempotency keys stay for now"
            );
        }
    }

    async fn remove_expired_keys(&self) -> Result<(), Fault> {
        let expired = query::expired(KEYS_COLLECTION, "expiresAt", self.clock.millis(), LIMIT);
        let writes: Vec<Write> = self
            .connection
            .query(expired, Cause::Write)
            .await?
            .into_iter()
            .map(|document| delete(document.name, None))
            .collect();
        if !writes.is_empty() {
            self.connection.commit(writes).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_due_at_first_and_after_a_number_of_keys() {
        let sweep = Sweep::default();
        let due: Vec<usize> = (0..50).filter(|_| sweep.is_due()).collect();
        assert_eq!(due, [0, 20, 40]);
    }
}
