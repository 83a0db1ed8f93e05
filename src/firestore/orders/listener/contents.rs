//! The listener's copy of the database, and the changes to publish at each consistent snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::gap;
use super::known::{Known, KnownDocuments};
use super::missing::{Fate, Missing, Name};
use super::staging::{Staging, State};
use super::targets::{NEWEST, OPEN, REMOVALS, TARGETS, bit};
use crate::firestore::document::id_of;
use crate::firestore::orders::removals::removed_id;
use crate::orders::{Change, OrderId};

/// The documents in the targets, as published and as staged for the next snapshot.
pub(super) struct Contents {
    limits: [usize; TARGETS],
    /// Documents that are published and still in a target.
    known: KnownDocuments,
    /// Removal times of orders in microseconds, by full name.
    removed: HashMap<Name, u64>,
    /// Orders that have left their targets: only a look-up shows why.
    suspects: HashMap<Name, Suspect>,
    staging: Staging,
    /// Documents that can't be read as orders; each is logged once.
    unreadable: HashSet<Name>,
    orders: String,
    /// Read time of the last snapshot, in microseconds; 0 before the first.
    read_micros: u64,
}

#[derive(Debug, Clone, Copy)]
struct Suspect {
    known: Known,
    /// Read time of the snapshot that the order was missing from, in microseconds.
    missed: u64,
    /// Removal time according to the database, in microseconds.
    recorded: Option<u64>,
    /// Commit time of the state found by a look-up, if it is newer than any snapshot so far.
    found: Option<u64>,
    /// Whether a look-up is under way: there is one at a time, or each snapshot would queue another.
    is_looked_up: bool,
}

/// The effect of a consistent snapshot or of a look-up.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) changes: Vec<Change>,
    /// Open orders to deliver again although they have not changed.
    pub(super) repeats: Vec<Change>,
    /// Orders to look up.
    pub(super) suspects: Vec<Missing>,
    /// Whether there may be more open orders than the target's limit.
    pub(super) has_hidden_open: bool,
    /// Whether orders may have come and gone since the last snapshot.
    pub(super) has_gap: bool,
}

impl Contents {
    /// `orders` is the prefix of the names of orders. Beyond `max_bytes`, orders are published without their documents.
    pub(super) fn new(orders: String, limits: [usize; TARGETS], max_bytes: usize) -> Self {
        Self {
            limits,
            known: KnownDocuments::default(),
            removed: HashMap::new(),
            suspects: HashMap::new(),
            staging: Staging::new(max_bytes),
            unreadable: HashSet::new(),
            orders,
            read_micros: 0,
        }
    }

    /// The changes received since the last consistent snapshot.
    pub(super) fn staging(&mut self) -> &mut Staging {
        &mut self.staging
    }

    /// Stages a document that is in the targets `join` and no longer in those of `leave`. Returns the number of billed reads.
    pub(super) fn upsert(&mut self, document: &Document, join: u8, leave: u8) -> u32 {
        let known = self.known.get(document.name.as_str());
        let known = known.map(|known| (known.updated, known.targets));
        let state = State::of(document, self.is_order(&document.name));
        self.staging
            .upsert(&document.name, state, join, leave, known)
    }

    /// Number of documents in a target, for the server to compare with its own.
    pub(super) fn len(&self, target: usize) -> usize {
        self.known.count(target)
    }

    /// Number of documents that can't be read as orders.
    pub(super) fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    /// Applies the staged changes; the database is consistent as of `read_micros`. Returns `None`, and applies nothing, if the
    /// server's counts of documents differ from ours.
    ///
    /// With `repeats`, the outcome also lists the staged open orders that have not changed.
    pub(super) fn commit(&mut self, read_micros: u64, repeats: bool) -> Option<Outcome> {
        let known = self.known.iter().map(|(name, known)| (name, known.targets));
        let targets = self.staging.targets(&self.known, |known| known.targets);
        if !self.staging.counts_match(&targets, known) {
            return None;
        }
        let mut outcome = Outcome::default();
        let before =
            NEWEST.map(|target| gap::Before::new(self.known.ranks(target), self.read_micros));
        let mut left = Vec::new();
        for (name, targets) in targets {
            let staged = self.staging.take(&name);
            if targets == 0 {
                left.push((name, staged));
            } else {
                if repeats && targets & bit(OPEN) != 0 {
                    let held = staged.document.as_ref().and_then(State::held).cloned();
                    outcome.repeats.extend(held.map(Change::Upsert));
                }
                self.keep(&name, staged.document, targets, &mut outcome.changes);
            }
        }
        self.staging.begin([false; TARGETS]);
        for (name, staged) in left {
            match staged.document {
                Some(state) => self.leave_as(&name, state, &mut outcome.changes),
                None => self.leave(&name, staged.deleted, read_micros, &mut outcome),
            }
        }
        self.settle(read_micros, &mut outcome.changes);
        self.look_again(read_micros, &mut outcome.suspects);
        outcome.changes.sort_by_cached_key(Change::position);
        outcome.repeats.sort_by_cached_key(Change::position);
        self.forget_old_removals();
        outcome.has_hidden_open = self.known.count(OPEN) >= self.limits[OPEN];
        outcome.has_gap = NEWEST.into_iter().zip(before).any(|(target, before)| {
            self.known.count(target) >= self.limits[target]
                && before.has_gap(self.known.ranks(target))
        });
        self.read_micros = read_micros;
        Some(outcome)
    }

    /// Takes a document that is in a target: new, changed or unchanged.
    fn keep(&mut self, name: &Name, state: Option<State>, targets: u8, changes: &mut Vec<Change>) {
        let before = self
            .known
            .get(name)
            .copied()
            .or_else(|| self.suspects.get(name).map(|suspect| suspect.known));
        let Some(state) = state else {
            if let Some(known) = self.known.get_mut(name) {
                known.targets = targets;
            }
            return;
        };
        let updated = state.updated;
        let known = before
            .filter(|before| before.updated >= updated)
            .unwrap_or(Known {
                updated,
                targets,
                rank: state.rank,
            });
        if !self.is_order(name) {
            self.known
                .insert(Arc::clone(name), Known { targets, ..known });
            self.note_removal(name, updated, changes);
            return;
        }
        if self
            .removed
            .get(name)
            .is_some_and(|removed| *removed >= updated)
        {
            // Received late: the order has been removed since.
            return;
        }
        self.suspects.remove(name);
        self.known
            .insert(Arc::clone(name), Known { targets, ..known });
        if before.is_none_or(|before| before.updated < updated) {
            self.publish(name, state, changes);
        }
    }

    fn publish(&mut self, name: &Name, state: State, changes: &mut Vec<Change>) {
        match state.order {
            Some(Ok(order)) => changes.push(Change::Upsert(order)),
            Some(Err(error)) if self.unreadable.insert(Arc::clone(name)) => {
                let id = id_of(name);
                tracing::warn!(id, %error, "a document isn't shown, since it can't be read as an order: correct or remove it");
            }
            Some(Err(_)) | None => {}
        }
    }

    /// Takes a removal record. Its commit time is that of the removal, the same on every instance.
    fn note_removal(&mut self, record: &Name, micros: u64, changes: &mut Vec<Change>) {
        let Some(id) = removed_id(record) else {
            return;
        };
        let name: Name = format!("{}{id}", self.orders).into();
        if self
            .removed
            .get(&name)
            .is_some_and(|known| *known >= micros)
        {
            return;
        }
        self.removed.insert(Arc::clone(&name), micros);
        if self.newest_state(&name) > micros {
            // An order with the same id was placed after the removal.
            return;
        }
        changes.retain(|change| !matches!(change, Change::Upsert(order) if order.id == id));
        self.remove(&name, micros, changes);
    }

    /// Commit time of the newest state of an order received so far, staged or not; 0 if there is none.
    fn newest_state(&self, name: &Name) -> u64 {
        let staged = self.staging.updated(name).unwrap_or(0);
        let known = self.known.get(name).map_or(0, |known| known.updated);
        let suspect = self.suspects.get(name).map_or(0, |suspect| {
            suspect.known.updated.max(suspect.found.unwrap_or(0))
        });
        staged.max(known).max(suspect)
    }

    fn remove(&mut self, name: &Name, micros: u64, changes: &mut Vec<Change>) {
        self.known.remove(name);
        self.suspects.remove(name);
        self.removed.insert(Arc::clone(name), micros);
        if let Ok(id) = OrderId::parse(id_of(name)) {
            changes.push(Change::Remove { id, micros });
        }
    }

    /// Takes a document that has left all targets, with its newest state: mostly a finished order that is older than the newest.
    fn leave_as(&mut self, name: &Name, state: State, changes: &mut Vec<Change>) {
        if let Some(known) = self.known.remove(name)
            && known.updated < state.updated
        {
            self.publish(name, state, changes);
        }
    }

    /// Takes a document that has left all targets: removed, or pushed out by newer ones.
    fn leave(&mut self, name: &Name, deleted: bool, read_micros: u64, outcome: &mut Outcome) {
        let Some(known) = self.known.remove(name) else {
            return;
        };
        if !self.is_order(name) || (!deleted && self.known.is_outranked(&known, &self.limits)) {
            return;
        }
        self.suspects.insert(
            Arc::clone(name),
            Suspect {
                known,
                missed: read_micros,
                recorded: None,
                found: None,
                is_looked_up: true,
            },
        );
        outcome.suspects.push(Missing {
            name: Arc::clone(name),
            updated: known.updated,
        });
    }

    /// Publishes removals whose time is recorded, once the snapshots have reached that time and nothing earlier can follow.
    fn settle(&mut self, read_micros: u64, changes: &mut Vec<Change>) {
        let ripe: Vec<_> = self
            .suspects
            .iter()
            .filter_map(|(name, suspect)| Some((Arc::clone(name), suspect.recorded?)))
            .filter(|(_, micros)| *micros <= read_micros)
            .collect();
        for (name, micros) in ripe {
            self.remove(&name, micros, changes);
        }
    }

    /// Looks up again the orders that a look-up has found, but the snapshots since haven't shown.
    fn look_again(&mut self, read_micros: u64, missing: &mut Vec<Missing>) {
        for (name, suspect) in &mut self.suspects {
            if let (Some(updated), None) = (suspect.found, suspect.recorded)
                && updated <= read_micros
                && !suspect.is_looked_up
            {
                suspect.is_looked_up = true;
                missing.push(Missing {
                    name: Arc::clone(name),
                    updated,
                });
            }
        }
    }

    /// Takes the result of a look-up; `read_micros` is the read time of the last snapshot.
    pub(super) fn resolve(&mut self, name: &str, fate: Fate, read_micros: u64) -> Outcome {
        let mut outcome = Outcome::default();
        let Some((name, suspect)) = self
            .suspects
            .get_key_value(name)
            .map(|(name, suspect)| (Arc::clone(name), *suspect))
        else {
            return outcome;
        };
        match fate {
            Fate::Exists(document) => {
                let state = State::of(&document, true);
                let updated = state.updated;
                if updated > suspect.known.updated && updated > read_micros {
                    // A snapshot still to come shows the order or its removal.
                    let found = Suspect {
                        found: Some(updated),
                        is_looked_up: false,
                        ..suspect
                    };
                    self.suspects.insert(name, found);
                    return outcome;
                }
                self.suspects.remove(&name);
                if updated > suspect.known.updated {
                    self.publish(&name, state, &mut outcome.changes);
                }
            }
            // Result of an earlier look-up: the order was placed again since, and is missing again.
            Fate::Removed(micros) if micros <= suspect.known.updated => {
                outcome.suspects.push(Missing {
                    name,
                    updated: suspect.known.updated,
                });
            }
            Fate::Removed(micros) => {
                self.suspects.insert(
                    name,
                    Suspect {
                        recorded: Some(micros),
                        ..suspect
                    },
                );
                self.settle(read_micros, &mut outcome.changes);
            }
            Fate::Unrecorded => self.remove(&name, suspect.missed, &mut outcome.changes),
        }
        outcome
    }

    /// Drops the oldest removal times. They are kept to recognise changes that are received late.
    fn forget_old_removals(&mut self) {
        let keep = self.limits[REMOVALS].max(1) * 2;
        if self.removed.len() <= keep * 2 {
            return;
        }
        let mut times: Vec<u64> = self.removed.values().copied().collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let oldest = times[keep - 1];
        self.removed.retain(|_, micros| *micros >= oldest);
    }

    fn is_order(&self, name: &str) -> bool {
        name.starts_with(&self.orders)
    }
}
