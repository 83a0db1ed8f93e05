use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::StoreError;

/// Maximum number of remembered credentials; others may be written more than once in an interval.
const MAX_REMEMBERED: usize = 10_000;
/// Maximum number of parallel writes. Beyond it, a credential is written at a later use.
const MAX_WRITES: u32 = 32;

/// Background writes that record the use of credentials: a write that hangs delays no request.
///
/// If several requests find at the same time that a write is due, one of them writes.
pub(super) struct Touches {
    /// When this process last began to write each credential's use.
    begun: Mutex<HashMap<String, u64>>,
    writes: Arc<Semaphore>,
}

/// A write that is due. If it doesn't succeed, the next use of the credential tries again.
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
    /// Claims the write for `id`; other callers get `None` for `interval` milliseconds. Also `None` while [`MAX_WRITES`] are
    /// running.
    pub(super) fn begin(self: &Arc<Self>, id: &str, now: u64, interval: u64) -> Option<Touch> {
        let mut begun = self.lock();
        // After the clock was set back, entries count as old.
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

    /// Runs an optional write; skips it while [`MAX_WRITES`] are running.
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

    /// Waits until no write is running.
    pub(super) async fn settled(&self) {
        // The semaphore is never closed.
        drop(self.writes.acquire_many(MAX_WRITES).await);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Touch {
    /// Runs the write in the background.
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
    /// Allows another try if the write has failed, or was dropped with its request or runtime.
    fn drop(&mut self) {
        if !self.is_written {
            self.touches.lock().remove(&self.id);
        }
    }
}

/// Logs a failed write. The credential stays valid.
fn note(result: &Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::debug!(%error, "the use of a credential couldn't be recorded");
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
