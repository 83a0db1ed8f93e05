//! Orders that have left the listener's targets, and the result of looking them up.

use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::Document;

/// A document's full name.
pub(super) type Name = Arc<str>;

/// An order that has left the listener's targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The order's full name.
    pub(super) name: Name,
    /// Its last known commit time, in microseconds.
    pub(super) updated: u64,
}

/// The result of looking up a missing order.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It exists, but is no longer among the newest.
    Exists(Box<Document>),
    /// It was removed at this time, in microseconds, according to its removal record.
    Removed(u64),
    /// It was removed, and has no removal record.
    Unrecorded,
}
