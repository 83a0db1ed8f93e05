use std::time::Duration;

use super::filter::Filter;
use crate::orders::Position;

/// Where a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the head: only new events.
    Now,
    /// After this position.
    After(Position),
    /// The client's cursor can't be parsed.
    Unreadable,
}

/// Options of one stream.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only orders that enter, are in, or leave a set of statuses.
    pub filter: Option<Filter>,
    /// How long events are collected before they are sent as one `batch`.
    pub batch: Option<Duration>,
    /// Whether the body is a gzip stream.
    pub gzip: bool,
}
