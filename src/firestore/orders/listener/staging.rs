//! Changes received since the last consistent snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::missing::Name;
use super::targets::{TARGETS, bit, mask_of};
use crate::firestore::document::{rank, to_order};
use crate::firestore::value;
use crate::orders::HeldOrder;

/// Changes that are applied at the next consistent snapshot.
pub(super) struct Staging {
    documents: HashMap<Name, Staged>,
    /// Targets whose contents are sent from the beginning.
    fresh: [bool; TARGETS],
    /// Targets whose first contents are billed: those of a new query, not those sent again after a reset.
    queried: [bool; TARGETS],
    /// The server's counts of documents.
    counts: [Option<usize>; TARGETS],
    /// Size of the staged orders, in bytes.
    bytes: usize,
    /// Above this size, orders are staged without their documents.
    max_bytes: usize,
}

/// The parts of a document that are needed later, since all documents of a first snapshot are staged at the same time.
#[derive(Debug)]
pub(super) struct State {
    /// Commit time in microseconds.
    pub(super) updated: u64,
    pub(super) rank: Option<f64>,
    /// The order, or why it can't be read as one; `None` for other documents.
    pub(super) order: Option<Result<Arc<HeldOrder>, String>>,
}

impl State {
    pub(super) fn of(document: &Document, is_order: bool) -> Self {
        let order = || match to_order(document) {
            Ok(order) => Ok(Arc::new(HeldOrder::from(&order))),
            Err(error) => Err(error.to_string()),
        };
        Self {
            updated: document.update_time.as_ref().map_or(0, value::micros),
            rank: rank(document),
            order: is_order.then(order),
        }
    }

    pub(super) fn held(&self) -> Option<&Arc<HeldOrder>> {
        self.order.as_ref()?.as_ref().ok()
    }
}

/// What was received about one document.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) document: Option<State>,
    pub(super) deleted: bool,
    join: u8,
    leave: u8,
    /// Targets that the staged state was billed for.
    billed: u8,
}

impl Staging {
    /// Nothing staged. Beyond `max_bytes`, orders are staged without their documents.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            bytes: 0,
            max_bytes,
            documents: HashMap::new(),
            fresh: [true; TARGETS],
            queried: [true; TARGETS],
            counts: [None; TARGETS],
        }
    }

    /// Starts anew: `fresh` targets send everything, the others only changes.
    pub(super) fn begin(&mut self, fresh: [bool; TARGETS]) {
        self.documents.clear();
        self.bytes = 0;
        self.counts = [None; TARGETS];
        self.fresh = fresh;
        self.queried = fresh;
    }

    /// Discards the contents of a target, which the server sends again. Readers see nothing of it: documents that come again
    /// unchanged cause no event.
    pub(super) fn reset(&mut self, target: usize) {
        self.fresh[target] = true;
        self.counts[target] = None;
        for staged in self.documents.values_mut() {
            staged.join &= !bit(target);
            staged.leave &= !bit(target);
        }
    }

    /// Stages a document that is in the targets `join` and no longer in those of `leave`. `known` holds the commit time of its
    /// published state and the targets that it is in. Returns the number of billed reads, one per target.
    pub(super) fn upsert(
        &mut self,
        name: &str,
        state: State,
        join: u8,
        leave: u8,
        known: Option<(u64, u8)>,
    ) -> u32 {
        let queried = mask_of(self.queried);
        if let Some(held) = state.held() {
            if self.bytes + held.size() > self.max_bytes {
                held.drop_document();
            }
            self.bytes += held.size();
        }
        let staged = self.documents.entry(name.into()).or_default();
        staged.join = (staged.join & !leave) | join;
        staged.leave = (staged.leave & !join) | leave;
        staged.deleted = false;
        let before = staged.updated();
        staged.document = Some(state);
        let updated = staged.updated();
        if before != updated {
            staged.billed = 0;
        }
        // Documents sent again after a reset are not billed again.
        let free = match known {
            Some((known, targets)) if updated == Some(known) => targets & !queried,
            _ => 0,
        };
        let due = join & !free & !staged.billed;
        staged.billed |= due;
        due.count_ones()
    }

    /// Stages that a document has left the targets `leave`, and the database if `deleted`.
    pub(super) fn gone(&mut self, name: &str, leave: u8, deleted: bool) {
        let staged = self.documents.entry(name.into()).or_default();
        staged.join &= !leave;
        staged.leave |= leave;
        if deleted {
            staged.deleted = true;
            staged.document = None;
        }
    }

    /// Stores the server's count of documents in a target.
    pub(super) fn set_count(&mut self, target: usize, count: usize) {
        self.counts[target] = Some(count);
    }

    /// Commit time of a document's staged state, in microseconds.
    pub(super) fn updated(&self, name: &Name) -> Option<u64> {
        self.documents.get(name)?.updated()
    }

    pub(super) fn take(&mut self, name: &Name) -> Staged {
        self.documents.remove(name).unwrap_or_default()
    }

    /// The targets that each document will be in, for all documents that may have changed; `targets` returns those of a known
    /// one.
    pub(super) fn targets<K>(
        &self,
        known: &HashMap<Name, K>,
        targets: impl Fn(&K) -> u8,
    ) -> Vec<(Name, u8)> {
        let fresh = mask_of(self.fresh);
        let unstaged = known
            .iter()
            .map(|(name, known)| (name, targets(known)))
            .filter(|(name, targets)| targets & fresh != 0 && !self.documents.contains_key(*name))
            .map(|(name, targets)| (Arc::clone(name), targets & !fresh));
        self.documents
            .iter()
            .map(|(name, staged)| {
                let before = known.get(name).map_or(0, &targets);
                (
                    Arc::clone(name),
                    (before & !fresh & !staged.leave) | staged.join,
                )
            })
            .chain(unstaged)
            .collect()
    }

    /// Whether the server's counts match the targets after a commit: the documents in `after`, and the `known` ones not in it.
    pub(super) fn counts_match<'a>(
        &self,
        after: &[(Name, u8)],
        known: impl Iterator<Item = (&'a Name, u8)>,
    ) -> bool {
        if self.counts == [None; TARGETS] {
            return true;
        }
        let mut targets: HashMap<&Name, u8> = known.collect();
        targets.extend(after.iter().map(|(name, mask)| (name, *mask)));
        (0..TARGETS).all(|target| {
            let ours = targets
                .values()
                .filter(|mask| **mask & bit(target) != 0)
                .count();
            self.counts[target].is_none_or(|count| count == ours)
        })
    }
}

impl Staged {
    fn updated(&self) -> Option<u64> {
        Some(self.document.as_ref()?.updated)
    }
}
