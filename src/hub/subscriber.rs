use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::rc::Weak;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use tokio::time::{Instant, Sleep, sleep_until};

use super::body_encoder::BodyEncoder;
use super::frame::Frame;
use super::keep_alive::{Due, KeepAlive};
use super::relay::Listener;
use super::slots::{Form, Taken};
use super::{Filter, Item, Relay, ResumeState, frame};
use crate::orders::{Position, SourceState};

/// Maximum bytes of one replay chunk; the rest of the replay is kept as pointers.
const REPLAY_CHUNK: usize = if cfg!(test) { 300 } else { 64 << 10 };
/// Range of the `retry` sent with `bye`, in milliseconds: spreads reconnecting clients.
const RETURN_SPREAD: std::ops::RangeInclusive<u64> = 1_000..=8_000;

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

/// Missed events that are being sent: at least one.
struct Replay {
    missed: VecDeque<Arc<Item>>,
    /// The reader's position at the start: orders created after it are new.
    origin: Position,
    /// The reader's position at the end.
    head: Position,
}

/// Collects a `batch`. Slots are not read meanwhile: when the timer ends, the events come from the view, like a replay.
struct BatchTimer {
    interval: Duration,
    /// Started by the first event that was not yet yielded.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Subscriber {
    /// Subscribes a stream that begins at `start`.
    pub fn new(relay: Relay, start: Start, options: Options) -> Self {
        let batch = options.batch.map(|interval| {
            Box::new(BatchTimer {
                interval,
                timer: None,
            })
        });
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
            Start::After(cursor) => match hub.resume_state(&state.view, &cursor) {
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
        if missed.is_empty() {
            self.position = Some(head);
            return;
        }
        self.position = Some(origin.clone());
        self.replay = Some(Box::new(Replay {
            missed: missed.into(),
            origin,
            head,
        }));
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
                Taken::Nothing => return self.poll_gathered(cx),
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
                Taken::Batch(_) if self.batch.is_some() => {
                    self.gather();
                    None
                }
                Taken::Batch(batch) => self.choose(&batch.events),
                Taken::Started => self.catch_up(),
                Taken::Lagged => self.recover(),
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
        hub.metrics().lagged.inc();
        let source = hub.source();
        let notice = (source.since != self.source_since).then(|| frame::source(&source));
        self.source_since = source.since;
        let notice = notice.map(|notice| self.encoder.once(notice));
        if self.batch.is_some() {
            self.gather();
            return notice;
        }
        let chunks: Vec<_> = notice.into_iter().chain(self.catch_up()).collect();
        (!chunks.is_empty()).then(|| frame::concat(chunks.iter()))
    }

    /// Starts a replay from the view, or answers with `reset`.
    fn catch_up(&mut self) -> Option<Bytes> {
        let hub = Arc::clone(self.relay.hub());
        let state = hub.read();
        // A reader that was there before the first snapshot learns of what came after it.
        let started_at = state.view.started_at().cloned();
        let position = self.position.clone().or(started_at)?;
        self.position = Some(position.clone());
        match hub.resume_state(&state.view, &position) {
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
        let Replay {
            missed,
            origin,
            head,
        } = &mut **self.replay.as_mut()?;
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < REPLAY_CHUNK
            && let Some(item) = missed.pop_front()
        {
            bytes += item.frame_for(origin).plain().len();
            taken.push(item);
        }
        let last = taken.last().map(|item| item.position().clone());
        let is_last = missed.is_empty();
        self.relay
            .hub()
            .metrics()
            .deliveries
            .inc_by(taken.len() as u64);
        let chunk = if self.batch.is_some() {
            let entries: Vec<_> = taken.iter().map(|item| item.entry_for(origin)).collect();
            let at = last.as_ref().unwrap_or(head);
            self.encoder.once(frame::batch(at, &entries))
        } else {
            let frames: Vec<&Frame> = taken.iter().map(|item| item.frame_for(origin)).collect();
            self.encoder.frames(&frames)
        };
        self.position = if is_last { Some(head.clone()) } else { last };
        if is_last {
            self.replay = None;
        }
        Some(chunk)
    }

    /// Filters a batch by the reader's position, which may be within it, and by its statuses.
    fn choose(&mut self, events: &[Arc<Item>]) -> Option<Bytes> {
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

    /// Starts the batch timer unless it runs.
    fn gather(&mut self) {
        if let Some(batch) = &mut self.batch {
            let interval = batch.interval;
            batch
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + interval)));
        }
    }

    fn poll_gathered(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let batch = self.batch.as_mut()?;
        if batch.timer.as_mut()?.as_mut().poll(cx).is_pending() {
            return None;
        }
        batch.timer = None;
        match self.catch_up() {
            None => self.take_missed(),
            chunk => chunk,
        }
    }

    /// A heartbeat or the final `bye` when it is due.
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
