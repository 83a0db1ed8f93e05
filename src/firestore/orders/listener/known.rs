//! The documents that are published and in a target, without their contents.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use super::missing::Name;
use super::targets::{OPEN, TARGETS, bit};

/// A published document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Commit time in microseconds.
    pub(super) updated: u64,
    /// Bit mask of the targets that the document is in.
    pub(super) targets: u8,
    /// Sort key in the targets of the newest orders; see [`rank`](crate::firestore::document::rank).
    pub(super) rank: Option<f64>,
}

/// All of them, by full name.
#[derive(Default)]
pub(super) struct KnownDocuments(HashMap<Name, Known>);

impl KnownDocuments {
    /// Number of documents in a target.
    pub(super) fn count(&self, target: usize) -> usize {
        self.of(target).count()
    }

    /// Sort keys of the documents in a target.
    pub(super) fn ranks(&self, target: usize) -> impl Iterator<Item = f64> {
        self.of(target).filter_map(|known| known.rank)
    }

    /// Whether every target that the document was in is full of newer documents. Always `false` for open orders: their target
    /// isn't sorted by time, and an order also leaves it when it is finished.
    pub(super) fn is_outranked(&self, gone: &Known, limits: &[usize; TARGETS]) -> bool {
        (0..TARGETS)
            .filter(|target| gone.targets & bit(*target) != 0)
            .all(|target| {
                if target == OPEN {
                    return false;
                }
                let ranks: Vec<_> = self.of(target).map(|known| known.rank).collect();
                ranks.len() >= limits[target]
                    && gone
                        .rank
                        .is_some_and(|gone| ranks.iter().flatten().all(|rank| *rank > gone))
            })
    }

    fn of(&self, target: usize) -> impl Iterator<Item = &Known> {
        self.0
            .values()
            .filter(move |known| known.targets & bit(target) != 0)
    }
}

impl Deref for KnownDocuments {
    type Target = HashMap<Name, Known>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for KnownDocuments {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
