use super::Snapshot;

/// What a watch tells.
#[derive(Debug, Clone)]
pub enum WatchEvent {
    /// All changes since the last snapshot.
    Snapshot(Snapshot),
    /// The watch works, or doesn't.
    Source(SourceState),
}

/// Whether changes of the store reach this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceState {
    /// They do.
    Live,
    /// They don't, and the store tries again by itself.
    Away {
        /// Why, for people.
        message: String,
    },
    /// They don't, and somebody has to do something.
    Failed {
        /// What is wrong and what to do.
        message: String,
    },
}
