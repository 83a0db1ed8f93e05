use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep_until};

use super::frame::{self, Batch, Payload};
use super::gzip::Segment;
use super::{Hub, Signal};
use crate::orders::Position;

/// Signals that a subscriber may be behind before it catches up from the view; few in tests, so that they get there.
const SLOT_LIMIT: usize = if cfg!(test) { 6 } else { 1_024 };
/// And their bytes.
const SLOT_BYTES_LIMIT: usize = 4 << 20;
/// Most bytes that a subscriber takes at once from the slots.
const CHUNK_LIMIT: usize = if cfg!(test) { 500 } else { 128 << 10 };
/// Listeners that are told before it is asked whether more has come.
const TURN: usize = 64;
/// Readers are written to at most once in so long.
pub(super) const GATHERING: Duration = Duration::from_millis(1);

/// One worker thread's end of the hub's broadcast, shared by all subscribers of the thread.
///
/// The broadcast wakes one task in each thread, which has that thread's subscribers take what has come, one after the other.
/// Signals wait in *slots* until every subscriber had the chance to take them; a subscriber that was too slow for that
/// catches up from the view. Under load several slots are taken at once, as bytes joined once for all who stand at the same place.
#[derive(Clone)]
pub struct Relay {
    hub: Arc<Hub>,
    shared: Rc<Shared>,
}

pub(super) struct Shared {
    slots: RefCell<Slots>,
    listeners: RefCell<Listeners>,
    closed: Cell<bool>,
}

#[derive(Default)]
struct Slots {
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

/// What a relay calls when its subscribers have something to take.
pub trait Listener {
    /// Takes what its subscriber has, as much as is possible without waiting.
    fn notify(&self);
}

#[derive(Default)]
struct Listeners {
    listeners: Vec<Option<Weak<dyn Listener>>>,
    free: Vec<usize>,
}

/// How a subscriber wants what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
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
    /// A batch that the subscriber has to choose from, because of its position or its wish.
    Batch(Arc<Batch>),
}

impl Relay {
    /// Starts the relay of this thread, which must run a [`tokio::task::LocalSet`] (actix's workers do).
    pub fn start(hub: Arc<Hub>) -> Self {
        let shared = Rc::new(Shared {
            slots: RefCell::default(),
            listeners: RefCell::default(),
            closed: Cell::new(false),
        });
        let receiver = hub.read().relays.as_ref().map(broadcast::Sender::subscribe);
        match receiver {
            Some(receiver) => {
                let guard = Guard(Arc::clone(&hub));
                // Streams' timers are looked at in here as well. Beyond a task's budget tokio has them answer as if they were
                // set when they aren't, and a stream would miss its heartbeat. `run` gives way by itself.
                let run = unconstrained(run(Rc::clone(&shared), receiver, guard));
                tokio::task::spawn_local(run);
            }
            None => shared.closed.set(true),
        }
        Self { hub, shared }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(super) fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }
}

/// A relay that panics leaves its thread's streams silent, which nobody would notice: the process must not go on.
struct Guard(Arc<Hub>);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("a relay has panicked");
        }
    }
}

async fn run(shared: Rc<Shared>, mut signals: broadcast::Receiver<Signal>, _guard: Guard) {
    let mut next_at = Instant::now();
    let mut is_behind = false;
    loop {
        let first = if is_behind {
            None
        } else {
            match signals.recv().await {
                Err(RecvError::Closed) => break,
                first => Some(first),
            }
        };
        // A lone event goes on at once. What comes close upon another is worth one write to each reader.
        if Instant::now() < next_at {
            sleep_until(next_at).await;
        }
        match first {
            Some(Ok(signal)) => shared.push(signal),
            Some(Err(_)) => shared.skip(),
            None => {}
        }
        shared.push_all(&mut signals);
        is_behind = shared.notify(&mut signals);
        next_at = Instant::now() + GATHERING;
    }
    shared.closed.set(true);
    shared.notify(&mut signals);
}

impl Shared {
    fn push(&self, signal: Signal) {
        match signal {
            Signal::Gap => self.skip(),
            signal => self.slots.borrow_mut().push(signal),
        }
    }

    /// What comes next is not in the slots: all subscribers have to catch up from the view.
    fn skip(&self) {
        let mut slots = self.slots.borrow_mut();
        // One number is left out, so that a subscriber that had taken everything sees the gap as well.
        slots.first += slots.slots.len() as u64 + 1;
        slots.slots.clear();
        slots.bytes = 0;
        slots.joined = None;
        slots.joined_gzip = None;
    }

    /// Takes in whatever has come; true if there was anything.
    fn push_all(&self, signals: &mut broadcast::Receiver<Signal>) -> bool {
        let mut any = false;
        loop {
            match signals.try_recv() {
                Ok(signal) => self.push(signal),
                Err(TryRecvError::Lagged(_)) => self.skip(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return any,
            }
            any = true;
        }
    }

    /// Has every listener take what has come by its turn; true if more came after the turn of the first ones.
    fn notify(&self, signals: &mut broadcast::Receiver<Signal>) -> bool {
        let (mut told, mut is_behind) = (0, false);
        while self.tell(told) {
            told += TURN;
            is_behind |= self.push_all(signals);
        }
        is_behind
    }

    /// Notifies the listeners of one turn, if there are any from `told` on. They may register and deregister meanwhile.
    fn tell(&self, told: usize) -> bool {
        let turn: SmallVec<[Rc<dyn Listener>; TURN]> = {
            let listeners = self.listeners.borrow();
            let rest = listeners.listeners.get(told..).unwrap_or_default();
            if rest.is_empty() {
                return false;
            }
            let turn = rest.iter().take(TURN).flatten();
            turn.filter_map(Weak::upgrade).collect()
        };
        for listener in turn {
            listener.notify();
        }
        true
    }

    pub(super) fn closed(&self) -> bool {
        self.closed.get()
    }

    /// Number of the first slot that is still there.
    pub(super) fn first(&self) -> u64 {
        self.slots.borrow().first
    }

    /// Number of the slot that comes next.
    pub(super) fn end(&self) -> u64 {
        self.slots.borrow().end()
    }

    /// What is new for a subscriber that has taken everything before `next`, stands at `position`, and wants it so.
    pub(super) fn take(&self, next: &mut u64, position: Option<&Position>, wish: Wish) -> Taken {
        self.slots.borrow_mut().take(next, position, wish)
    }

    pub(super) fn register(&self, listener: Weak<dyn Listener>) -> usize {
        let mut listeners = self.listeners.borrow_mut();
        let free = listeners.free.pop();
        if let Some(number) = free {
            listeners.listeners[number] = Some(listener);
            return number;
        }
        listeners.listeners.push(Some(listener));
        listeners.listeners.len() - 1
    }

    pub(super) fn deregister(&self, number: usize) {
        let mut listeners = self.listeners.borrow_mut();
        listeners.listeners[number] = None;
        listeners.free.push(number);
    }
}

impl Slots {
    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    fn push(&mut self, signal: Signal) {
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

    fn take(&mut self, next: &mut u64, position: Option<&Position>, wish: Wish) -> Taken {
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
                Signal::Batch(batch) if wish != Wish::Choice && position == Some(&batch.prev) => {
                    return self.take_shared(next, wish);
                }
                Signal::Batch(batch) => {
                    let batch = Arc::clone(batch);
                    *next += 1;
                    return Taken::Batch(batch);
                }
                Signal::Notice(_) => return self.take_shared(next, wish),
            }
        }
        Taken::Nothing
    }

    fn take_shared(&mut self, next: &mut u64, wish: Wish) -> Taken {
        let end = self.end();
        let known = match wish {
            Wish::Gzip => &mut self.joined_gzip,
            Wish::Plain | Wish::Choice => &mut self.joined,
        };
        let joined = known
            .take()
            .filter(|known| known.from == *next && (known.is_full || known.to == end))
            .unwrap_or_else(|| self.join(*next, wish));
        *next = joined.to;
        let taken = Taken::Shared {
            payload: joined.payload.clone(),
            head: joined.head.clone(),
            events: joined.events,
        };
        match wish {
            Wish::Gzip => self.joined_gzip = Some(joined),
            Wish::Plain | Wish::Choice => self.joined = Some(joined),
        }
        taken
    }

    /// Joins the frames from `from` on. Each batch begins where the one before has ended, so that whoever stands at the
    /// beginning of the first can take all.
    fn join(&self, from: u64, wish: Wish) -> Joined {
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
        let payload = if wish == Wish::Gzip {
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

#[cfg(all(test, feature = "shuttle"))]
mod races;
