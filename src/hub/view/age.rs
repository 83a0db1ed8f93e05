use crate::orders::{HeldOrder, OrderId};

/// When an order was placed, in microseconds, and its id.
pub(super) type Age = (u64, OrderId);

pub(super) fn age(order: &HeldOrder) -> Age {
    (order.placed_micros, order.id.clone())
}
