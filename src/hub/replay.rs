use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::body_encoder::BodyEncoder;
use super::frame::{self, Frame};
use super::item::Item;
use crate::orders::Position;

/// Maximum bytes of one replay chunk; the rest of the replay is kept as pointers.
const REPLAY_CHUNK: usize = if cfg!(test) { 300 } else { 64 << 10 };

/// Missed events that are being sent: at least one.
pub(super) struct Replay {
    missed: VecDeque<Arc<Item>>,
    /// The reader's position at the start: orders created after it are new.
    origin: Position,
    /// The reader's position at the end.
    head: Position,
}

/// The next part of a replay.
pub(super) struct Part {
    pub(super) chunk: Bytes,
    pub(super) events: usize,
    /// The reader's position after it.
    pub(super) position: Position,
    pub(super) is_last: bool,
}

impl Replay {
    /// A replay of `missed` for a reader at `origin`, which is at `head` afterwards. `None` if nothing was missed.
    pub(super) fn new(missed: Vec<Arc<Item>>, origin: Position, head: Position) -> Option<Self> {
        (!missed.is_empty()).then(|| Self {
            missed: missed.into(),
            origin,
            head,
        })
    }

    /// Takes the next events as one chunk: a `batch` if the reader wants batches, otherwise frames.
    pub(super) fn next_part(&mut self, encoder: &mut BodyEncoder, as_batch: bool) -> Part {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < REPLAY_CHUNK
            && let Some(item) = self.missed.pop_front()
        {
            bytes += item.frame_for(&self.origin).plain().len();
            taken.push(item);
        }
        let is_last = self.missed.is_empty();
        let last = taken.last().map_or(&self.head, |item| item.position());
        let chunk = if as_batch {
            let entries: Vec<_> = taken
                .iter()
                .map(|item| item.entry_for(&self.origin))
                .collect();
            encoder.once(frame::batch(last, &entries))
        } else {
            let frames: Vec<&Frame> = taken
                .iter()
                .map(|item| item.frame_for(&self.origin))
                .collect();
            encoder.frames(&frames)
        };
        Part {
            chunk,
            events: taken.len(),
            position: if is_last { &self.head } else { last }.clone(),
            is_last,
        }
    }
}
