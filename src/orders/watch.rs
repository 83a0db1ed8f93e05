use super::Snapshot;

/// An event of a store's watch.
#[derive(Debug, Clone)]
pub enum WatchEvent {
    /// All changes since the last snapshot.
    Snapshot(Snapshot),
    /// The watch's state changed.
    Source(SourceState),
}

/// Whether changes of the store reach this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceState {
    /// Changes arrive.
    Live,
    /// Changes don't arrive; the store retries on its own.
    Away {
        /// Why, for people.
        message: String,
    },
    /// Changes don't arrive, and an operator has to act.
    Failed {
        /// What is wrong and what to do.
        message: String,
    },
}
