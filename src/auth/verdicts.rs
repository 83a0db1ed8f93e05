use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Credential, Principal, millis};

/// How long a verdict is believed without asking the store again.
const LIFE: Duration = Duration::from_secs(30);
/// How long it is believed while the store tells of changes: sessions have to be marked as used from time to time.
const WATCHED_LIFE: Duration = Duration::from_secs(300);
/// How long an old verdict stands in while the store can't be asked.
const LIFE_WHILE_AWAY: Duration = Duration::from_secs(3_600);
/// Most verdicts that are remembered.
const LIMIT: usize = 10_000;

/// What credentials were worth when the store was last asked.
#[derive(Default)]
pub(super) struct Verdicts {
    known: Mutex<HashMap<Credential, Verdict>>,
}

#[derive(Clone)]
pub(super) struct Verdict {
    pub(super) principal: Principal,
    pub(super) at_millis: u64,
    /// Of the store, when it was asked.
    pub(super) generation: Option<u64>,
    /// When the credential ends by itself.
    pub(super) ends_millis: u64,
}

impl Verdict {
    /// Whether the store needn't be asked; it is at `generation` now, if it tells of changes.
    pub(super) fn is_fresh(&self, now_millis: u64, generation: Option<u64>) -> bool {
        let life = match generation {
            // Somebody's rights have changed since; perhaps this one's.
            Some(_) if generation != self.generation => return false,
            Some(_) => WATCHED_LIFE,
            None => LIFE,
        };
        now_millis < self.ends_millis && self.age(now_millis) < millis(life)
    }

    /// Whether whoever was let in goes on while the store is away.
    pub(super) fn stands_in(&self, now_millis: u64) -> bool {
        self.age(now_millis) < millis(LIFE_WHILE_AWAY)
    }

    fn age(&self, now_millis: u64) -> u64 {
        now_millis.saturating_sub(self.at_millis)
    }
}

impl Verdicts {
    pub(super) fn get(&self, credential: &Credential) -> Option<Verdict> {
        self.lock().get(credential).cloned()
    }

    pub(super) fn remember(&self, credential: Credential, verdict: Verdict) {
        let mut known = self.lock();
        if known.len() >= LIMIT && !known.contains_key(&credential) {
            known.retain(|_, known| known.is_fresh(verdict.at_millis, verdict.generation));
            if known.len() >= LIMIT {
                return;
            }
        }
        known.insert(credential, verdict);
    }

    pub(super) fn remove(&self, credential: &Credential) {
        self.lock().remove(credential);
    }

    pub(super) fn forget(&self, which: impl Fn(&Credential, &Principal) -> bool) {
        self.lock()
            .retain(|credential, known| !which(credential, &known.principal));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Credential, Verdict>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(at_millis: u64, generation: Option<u64>) -> Verdict {
        Verdict {
            principal: Principal::of_settings(),
            at_millis,
            generation,
            ends_millis: u64::MAX,
        }
    }

    #[test]
    fn a_change_of_rights_makes_verdicts_old() {
        let watched = verdict(0, Some(1));
        assert!(watched.is_fresh(millis(WATCHED_LIFE) - 1, Some(1)));
        assert!(!watched.is_fresh(millis(WATCHED_LIFE), Some(1)));
        assert!(!watched.is_fresh(1, Some(2)));
        assert!(watched.is_fresh(millis(LIFE) - 1, None));
        assert!(!watched.is_fresh(millis(LIFE), None));
    }

    #[test]
    fn there_are_so_many_and_old_ones_make_room() {
        let verdicts = Verdicts::default();
        let id = |number: usize| Credential::AdminId(number.to_string());
        for number in 0..LIMIT {
            verdicts.remember(id(number), verdict(0, None));
        }
        verdicts.remember(id(LIMIT), verdict(1, None));
        assert!(verdicts.get(&id(LIMIT)).is_none());
        verdicts.remember(id(LIMIT), verdict(millis(LIFE), None));
        assert!(verdicts.get(&id(LIMIT)).is_some() && verdicts.get(&id(0)).is_none());
    }
}
