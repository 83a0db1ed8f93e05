use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most credentials that are remembered; further ones may be written down twice.
const MAX_REMEMBERED: usize = 10_000;

/// When this process has last written down that a credential is in use: requests that come at once find that it is due, and
/// one of them writes.
#[derive(Default)]
pub(super) struct Touches(Mutex<HashMap<String, u64>>);

impl Touches {
    /// Whether the caller has to write that `id` is in use. No one else has to for `interval` milliseconds.
    pub(super) fn begin(&self, id: &str, now: u64, interval: u64) -> bool {
        let mut written = self.lock();
        // A clock that was set back makes things old.
        let is_recent = |at: u64| now.checked_sub(at).is_some_and(|age| age < interval);
        if written.get(id).is_some_and(|at| is_recent(*at)) {
            return false;
        }
        if written.len() >= MAX_REMEMBERED {
            written.retain(|_, at| is_recent(*at));
        }
        if written.len() < MAX_REMEMBERED {
            written.insert(id.to_owned(), now);
        }
        true
    }

    /// It couldn't be written: the next one tries again.
    pub(super) fn failed(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_writes_in_an_interval() {
        let touches = Touches::default();
        let begun: Vec<bool> = [0, 0, 99, 100, 100]
            .map(|now| touches.begin("s", 1_000 + now, 100))
            .into();
        assert_eq!(begun, [true, false, false, true, false]);
        assert!(touches.begin("t", 1_100, 100));
        touches.failed("s");
        assert!(touches.begin("s", 1_100, 100));
        assert!(touches.begin("s", 500, 100), "the clock was set back");
    }

    #[test]
    fn memory_is_bounded_and_writing_goes_on() {
        let touches = Touches::default();
        for number in 0..MAX_REMEMBERED + 10 {
            assert!(touches.begin(&number.to_string(), 0, 100));
        }
        assert_eq!(touches.lock().len(), MAX_REMEMBERED);
        assert!(touches.begin("late", 100, 100) && !touches.begin("late", 101, 100));
        assert_eq!(touches.lock().len(), 1);
    }
}
