use crate::orders::SourceState;

/// State of the listener, for the rest of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) source: SourceState,
    /// Number of documents that can't be read as orders.
    pub(crate) unreadable: usize,
}
