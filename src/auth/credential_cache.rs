use std::collections::HashMap;
use std::time::Duration;

use super::{AuthError, Credential, Principal};
use crate::clock::millis;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// How long a verdict is fresh when the store doesn't report changes.
const LIFE: Duration = Duration::from_secs(30);
/// How long it is fresh when the store reports changes. Bounded, because the use of a session has to be recorded in time.
const WATCHED_LIFE: Duration = Duration::from_secs(300);
/// How long a verdict is valid while the store is unreachable.
const LIFE_WHILE_AWAY: Duration = Duration::from_secs(3_600);
/// Maximum number of cached valid credentials.
const MAX_KNOWN: usize = 10_000;
/// Maximum number of cached refusals.
const MAX_REFUSED: usize = 10_000;

/// Cache of the store's answers about credentials.
///
/// Valid and refused ones are stored separately, so that invented credentials can't evict valid ones.
#[derive(Default)]
pub(super) struct CredentialCache {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<Credential, Known>,
    refused: HashMap<Credential, Refused>,
    /// Number of calls of [`CredentialCache::forget`].
    forgettings: u64,
}

/// A valid credential, and when it was last sent.
struct Known {
    verdict: Verdict,
    used_millis: u64,
}

/// The store's answer about a valid credential.
#[derive(Clone)]
pub(super) struct Verdict {
    pub(super) principal: Principal,
    pub(super) at_millis: u64,
    /// The store's generation at the look-up.
    pub(super) generation: Option<u64>,
    /// When the credential expires.
    pub(super) ends_millis: u64,
}

/// A refused credential.
struct Refused {
    refusal: Refusal,
    at_millis: u64,
    life: Duration,
}

/// Why a credential is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Unknown,
    Disabled,
}

impl From<Refusal> for AuthError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::Unknown,
            Refusal::Disabled => Self::Disabled,
        }
    }
}

/// Taken before a look-up. The result is cached only if nothing was forgotten since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Verdict {
    /// Whether the verdict can be used without a look-up. `generation` is the store's current one, `None` if it doesn't report
    /// changes.
    pub(super) fn is_fresh(&self, now_millis: u64, generation: Option<u64>) -> bool {
        let life = match generation {
            // Either rights have changed (perhaps of this credential), or the store has stopped reporting changes and may have
            // missed some before the look-up.
            _ if generation != self.generation => return false,
            Some(_) => WATCHED_LIFE,
            None => LIFE,
        };
        self.is_younger_than(life, now_millis)
    }

    /// Whether the credential stays valid while the store is unreachable.
    pub(super) fn stands_in(&self, now_millis: u64) -> bool {
        self.is_younger_than(LIFE_WHILE_AWAY, now_millis)
    }

    fn is_younger_than(&self, life: Duration, now_millis: u64) -> bool {
        now_millis < self.ends_millis && is_younger_than(life, self.at_millis, now_millis)
    }
}

/// After the clock was set back, entries count as old.
fn is_younger_than(life: Duration, at_millis: u64, now_millis: u64) -> bool {
    now_millis
        .checked_sub(at_millis)
        .is_some_and(|age| age < millis(life))
}

impl CredentialCache {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.lock().forgettings)
    }

    /// The last verdict, fresh or not. Records that the credential was sent now.
    pub(super) fn get(&self, credential: &Credential, now_millis: u64) -> Option<Verdict> {
        let mut state = self.lock();
        let known = state.known.get_mut(credential)?;
        known.used_millis = now_millis;
        Some(known.verdict.clone())
    }

    /// When this process last saw each session of an admin, by session id.
    pub(super) fn last_used(&self, admin_id: &str) -> HashMap<String, u64> {
        let state = self.lock();
        let own = state
            .known
            .values()
            .filter(|known| known.verdict.principal.admin_id.as_deref() == Some(admin_id));
        own.filter_map(|known| {
            let session = known.verdict.principal.session_id.clone()?;
            Some((session, known.used_millis))
        })
        .collect()
    }

    /// The cached refusal of the credential, if it is fresh.
    pub(super) fn refusal(&self, credential: &Credential, now_millis: u64) -> Option<Refusal> {
        let state = self.lock();
        let refused = state.refused.get(credential)?;
        refused.is_fresh(now_millis).then_some(refused.refusal)
    }

    /// Caches a verdict, unless anything was forgotten since the `ticket` was taken: a look-up that began before a sign-out
    /// must not restore the session.
    pub(super) fn remember(&self, ticket: Ticket, credential: Credential, verdict: Verdict) {
        let mut state = self.lock();
        if state.forgettings != ticket.0 {
            return;
        }
        let known = &mut state.known;
        if known.len() >= MAX_KNOWN && !known.contains_key(&credential) {
            known.retain(|_, known| {
                let (now, generation) = (verdict.at_millis, verdict.generation);
                known.verdict.is_fresh(now, generation)
            });
            if known.len() >= MAX_KNOWN {
                return;
            }
        }
        state.refused.remove(&credential);
        let known = Known {
            used_millis: verdict.at_millis,
            verdict,
        };
        state.known.insert(credential, known);
    }

    /// Drops the verdict of a credential that is no longer valid.
    pub(super) fn remove(&self, credential: &Credential) {
        self.lock().known.remove(credential);
    }

    /// Caches the refusal of a credential for `life`.
    pub(super) fn refuse(
        &self,
        credential: Credential,
        refusal: Refusal,
        now_millis: u64,
        life: Duration,
    ) {
        let mut state = self.lock();
        state.known.remove(&credential);
        if state.refused.len() >= MAX_REFUSED {
            state
                .refused
                .retain(|_, refused| refused.is_fresh(now_millis));
            // Costs only more look-ups, which are limited per address.
            if state.refused.len() >= MAX_REFUSED {
                state.refused.clear();
            }
        }
        let refused = Refused {
            refusal,
            at_millis: now_millis,
            life,
        };
        state.refused.insert(credential, refused);
    }

    /// Drops verdicts, and discards the results of look-ups under way.
    pub(super) fn forget(&self, which: impl Fn(&Credential, &Principal) -> bool) {
        let mut state = self.lock();
        state.forgettings += 1;
        state
            .known
            .retain(|credential, known| !which(credential, &known.verdict.principal));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refused {
    fn is_fresh(&self, now_millis: u64) -> bool {
        is_younger_than(self.life, self.at_millis, now_millis)
    }
}

#[cfg(all(test, feature = "shuttle"))]
mod races;

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

    fn id(number: usize) -> Credential {
        Credential::AdminId(number.to_string())
    }

    #[test]
    fn a_change_of_rights_makes_verdicts_old() {
        let watched = verdict(0, Some(1));
        assert!(watched.is_fresh(millis(WATCHED_LIFE) - 1, Some(1)));
        assert!(!watched.is_fresh(millis(WATCHED_LIFE), Some(1)));
        assert!(!watched.is_fresh(1, Some(2)));
        assert!(!watched.is_fresh(1, None));
        assert!(verdict(0, None).is_fresh(millis(LIFE) - 1, None));
        assert!(!verdict(0, None).is_fresh(millis(LIFE), None));
        assert!(
            !verdict(5, None).is_fresh(4, None),
            "the clock was set back"
        );
    }

    #[test]
    fn a_credential_that_has_ended_by_itself_does_not_stand_in() {
        let verdict = Verdict {
            ends_millis: 50_000,
            ..verdict(0, None)
        };
        assert!(verdict.stands_in(49_999));
        assert!(!verdict.stands_in(50_000));
    }

    #[test]
    fn there_are_so_many_and_old_ones_make_room() {
        let cache = CredentialCache::default();
        let ticket = cache.ticket();
        for number in 0..MAX_KNOWN {
            cache.remember(ticket, id(number), verdict(0, None));
        }
        cache.remember(ticket, id(MAX_KNOWN), verdict(1, None));
        assert!(cache.get(&id(MAX_KNOWN), 0).is_none());
        cache.remember(ticket, id(MAX_KNOWN), verdict(millis(LIFE), None));
        assert!(cache.get(&id(MAX_KNOWN), 0).is_some() && cache.get(&id(0), 0).is_none());
    }

    #[test]
    fn refusals_are_bounded_and_leave_the_good_ones_alone() {
        let cache = CredentialCache::default();
        cache.remember(cache.ticket(), id(0), verdict(0, None));
        for number in 1..=MAX_REFUSED * 2 + 5 {
            cache.refuse(id(number), Refusal::Unknown, 0, LIFE);
            assert!(cache.lock().refused.len() <= MAX_REFUSED);
        }
        assert!(cache.get(&id(0), 0).is_some());
        let last = id(MAX_REFUSED * 2 + 5);
        assert_eq!(cache.refusal(&last, 1), Some(Refusal::Unknown));
        assert_eq!(cache.refusal(&last, millis(LIFE)), None);
        cache.remember(cache.ticket(), last.clone(), verdict(1, None));
        assert_eq!(cache.refusal(&last, 1), None);
    }

    #[test]
    fn a_look_up_from_before_a_sign_out_is_not_kept() {
        let cache = CredentialCache::default();
        let ticket = cache.ticket();
        cache.forget(|credential, _| *credential == id(1));
        cache.remember(ticket, id(1), verdict(0, None));
        assert!(cache.get(&id(1), 0).is_none());
        cache.remember(cache.ticket(), id(1), verdict(0, None));
        assert!(cache.get(&id(1), 0).is_some());
    }
}
