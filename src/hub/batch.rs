use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::frame::{Frame, concat};
use super::gzip::Segment;
use super::item::Item;
use crate::orders::Position;

/// The events of one snapshot.
pub(super) struct Batch {
    /// The head before the snapshot.
    pub(super) prev: Position,
    /// The head after it.
    pub(super) head: Position,
    /// At least one, in the order of their positions.
    pub(super) events: Vec<Arc<Item>>,
    plain: Bytes,
    gzip: OnceLock<Segment>,
}

impl Batch {
    pub(super) fn new(prev: Position, events: Vec<Arc<Item>>) -> Self {
        let plain = match events.as_slice() {
            [event] => event.frame_for(&prev).plain().clone(),
            events => concat(events.iter().map(|event| event.frame_for(&prev).plain())),
        };
        Self {
            head: events
                .last()
                .map_or_else(|| prev.clone(), |last| last.position().clone()),
            prev,
            events,
            plain,
            gzip: OnceLock::new(),
        }
    }

    /// All events, as sent to a reader at `prev`.
    pub(super) fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The same for gzip streams.
    pub(super) fn gzip(&self) -> &Segment {
        self.gzip.get_or_init(|| {
            let frames = self.events.iter().map(|event| event.frame_for(&self.prev));
            Segment::concat(frames.map(Frame::gzip))
        })
    }
}
