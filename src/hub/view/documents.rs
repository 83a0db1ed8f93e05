use std::collections::BTreeSet;
use std::sync::Arc;

use super::age::{Age, age};
use crate::orders::{HeldOrder, OrderId};

/// Memory of the orders in the view. Documents leave it where orders take too much.
pub(super) struct Documents {
    /// Maximum bytes of all orders, as long as there are documents to drop.
    limit: usize,
    /// Orders with a document in memory; finished ones first, then the oldest first.
    held: BTreeSet<(bool, Age)>,
    bytes: usize,
    dropped: u64,
}

impl Documents {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: BTreeSet::new(),
            bytes: 0,
            dropped: 0,
        }
    }

    /// Bytes of all orders.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of documents dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Counts an order that comes into the view.
    pub(super) fn insert(&mut self, order: &HeldOrder) {
        self.bytes += order.size();
        if order.document().is_some() {
            self.held.insert((!order.is_finished(), age(order)));
        }
    }

    /// Counts an order that leaves the view.
    pub(super) fn remove(&mut self, order: &HeldOrder) {
        self.bytes -= order.size();
        self.held.remove(&(!order.is_finished(), age(order)));
    }

    /// Drops documents until the orders fit. `order` finds one by its id.
    pub(super) fn make_room<'a>(&mut self, order: impl Fn(&OrderId) -> Option<&'a Arc<HeldOrder>>) {
        while self.bytes > self.limit
            && let Some((_, (_, id))) = self.held.pop_first()
        {
            self.bytes -= order(&id).map_or(0, |order| order.drop_document());
            self.dropped += 1;
        }
    }
}
