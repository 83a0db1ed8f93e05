//! What has been broadcast and may still have to be taken by subscribers of one worker thread.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, Batch, Payload};
use super::gzip::Segment;
use super::signal::Signal;
use crate::orders::Position;

/// Signals that a subscriber may be behind before it catches up from the view; few in tests, so that they get there.
const SLOT_LIMIT: usize = if cfg!(test) { 6 } else { 1_024 };
/// Maximum bytes retained in the slots.
const SLOT_BYTES_LIMIT: usize = 4 << 20;
/// Most bytes that a subscriber takes at once from the slots.
const CHUNK_LIMIT: usize = if cfg!(test) { 500 } else { 128 << 10 };
#[derive(Default)]
pub(super) struct Slots {
    /// Number of the first slot; numbers only ever increase.
    first: u64,
    slots: VecDeque<Signal>,
    bytes: usize,
    /// The chunk that was joined last, for those who stand where it begins.
    joined: Option<Joined>,
    joined_gzip: Option<Joined>,
}

/// The frames of several slots as one chunk.
struct Joined {
    from: u64,
    to: u64,
    /// More slots wouldn't make it longer.
    is_full: bool,
    payload: Payload,
    /// Where its readers stand then.
    head: Option<Position>,
    events: usize,
}

/// In which form a subscriber takes what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As text.
    Plain,
    /// As gzip.
    Gzip,
    /// Batch by batch, to choose from.
    Choice,
}

/// What a subscriber takes from the slots.
pub(super) enum Taken {
    /// The subscriber was too slow, the slots it needs are gone.
    Lagged,
    /// Nothing new.
    Nothing,
    /// The watch has delivered its first snapshot.
    Started,
    /// Frames for everybody who stands where the subscriber does.
    Shared {
        /// The frames.
        payload: Payload,
        /// Where the subscriber stands then.
        head: Option<Position>,
        /// How many events the frames carry.
        events: usize,
    },
    /// A batch that the subscriber has to choose from, because of its position or its filter.
    Batch(Arc<Batch>),
}

impl Slots {
    /// Number of the first slot that is still there.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Drops all slots: what comes next is not in them, and every subscriber has to catch up from the view.
    pub(super) fn skip(&mut self) {
        // One number is left out, so that a subscriber that had taken everything sees the gap as well.
        self.first += self.slots.len() as u64 + 1;
        self.slots.clear();
        self.bytes = 0;
        self.joined = None;
        self.joined_gzip = None;
    }

    /// Number of the slot that comes next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Appends a signal; the oldest slots are dropped where there are too many.
    pub(super) fn push(&mut self, signal: Signal) {
        self.bytes += weight(&signal);
        self.slots.push_back(signal);
        while self.slots.len() > SLOT_LIMIT
            || (self.bytes > SLOT_BYTES_LIMIT && self.slots.len() > 1)
        {
            if let Some(gone) = self.slots.pop_front() {
                self.bytes -= weight(&gone);
                self.first += 1;
            }
        }
    }

    /// What is new for a subscriber that has taken everything before `next`, stands at `position`, and wants it in this form.
    pub(super) fn take(
        &mut self,
        next: &mut u64,
        position: Option<&Position>,
        form: Form,
    ) -> Taken {
        if *next < self.first {
            return Taken::Lagged;
        }
        while let Some(signal) = self.at(*next) {
            match signal {
                // A gap is never in the slots.
                Signal::Check | Signal::Gap => *next += 1,
                Signal::Started => {
                    *next += 1;
                    return Taken::Started;
                }
                Signal::Batch(batch)
                    if position.is_some_and(|position| *position >= batch.head) =>
                {
                    *next += 1;
                }
                Signal::Batch(batch) if form != Form::Choice && position == Some(&batch.prev) => {
                    return self.take_shared(next, form);
                }
                Signal::Batch(batch) => {
                    let batch = Arc::clone(batch);
                    *next += 1;
                    return Taken::Batch(batch);
                }
                Signal::Notice(_) => return self.take_shared(next, form),
            }
        }
        Taken::Nothing
    }

    fn take_shared(&mut self, next: &mut u64, form: Form) -> Taken {
        let end = self.end();
        let known = match form {
            Form::Gzip => &mut self.joined_gzip,
            Form::Plain | Form::Choice => &mut self.joined,
        };
        let joined = known
            .take()
            .filter(|known| known.from == *next && (known.is_full || known.to == end))
            .unwrap_or_else(|| self.join(*next, form));
        *next = joined.to;
        let taken = Taken::Shared {
            payload: joined.payload.clone(),
            head: joined.head.clone(),
            events: joined.events,
        };
        match form {
            Form::Gzip => self.joined_gzip = Some(joined),
            Form::Plain | Form::Choice => self.joined = Some(joined),
        }
        taken
    }

    /// Joins the frames from `from` on. Each batch begins where the one before has ended, so that whoever stands at the
    /// beginning of the first can take all.
    fn join(&self, from: u64, form: Form) -> Joined {
        let (mut to, mut bytes, mut events, mut head) = (from, 0, 0, None);
        while let Some(signal) = self.at(to) {
            match signal {
                Signal::Started => break,
                Signal::Check | Signal::Gap => {}
                _ if bytes > 0 && bytes + weight(signal) > CHUNK_LIMIT => break,
                // A reader that takes a notice first need not stand where the batch behind it begins.
                Signal::Batch(_) if bytes > 0 && head.is_none() => break,
                Signal::Batch(batch) => {
                    events += batch.events.len();
                    head = Some(&batch.head);
                }
                Signal::Notice(_) => {}
            }
            bytes += weight(signal);
            to += 1;
        }
        let signals = (from..to).filter_map(|number| self.at(number));
        let payload = if form == Form::Gzip {
            Payload::Gzip(Segment::concat(signals.filter_map(gzip)))
        } else {
            Payload::Plain(match to - from {
                1 => self.at(from).and_then(plain).cloned().unwrap_or_default(),
                _ => frame::concat(signals.filter_map(plain)),
            })
        };
        Joined {
            from,
            to,
            is_full: to < self.end(),
            payload,
            head: head.cloned(),
            events,
        }
    }

    fn at(&self, number: u64) -> Option<&Signal> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get(index)
    }
}

fn plain(signal: &Signal) -> Option<&Bytes> {
    match signal {
        Signal::Batch(batch) => Some(batch.plain()),
        Signal::Notice(frame) => Some(frame.plain()),
        Signal::Started | Signal::Gap | Signal::Check => None,
    }
}

fn gzip(signal: &Signal) -> Option<&Segment> {
    match signal {
        Signal::Batch(batch) => Some(batch.gzip()),
        Signal::Notice(frame) => Some(frame.gzip()),
        Signal::Started | Signal::Gap | Signal::Check => None,
    }
}

fn weight(signal: &Signal) -> usize {
    plain(signal).map_or(0, Bytes::len)
}
