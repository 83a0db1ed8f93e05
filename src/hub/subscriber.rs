use std::mem;
use std::rc::Weak;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;

use super::batch_timer::BatchTimer;
use super::body_encoder::BodyEncoder;
use super::filter::Filter;
use super::frame::{self, Frame};
use super::item::Item;
use super::keep_alive::{Due, KeepAlive};
use super::options::{Options, Start};
use super::relay::{Listener, Relay};
use super::replay::Replay;
use super::resume::ResumeState;
use super::slots::{Form, Taken};
use crate::orders::{Position, SourceState};

/// Range of the `retry` sent with `bye`, in milliseconds: spreads reconnecting clients.
const RETURN_SPREAD: std::ops::RangeInclusive<u64> = 1_000..=8_000;

/// One stream's subscription: yields missed events first, then live ones, in chunks ready to be written.
///
/// Memory is bounded whatever the reader's speed: one chunk, and pointers to the rest of a replay.
pub struct Subscriber {
    relay: Relay,
    filter: Option<Filter>,
    encoder: BodyEncoder,
    /// Number of the listener registered with the relay, if any.
    number: Option<usize>,
    /// Number of the slot to take next.
    next: u64,
    /// Every event up to this position was yielded. `None` until the first snapshot.
    position: Option<Position>,
    /// Start time of the source state that the reader knows.
    source_since: u64,
    /// Yielded before anything else.
    preamble: Option<Bytes>,
    /// Boxed, like the next field: few readers need it, and a burst touches the memory of every subscriber.
    replay: Option<Box<Replay>>,
    batch: Option<Box<BatchTimer>>,
    done: bool,
    keep_alive: KeepAlive,
}

impl Subscriber {
    /// Subscribes a stream that begins at `start`.
    pub fn new(relay: Relay, start: Start, options: Options) -> Self {
        let batch = options.batch.map(BatchTimer::new).map(Box::new);
        let mut subscriber = Self {
            number: None,
            next: relay.shared().end(),
            filter: options.filter,
            batch,
            encoder: BodyEncoder::new(options.gzip),
            position: None,
            source_since: 0,
            preamble: None,
            replay: None,
            done: false,
            keep_alive: KeepAlive::new(relay.hub().settings()),
            relay,
        };
        subscriber.begin(start);
        subscriber
    }

    fn begin(&mut self, start: Start) {
        let hub = Arc::clone(self.relay.hub());
        let retry = hub.settings().retry;
        let state = hub.read();
        let source = state.source.clone();
        let head = state.view.started().then(|| state.view.head().clone());
        let mut reset = None;
        // The position after the replay; `connected` carries the one before it.
        self.position = match (&start, &head) {
            (Start::After(cursor), None) => Some(cursor.clone()),
            // Orders of the first snapshot are not news for a reader that asked for new events only.
            _ => head,
        };
        let mut connected = self.position.clone();
        match start {
            Start::Now => {}
            Start::Unreadable => reset = Some("the position can't be read"),
            Start::After(_) if !state.view.started() => {}
            Start::After(cursor) => match ResumeState::of(&state.view, &cursor, &hub.clock) {
                ResumeState::Behind { missed, head } => {
                    connected = Some(cursor.clone());
                    self.begin_replay(cursor, missed, head);
                }
                ResumeState::Current => {
                    connected = Some(cursor.clone());
                    self.position = Some(cursor);
                }
                ResumeState::Lost { .. } => reset = Some("the position is older than the window"),
            },
        }
        drop(state);
        self.source_since = source.since;
        let mut preamble = vec![frame::connected(retry, connected.as_ref())];
        if let Some(reason) = reset {
            hub.metrics().resets.inc();
            preamble.push(frame::reset(reason));
        }
        if source.state != SourceState::Live {
            preamble.push(frame::source(&source));
        }
        self.preamble = Some(frame::concat(preamble.iter()));
    }

    fn begin_replay(&mut self, origin: Position, mut missed: Vec<Arc<Item>>, head: Position) {
        self.relay.hub().metrics().replays.inc();
        if let Some(filter) = &self.filter {
            missed.retain(|item| filter.passes_replay(item));
        }
        let position = if missed.is_empty() { &head } else { &origin };
        self.position = Some(position.clone());
        self.replay = Replay::new(missed, origin, head).map(Box::new);
    }

    /// Registers `listener` with the relay: it is notified whenever there may be something to take, until the subscriber is
    /// dropped or another listener takes its place.
    pub fn listen(&mut self, listener: Weak<dyn Listener>) {
        self.unlisten();
        self.number = Some(self.relay.shared().register(listener));
    }

    fn unlisten(&mut self) {
        if let Some(number) = self.number.take() {
            self.relay.shared().deregister(number);
        }
    }

    /// The next bytes for the reader; `None` when the stream is over.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.done {
            return Poll::Ready(None);
        }
        let chunk = match self.take_ready(cx) {
            Some(chunk) => chunk,
            None if self.relay.shared().closed() => self.bye("the server is going down"),
            None => match self.poll_clock(cx) {
                Some(chunk) => chunk,
                None => return Poll::Pending,
            },
        };
        self.keep_alive.spoke();
        Poll::Ready(Some(chunk))
    }

    /// Ends the stream without a `bye`. Returns the bytes that complete its encoding, if any.
    pub fn end(&mut self) -> Option<Bytes> {
        let was_done = mem::replace(&mut self.done, true);
        if was_done {
            None
        } else {
            self.encoder.finish()
        }
    }

    fn take_ready(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        if let Some(preamble) = self.preamble.take() {
            return Some(self.encoder.once(preamble));
        }
        loop {
            if let Some(chunk) = self.take_missed() {
                return Some(chunk);
            }
            let form = self.form();
            let taken = self
                .relay
                .shared()
                .take(&mut self.next, self.position.as_ref(), form);
            let chunk = match taken {
                Taken::Nothing => return self.poll_batch(cx),
                Taken::Shared {
                    payload,
                    head,
                    events,
                } => {
                    if head.is_some() {
                        self.position = head;
                    }
                    self.relay.hub().metrics().deliveries.inc_by(events as u64);
                    return Some(self.encoder.payload(payload));
                }
                Taken::Batch(batch) => match &mut self.batch {
                    Some(timer) => {
                        timer.start();
                        None
                    }
                    None => self.filtered(&batch.events),
                },
                Taken::Started => self.catch_up(),
                Taken::Lagged => {
                    self.relay.hub().metrics().lagged.inc();
                    self.recover()
                }
                Taken::Gap => {
                    self.relay.hub().metrics().gaps.inc();
                    self.recover()
                }
            };
            if chunk.is_some() {
                return chunk;
            }
        }
    }

    fn form(&self) -> Form {
        if self.filter.is_some() || self.batch.is_some() {
            Form::Choice
        } else if self.encoder.is_gzip() {
            Form::Gzip
        } else {
            Form::Plain
        }
    }

    /// Catches up from the view: the next slots of this subscriber were dropped.
    fn recover(&mut self) -> Option<Bytes> {
        // The position filters events that are still in the slots. Notices have no position and are sent again here.
        self.next = self.relay.shared().first();
        let hub = Arc::clone(self.relay.hub());
        let source = hub.source();
        let notice = (source.since != self.source_since).then(|| frame::source(&source));
        self.source_since = source.since;
        let notice = notice.map(|notice| self.encoder.once(notice));
        if let Some(timer) = &mut self.batch {
            timer.start();
            return notice;
        }
        let chunks: Vec<_> = notice.into_iter().chain(self.catch_up()).collect();
        (!chunks.is_empty()).then(|| frame::concat(chunks.iter()))
    }

    /// Starts a replay from the view, or answers with `reset`.
    fn catch_up(&mut self) -> Option<Bytes> {
        let hub = Arc::clone(self.relay.hub());
        let state = hub.read();
        // A reader that subscribed before the first snapshot starts at that snapshot.
        let started_at = state.view.started_at().cloned();
        let position = self.position.clone().or(started_at)?;
        self.position = Some(position.clone());
        match ResumeState::of(&state.view, &position, &hub.clock) {
            ResumeState::Behind { missed, head } => {
                drop(state);
                self.begin_replay(position, missed, head);
                None
            }
            ResumeState::Current => None,
            ResumeState::Lost { head } => {
                drop(state);
                hub.metrics().resets.inc();
                self.position = Some(head);
                Some(
                    self.encoder
                        .once(frame::reset("the position is older than the window")),
                )
            }
        }
    }

    /// The next chunk of the replay, if there is one.
    fn take_missed(&mut self) -> Option<Bytes> {
        let replay = self.replay.as_mut()?;
        let part = replay.next_part(&mut self.encoder, self.batch.is_some());
        self.relay
            .hub()
            .metrics()
            .deliveries
            .inc_by(part.events as u64);
        self.position = Some(part.position);
        if part.is_last {
            self.replay = None;
        }
        Some(part.chunk)
    }

    /// Encodes the events of a batch that are after the reader's position and pass its filter.
    fn filtered(&mut self, events: &[Arc<Item>]) -> Option<Bytes> {
        let position = self.position.clone()?;
        let is_wanted = |item: &&Arc<Item>| {
            *item.position() > position
                && self
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.passes_live(item, &position))
        };
        let frames: Vec<&Frame> = events
            .iter()
            .filter(is_wanted)
            .map(|item| item.frame_for(&position))
            .collect();
        self.position = events.last().map(|last| last.position().clone());
        self.relay
            .hub()
            .metrics()
            .deliveries
            .inc_by(frames.len() as u64);
        (!frames.is_empty()).then(|| self.encoder.frames(&frames))
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        if !self.batch.as_mut()?.poll_end(cx) {
            return None;
        }
        match self.catch_up() {
            None => self.take_missed(),
            chunk => chunk,
        }
    }

    /// A heartbeat, or `bye` at the stream's maximum age, when it is due.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let interval = self.relay.hub().settings().heartbeat;
        match self.keep_alive.poll_due(cx, interval) {
            Poll::Pending => None,
            Poll::Ready(Due::Leave) => Some(self.bye("this stream has reached its age")),
            Poll::Ready(Due::Heartbeat) => {
                let millis = self.relay.hub().clock.millis();
                let heartbeat = frame::heartbeat(self.position.as_ref(), millis);
                Some(self.encoder.once(heartbeat))
            }
        }
    }

    fn bye(&mut self, reason: &str) -> Bytes {
        self.done = true;
        let retry = Duration::from_millis(rand::rng().random_range(RETURN_SPREAD));
        let bye = self.encoder.once(frame::bye(retry, reason));
        match self.encoder.finish() {
            Some(end) => frame::concat([bye, end].iter()),
            None => bye,
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.unlisten();
    }
}
