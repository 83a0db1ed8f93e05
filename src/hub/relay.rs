use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep_until};

use super::Hub;
use super::signal::Signal;
use super::slots::{Form, Slots, Taken};
use crate::orders::Position;

/// Listeners notified between two checks of the broadcast queue.
const TURN: usize = 64;
/// Minimum time between two writes to a reader: events that come within it share one write.
pub(super) const COALESCE_WINDOW: Duration = Duration::from_millis(1);

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
            Some(Err(_)) => shared.slots.borrow_mut().skip(),
            None => {}
        }
        shared.push_all(&mut signals);
        is_behind = shared.notify(&mut signals);
        next_at = Instant::now() + COALESCE_WINDOW;
    }
    shared.closed.set(true);
    shared.notify(&mut signals);
}

impl Shared {
    fn push(&self, signal: Signal) {
        match signal {
            Signal::Gap => self.slots.borrow_mut().skip(),
            signal => self.slots.borrow_mut().push(signal),
        }
    }

    /// Takes in whatever has come; true if there was anything.
    fn push_all(&self, signals: &mut broadcast::Receiver<Signal>) -> bool {
        let mut any = false;
        loop {
            match signals.try_recv() {
                Ok(signal) => self.push(signal),
                Err(TryRecvError::Lagged(_)) => self.slots.borrow_mut().skip(),
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
        self.slots.borrow().first()
    }

    /// Number of the slot that comes next.
    pub(super) fn end(&self) -> u64 {
        self.slots.borrow().end()
    }

    /// What is new for a subscriber that has taken everything before `next`, stands at `position`, and wants it in this form.
    pub(super) fn take(&self, next: &mut u64, position: Option<&Position>, form: Form) -> Taken {
        self.slots.borrow_mut().take(next, position, form)
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

#[cfg(all(test, feature = "shuttle"))]
mod races;
