//! Attempts at a change or a removal: repeated after conflicts, and while the outcome of a commit is unknown, within a deadline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::firestore::fault::{Fault, FaultKind};
use crate::store::StoreError;

/// Maximum attempts at a write, when others change the order at the same time or the outcome is unknown.
pub(super) const ATTEMPTS: u32 = 8;

/// Whether a commit of unknown outcome was sent.
#[derive(Default)]
pub(super) struct Sent(AtomicBool);

impl Sent {
    pub(super) fn set(&self, is_sent: bool) {
        self.0.store(is_sent, Ordering::Relaxed);
    }
}

/// Ends a write at its deadline: with the error for 504 if it may have been done, with that for 503 if nothing was sent.
pub(super) async fn in_time<T>(
    deadline: Duration,
    sent: &Sent,
    write: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(deadline, write).await {
        Ok(result) => result,
        Err(_) if sent.0.load(Ordering::Relaxed) => {
            Err(given_up(Some("no answer in time".to_owned())))
        }
        Err(_) => Err(Fault::transient(format!(
            "Firestore has not answered within {} s; nothing was changed",
            deadline.as_secs_f32()
        ))
        .into_error()),
    }
}

/// `Ok` to try again: after a conflict, or while a commit's outcome is unknown. Otherwise the fault as an error.
pub(super) fn retry(fault: Fault, unsure: &mut Option<String>) -> Result<(), StoreError> {
    if fault.maybe_done {
        *unsure = Some(fault.message);
    } else if fault.kind != FaultKind::Conflict && unsure.is_none() {
        return Err(fault.into_error());
    }
    Ok(())
}

/// The error after the last attempt; `unsure` is why the outcome of a commit is unknown.
pub(super) fn given_up(unsure: Option<String>) -> StoreError {
    match unsure {
        Some(reason) => StoreError::OutcomeUnknown {
            reason: format!("Firestore has not confirmed the change of the order ({reason})"),
        },
        None => Fault::transient(format!(
            "other programs keep changing this order: {ATTEMPTS} attempts failed"
        ))
        .into_error(),
    }
}

/// Waits a random time before an attempt, longer each time, to let others go first.
pub(super) async fn pause(attempt: u32) {
    if attempt > 0 {
        let longest = 50 * u64::from(attempt * attempt);
        tokio::time::sleep(Duration::from_millis(rand::random_range(
            longest / 4..longest,
        )))
        .await;
    }
}
