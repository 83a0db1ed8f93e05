//! What a stream has told since the last consistent snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::super::document::{rank, to_order};
use super::super::value;
use super::TARGETS;
use super::contents::Name;
use crate::orders::HeldOrder;

/// Everything that waits for the next consistent snapshot.
pub(super) struct Staging {
    documents: HashMap<Name, Staged>,
    /// Targets whose contents come again from the beginning.
    fresh: [bool; TARGETS],
    /// Targets whose first contents are billed: those of a new query, not what comes again after a reset.
    queried: [bool; TARGETS],
    /// How many documents the server counts.
    counts: [Option<usize>; TARGETS],
    /// Bytes of the orders that are staged.
    bytes: usize,
    /// Beyond so many, documents are left out.
    max_bytes: usize,
}

/// A document's state: what is needed of it, since all documents of a first snapshot wait here at the same time.
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

/// What was told of one document.
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
    /// Nothing staged; orders beyond `max_bytes` will be without their documents.
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
}

impl Staging {
    /// Starts anew: `fresh` targets send everything, the others what has changed.
    pub(super) fn begin(&mut self, fresh: [bool; TARGETS]) {
        self.documents.clear();
        self.bytes = 0;
        self.counts = [None; TARGETS];
        self.fresh = fresh;
        self.queried = fresh;
    }

    /// The contents of a target are void and come again. Nobody is told: what comes again unchanged cancels out.
    pub(super) fn reset(&mut self, target: usize) {
        self.fresh[target] = true;
        self.counts[target] = None;
        for staged in self.documents.values_mut() {
            staged.join &= !bit(target);
            staged.leave &= !bit(target);
        }
    }

    /// A document is in the targets `join` and no longer in those of `leave`. `known` is the time of the state published so
    /// far, and the targets that it is in. Answers how many reads are billed: one for each target.
    pub(super) fn upsert(
        &mut self,
        name: &str,
        state: State,
        join: u8,
        leave: u8,
        known: Option<(u64, u8)>,
    ) -> u32 {
        let queried = (0..TARGETS)
            .filter(|target| self.queried[*target])
            .fold(0, |mask, target| mask | bit(target));
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
        // What comes again after a reset is not billed again.
        let free = match known {
            Some((known, targets)) if updated == Some(known) => targets & !queried,
            _ => 0,
        };
        let due = join & !free & !staged.billed;
        staged.billed |= due;
        due.count_ones()
    }

    /// A document is no longer in the targets `leave`, and no longer anywhere if it was deleted.
    pub(super) fn gone(&mut self, name: &str, leave: u8, deleted: bool) {
        let staged = self.documents.entry(name.into()).or_default();
        staged.join &= !leave;
        staged.leave |= leave;
        if deleted {
            staged.deleted = true;
            staged.document = None;
        }
    }

    /// The server holds so many documents in a target.
    pub(super) fn set_count(&mut self, target: usize, count: usize) {
        self.counts[target] = Some(count);
    }

    /// Commit time of what is staged of a document, in microseconds.
    pub(super) fn updated(&self, name: &Name) -> Option<u64> {
        self.documents.get(name)?.updated()
    }

    pub(super) fn take(&mut self, name: &Name) -> Staged {
        self.documents.remove(name).unwrap_or_default()
    }

    /// Which targets each document will be in, for all that may have changed; `targets` tells where a known one is now.
    pub(super) fn targets<K>(
        &self,
        known: &HashMap<Name, K>,
        targets: impl Fn(&K) -> u8,
    ) -> Vec<(Name, u8)> {
        let fresh = (0..TARGETS)
            .filter(|target| self.fresh[*target])
            .fold(0, |mask, target| mask | bit(target));
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

    /// Whether the server counts as many documents as there will be: those in `after`, and the `known` ones not among them.
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

/// The bit that stands for a target.
pub(super) fn bit(target: usize) -> u8 {
    1 << target
}
