//! Signals that subscribers of one worker thread may still have to take.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::batch::Batch;
use super::frame::{self, Payload};
use super::gzip::Segment;
use super::signal::Signal;
use crate::orders::Position;

/// Maximum number of slots: a subscriber that is further behind catches up from the view. Small in tests, to be reached.
const SLOT_LIMIT: usize = if cfg!(test) { 6 } else { 1_024 };
/// Maximum bytes retained in the slots.
const SLOT_BYTES_LIMIT: usize = 4 << 20;
/// Maximum bytes taken from the slots at once.
const CHUNK_LIMIT: usize = if cfg!(test) { 500 } else { 128 << 10 };

#[derive(Default)]
pub(super) struct Slots {
    /// Number of the first slot; numbers only ever increase.
    first: u64,
    /// A subscriber whose next slot is before this one has missed a snapshot with a gap.
    after_gap: u64,
    slots: VecDeque<Signal>,
    bytes: usize,
    /// The last joined chunk, for subscribers at its start.
    joined: Option<Joined>,
    joined_gzip: Option<Joined>,
}

/// The frames of several slots as one chunk.
struct Joined {
    from: u64,
    to: u64,
    /// Whether further slots would not fit.
    is_full: bool,
    payload: Payload,
    /// The readers' position after it.
    head: Option<Position>,
    events: usize,
}

/// The form in which a subscriber takes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As text.
    Plain,
    /// As gzip.
    Gzip,
    /// Batch by batch, to be filtered by the subscriber.
    Choice,
}

/// The result of taking from the slots.
pub(super) enum Taken {
    /// The subscriber's next slots were dropped.
    Lagged,
    /// The same, and a snapshot with a gap was among them.
    Gap,
    /// Nothing new.
    Nothing,
    /// The watch has delivered its first snapshot.
    Started,
    /// Frames shared by all subscribers at the same position.
    Shared {
        /// The frames.
        payload: Payload,
        /// The subscriber's position after them.
        head: Option<Position>,
        /// How many events the frames carry.
        events: usize,
    },
    /// A batch that the subscriber has to filter, by its position or its statuses.
    Batch(Arc<Batch>),
}

impl Slots {
    /// Number of the first slot that is still there.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Drops all slots: every subscriber has to catch up from the view.
    pub(super) fn skip(&mut self) {
        // Skips one number, so that subscribers without a missing slot catch up too.
        self.first += self.slots.len() as u64 + 1;
        self.slots.clear();
        self.bytes = 0;
        self.joined = None;
        self.joined_gzip = None;
    }

    /// Drops all slots because a snapshot had a gap.
    pub(super) fn skip_gap(&mut self) {
        self.skip();
        self.after_gap = self.first;
    }

    /// Number of the slot that comes next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Appends a signal, and drops the oldest slots beyond the limits.
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

    /// Takes the next events for a subscriber at `position` whose next slot is `next`.
    pub(super) fn take(
        &mut self,
        next: &mut u64,
        position: Option<&Position>,
        form: Form,
    ) -> Taken {
        if *next < self.after_gap {
            return Taken::Gap;
        }
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

    /// Joins the frames from slot `from` on. Each batch begins where the previous one ended, so a subscriber at the start of the
    /// first batch can take all of them.
    fn join(&self, from: u64, form: Form) -> Joined {
        let (mut to, mut bytes, mut events, mut head) = (from, 0, 0, None);
        while let Some(signal) = self.at(to) {
            match signal {
                Signal::Started => break,
                Signal::Check | Signal::Gap => {}
                _ if bytes > 0 && bytes + weight(signal) > CHUNK_LIMIT => break,
                // A reader that takes a notice may not be at the start of the batch that follows.
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
