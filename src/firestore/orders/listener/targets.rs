//! The targets of the listener's stream: their queries, and their numbers in messages and in bit masks.

use crate::firestore::listen::{target_index, target_indexes};
use crate::firestore::orders::removals::{REMOVALS_COLLECTION, REMOVED_AT};
use crate::firestore::query::{self, TimeType};
use crate::orders::WindowLimits;
use firestore::gcloud_sdk::google::firestore::v1::StructuredQuery;

/// Number of targets: the newest orders whose time is a number, those whose time is a Timestamp, removal records, and open
/// orders.
pub(super) const TARGETS: usize = 4;
/// The targets of the newest orders.
pub(super) const NEWEST: [usize; 2] = [0, 1];
/// The target of removal records.
pub(super) const REMOVALS: usize = 2;
/// The target of open orders, of any age and with any `timestamp`.
pub(super) const OPEN: usize = 3;

/// Maximum number of documents in each target.
pub(super) fn limits(window: WindowLimits) -> [usize; TARGETS] {
    let newest = window.orders;
    // As many as the window holds, including those among the newest, and one more to detect that there are too many.
    let open = newest + window.open + 1;
    [newest, newest, newest, open]
}

/// The query of each target.
pub(super) fn queries(
    orders: &str,
    [numbers, timestamps, removals, open]: [usize; TARGETS],
) -> [StructuredQuery; TARGETS] {
    [
        query::newest(orders, "timestamp", TimeType::Number, numbers),
        query::newest(orders, "timestamp", TimeType::Timestamp, timestamps),
        query::newest(
            REMOVALS_COLLECTION,
            REMOVED_AT,
            TimeType::Timestamp,
            removals,
        ),
        query::open(orders, open),
    ]
}

/// The target with this id on the wire.
pub(super) fn index(id: i32) -> Option<usize> {
    target_index(id, TARGETS)
}

/// The targets that a change is about.
pub(super) fn indexes(ids: &[i32]) -> Vec<usize> {
    target_indexes(ids, TARGETS)
}

/// The bit of a target in a mask.
pub(super) fn bit(target: usize) -> u8 {
    1 << target
}

/// The targets with these ids on the wire.
pub(super) fn mask(ids: &[i32]) -> u8 {
    ids.iter()
        .filter_map(|id| index(*id))
        .fold(0, |mask, target| mask | bit(target))
}

/// The targets whose flag is set.
pub(super) fn mask_of(flags: [bool; TARGETS]) -> u8 {
    (0..TARGETS)
        .filter(|target| flags[*target])
        .fold(0, |mask, target| mask | bit(target))
}
