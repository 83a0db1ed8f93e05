use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::counter::{Counter, Last};

/// Progress of a submit, for the task that answers its caller at the deadline.
#[derive(Default)]
pub(super) struct Progress {
    /// Whether a commit was sent whose outcome isn't known yet.
    is_sent: AtomicBool,
    is_given_up: AtomicBool,
    /// The lock that lets one submit at a time number orders, and the state left by the last one.
    turn: Mutex<Option<OwnedMutexGuard<Last>>>,
}

impl Progress {
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }

    /// Records whether there is a commit of unknown outcome.
    pub(super) fn set_sent(&self, is_sent: bool) {
        self.is_sent.store(is_sent, Ordering::Relaxed);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    /// To be called when the caller is answered: from then on nothing more is sent, only the outcome is looked up, and the next
    /// submit has its turn.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.turn().take();
    }

    /// Holds the turn until the submit ends or is given up.
    pub(super) fn hold(&self, turn: OwnedMutexGuard<Last>) {
        *self.turn() = Some(turn);
    }

    /// Leaves the counter to the next submit, unless that one has its turn already.
    pub(super) fn leave(&self, counter: Option<Counter>) {
        if let Some(last) = &mut *self.turn() {
            last.counter = counter;
        }
    }

    fn turn(&self) -> MutexGuard<'_, Option<OwnedMutexGuard<Last>>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
