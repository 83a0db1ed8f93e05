use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::StoreError;

/// Most credentials that are remembered; further ones may be written down more than once in an interval.
const MAX_REMEMBERED: usize = 10_000;
/// Most writes under way at once. While the store doesn't answer, further ones wait for a later use of their credential.
const MAX_WRITES: u32 = 32;

/// What is written down of credentials in use, beside the requests that use them: a write that hangs holds none of them up.
///
/// Of the requests that find at the same time that a write is due, one writes.
pub(super) struct Touches {
    /// When this process has last begun to write down that a credential is in use.
    begun: Mutex<HashMap<String, u64>>,
    writes: Arc<Semaphore>,
}

/// A write that is due. Unless it succeeds, the next use of the credential tries again.
pub(super) struct Touch {
    touches: Arc<Touches>,
    id: String,
    is_written: bool,
    _permit: OwnedSemaphorePermit,
}

impl Default for Touches {
    fn default() -> Self {
        Self {
            begun: Mutex::default(),
            writes: Arc::new(Semaphore::new(MAX_WRITES as usize)),
        }
    }
}

impl Touches {
    /// The write that `id` is in use, if the caller has to make it: no other caller gets it for `interval` milliseconds.
    /// `None` also while too many writes are under way.
    pub(super) fn begin(self: &Arc<Self>, id: &str, now: u64, interval: u64) -> Option<Touch> {
        let mut begun = self.lock();
        // A clock that was set back makes things old.
        let is_recent = |at: u64| now.checked_sub(at).is_some_and(|age| age < interval);
        if begun.get(id).is_some_and(|at| is_recent(*at)) {
            return None;
        }
        let permit = Arc::clone(&self.writes).try_acquire_owned().ok()?;
        if begun.len() >= MAX_REMEMBERED {
            begun.retain(|_, at| is_recent(*at));
        }
        if begun.len() < MAX_REMEMBERED {
            begun.insert(id.to_owned(), now);
        }
        Some(Touch {
            touches: Arc::clone(self),
            id: id.to_owned(),
            is_written: false,
            _permit: permit,
        })
    }

    /// Makes a write that may as well be left out, as it is while too many are under way.
    pub(super) fn spawn(
        &self,
        write: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        let Ok(permit) = Arc::clone(&self.writes).try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            note(&write.await);
            drop(permit);
        });
    }

    /// Waits until no write is under way.
    pub(super) async fn settled(&self) {
        // The semaphore is never closed.
        drop(self.writes.acquire_many(MAX_WRITES).await);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Touch {
    /// Makes the write, without having the caller wait for it.
    pub(super) fn spawn(
        self,
        write: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        tokio::spawn(async move {
            let result = write.await;
            note(&result);
            self.end(result.is_ok());
        });
    }

    fn end(mut self, is_written: bool) {
        self.is_written = is_written;
    }
}

impl Drop for Touch {
    /// The write has failed, or was given up along with its request or its runtime.
    fn drop(&mut self) {
        if !self.is_written {
            self.touches.lock().remove(&self.id);
        }
    }
}

/// Logs a failure of book-keeping: a good credential stays good.
fn note(result: &Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::debug!(%error, "the use of a credential couldn't be written down");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins a write that succeeds, if one is due.
    fn begin(touches: &Arc<Touches>, id: &str, now: u64) -> bool {
        let touch = touches.begin(id, now, 100);
        touch.map(|touch| touch.end(true)).is_some()
    }

    #[test]
    fn one_of_many_writes_in_an_interval() {
        let touches = Arc::new(Touches::default());
        let begun = [0, 0, 99, 100, 100].map(|now| begin(&touches, "s", 1_000 + now));
        assert_eq!(begun, [true, false, false, true, false]);
        assert!(begin(&touches, "t", 1_100));
        assert!(begin(&touches, "s", 500), "the clock was set back");
    }

    #[test]
    fn a_write_that_fails_or_is_given_up_is_begun_again() {
        let touches = Arc::new(Touches::default());
        let touch = touches.begin("s", 1_000, 100);
        assert!(touch.is_some() && !begin(&touches, "s", 1_001));
        drop(touch);
        assert!(begin(&touches, "s", 1_001));
    }

    #[test]
    fn only_so_many_are_written_at_once() {
        let touches = Arc::new(Touches::default());
        let begin = |number: u32| touches.begin(&number.to_string(), 1_000, 100);
        let mut under_way: Vec<_> = (0..MAX_WRITES).filter_map(begin).collect();
        assert_eq!(under_way.len(), MAX_WRITES as usize);
        assert!(begin(MAX_WRITES).is_none());
        under_way.pop();
        assert!(begin(MAX_WRITES).is_some());
    }

    #[test]
    fn memory_is_bounded_and_writing_goes_on() {
        let touches = Arc::new(Touches::default());
        for number in 0..MAX_REMEMBERED + 10 {
            assert!(begin(&touches, &number.to_string(), 0));
        }
        assert_eq!(touches.lock().len(), MAX_REMEMBERED);
        assert!(begin(&touches, "late", 100) && !begin(&touches, "late", 101));
        assert_eq!(touches.lock().len(), 1);
    }
}
