use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use tokio::time::{Instant, Sleep, sleep_until};

use super::relay::Taken;
use super::{Item, Relay, Standing, frame};
use crate::orders::Position;
use crate::store::SourceState;

/// Bytes of missed events that a subscriber hands over at once; the rest waits as pointers.
const REPLAY_CHUNK: usize = if cfg!(test) { 300 } else { 64 << 10 };
/// Clients that are asked to come back are spread over this time, in milliseconds.
const RETURN_SPREAD: std::ops::RangeInclusive<u64> = 1_000..=8_000;

/// Where a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// After this position.
    After(Position),
    /// The client has sent a position that can't be read.
    Unreadable,
}

/// One stream's place at the hub: what has been missed first, then what happens, in chunks ready to be written.
///
/// It never holds more than one chunk and pointers to what a replay still has to send, however slow its reader is.
pub struct Subscriber {
    relay: Relay,
    /// Of the relay's wakers.
    waker: usize,
    /// Of the relay's slots.
    next: u64,
    /// Everything up to here was handed over. `None` until the first snapshot has come.
    position: Option<Position>,
    /// Since when the source is in the state that the reader was told when it came.
    source_since: u64,
    /// Handed over before anything else.
    preamble: Option<Bytes>,
    /// What a replay still has to send, and the position from which it began.
    missed: VecDeque<Arc<Item>>,
    origin: Position,
    /// Where the replay ends.
    replay_head: Position,
    /// Set from outside when the stream may not go on.
    ended: Arc<AtomicBool>,
    done: bool,
    heartbeat: Pin<Box<Sleep>>,
    handed_over_at: Instant,
    leave_at: Instant,
}

impl Subscriber {
    /// Subscribes the stream that starts at `start` and goes on until `ended` is set (which takes a
    /// [`Hub::check_subscribers`](super::Hub::check_subscribers) to be noticed).
    pub fn new(relay: Relay, start: Start, ended: Arc<AtomicBool>) -> Self {
        let settings = relay.hub().settings();
        let now = Instant::now();
        let spread = rand::rng().random_range(0.8..=1.0);
        let mut subscriber = Self {
            waker: relay.shared().register(),
            next: relay.shared().end(),
            position: None,
            source_since: 0,
            preamble: None,
            missed: VecDeque::new(),
            origin: Position::beginning(),
            replay_head: Position::beginning(),
            ended,
            done: false,
            heartbeat: Box::pin(sleep_until(now + settings.heartbeat)),
            handed_over_at: now,
            leave_at: now + settings.max_age.mul_f64(spread),
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
        self.position = match (start, head) {
            // What is there when the first snapshot comes is not news to a reader that has asked for news.
            (Start::Now, head) => head,
            (Start::After(cursor), None) => Some(cursor),
            (Start::After(cursor), Some(_)) => match hub.standing(&state.view, &cursor) {
                Standing::Behind { missed, head } => {
                    self.replay(cursor.clone(), missed, head);
                    Some(cursor)
                }
                Standing::Current => Some(cursor),
                Standing::Lost { head } => {
                    reset = Some("the position is older than the window");
                    Some(head)
                }
            },
            (Start::Unreadable, head) => {
                reset = Some("the position can't be read");
                head
            }
        };
        drop(state);
        self.source_since = source.since;
        let mut preamble = vec![frame::connected(retry, self.position.as_ref())];
        if let Some(reason) = reset {
            hub.metrics().resets.inc();
            preamble.push(frame::reset(reason));
        }
        if source.state != SourceState::Live {
            preamble.push(frame::source(&source));
        }
        self.preamble = Some(frame::concat(preamble.iter()));
    }

    fn replay(&mut self, origin: Position, missed: Vec<Arc<Item>>, head: Position) {
        self.relay.hub().metrics().replays.inc();
        self.origin = origin;
        self.missed = missed.into();
        self.replay_head = head;
    }

    /// The next bytes for the reader; `None` when the stream is over.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.done || self.ended.load(Ordering::Relaxed) {
            return Poll::Ready(None);
        }
        let chunk = match self.take_ready() {
            Some(chunk) => chunk,
            None if self.relay.shared().closed() => self.bye("the server is going down"),
            None => match self.poll_clock(cx) {
                Some(chunk) => chunk,
                None => {
                    self.relay.shared().set_waker(self.waker, cx.waker());
                    return Poll::Pending;
                }
            },
        };
        self.handed_over_at = Instant::now();
        Poll::Ready(Some(chunk))
    }

    fn take_ready(&mut self) -> Option<Bytes> {
        if let Some(preamble) = self.preamble.take() {
            return Some(preamble);
        }
        loop {
            if !self.missed.is_empty() {
                return Some(self.take_missed());
            }
            match self
                .relay
                .shared()
                .take(&mut self.next, self.position.as_ref())
            {
                Taken::Nothing => return None,
                Taken::Shared {
                    bytes,
                    head,
                    events,
                } => {
                    if head.is_some() {
                        self.position = head;
                    }
                    self.relay.hub().metrics().deliveries.inc_by(events as u64);
                    return Some(bytes);
                }
                Taken::Batch(batch) => {
                    if let Some(chunk) = self.choose(&batch.events) {
                        return Some(chunk);
                    }
                }
                Taken::Started => {
                    if let Some(chunk) = self.catch_up() {
                        return Some(chunk);
                    }
                }
                Taken::Lagged => {
                    if let Some(chunk) = self.recover() {
                        return Some(chunk);
                    }
                }
            }
        }
    }

    /// The slots that come next for this subscriber are gone.
    fn recover(&mut self) -> Option<Bytes> {
        // Slots that are still there hold nothing that a position doesn't sort out, but notices have none.
        self.next = self.relay.shared().first();
        let hub = Arc::clone(self.relay.hub());
        hub.metrics().lagged.inc();
        let source = hub.source();
        let notice = (source.since != self.source_since).then(|| frame::source(&source));
        self.source_since = source.since;
        let chunks: Vec<_> = notice.into_iter().chain(self.catch_up()).collect();
        (!chunks.is_empty()).then(|| frame::concat(chunks.iter()))
    }

    /// Takes up the reader's place anew: what it has missed comes from the view.
    fn catch_up(&mut self) -> Option<Bytes> {
        let hub = Arc::clone(self.relay.hub());
        let state = hub.read();
        let Some(position) = self.position.clone() else {
            self.position = state.view.started().then(|| state.view.head().clone());
            return None;
        };
        match hub.standing(&state.view, &position) {
            Standing::Behind { missed, head } => {
                drop(state);
                self.replay(position, missed, head);
                None
            }
            Standing::Current => None,
            Standing::Lost { head } => {
                drop(state);
                hub.metrics().resets.inc();
                self.position = Some(head);
                Some(frame::reset("the position is older than the window"))
            }
        }
    }

    fn take_missed(&mut self) -> Bytes {
        let mut frames = Vec::new();
        let mut bytes = 0;
        while bytes < REPLAY_CHUNK
            && let Some(item) = self.missed.pop_front()
        {
            let frame = item.frame_for(&self.origin).clone();
            bytes += frame.len();
            self.position = Some(item.position().clone());
            frames.push(frame);
        }
        if self.missed.is_empty() {
            self.position = Some(self.replay_head.clone());
        }
        self.relay
            .hub()
            .metrics()
            .deliveries
            .inc_by(frames.len() as u64);
        frame::concat(frames.iter())
    }

    /// The events of a batch that are after the reader's position, which is in the middle of it.
    fn choose(&mut self, events: &[Arc<Item>]) -> Option<Bytes> {
        let position = self.position.clone()?;
        let frames: Vec<_> = events
            .iter()
            .filter(|item| *item.position() > position)
            .map(|item| item.frame_for(&position))
            .collect();
        self.position = events.last().map(|last| last.position().clone());
        self.relay
            .hub()
            .metrics()
            .deliveries
            .inc_by(frames.len() as u64);
        (!frames.is_empty()).then(|| frame::concat(frames.into_iter()))
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let interval = self.relay.hub().settings().heartbeat;
        while self.heartbeat.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= self.leave_at {
                return Some(self.bye("this stream has reached its age"));
            }
            // Set anew only when it has run down: an event costs no timer.
            let due = self.handed_over_at + interval;
            if now >= due {
                self.heartbeat.as_mut().reset(now + interval);
                return Some(frame::heartbeat(
                    self.position.as_ref(),
                    self.relay.hub().clock.millis(),
                ));
            }
            self.heartbeat.as_mut().reset(due);
        }
        None
    }

    fn bye(&mut self, reason: &str) -> Bytes {
        self.done = true;
        frame::bye(
            Duration::from_millis(rand::rng().random_range(RETURN_SPREAD)),
            reason,
        )
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.relay.shared().deregister(self.waker);
    }
}
