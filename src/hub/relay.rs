use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep_until};

use super::hub::Hub;
use super::signal::Signal;
use super::slots::{Form, Slots, Taken};
use crate::orders::Position;

/// Listeners notified between two checks of the broadcast queue.
const TURN: usize = 64;
/// Minimum time between two writes to a reader: events that come within it share one write.
pub(super) const COALESCE_WINDOW: Duration = Duration::from_millis(1);

/// A worker thread's receiver of the hub's broadcast, shared by the thread's subscribers.
///
/// A broadcast wakes one task per thread, which notifies the thread's subscribers one after the other. Signals are kept in
/// *slots* for subscribers that are behind; one that is too far behind catches up from the view. Under load, several slots are
/// joined into one chunk, once for all subscribers at the same position.
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

/// Called by a relay when there may be new events.
pub trait Listener {
    /// Writes as much as the socket accepts without blocking.
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
                // This task also polls the streams' timers. When a task's budget is used up, tokio's timers return `Pending`
                // without registering the waker, and a stream would miss its heartbeat. `run` yields by itself.
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

/// Ends the process when a relay panics: otherwise its thread's streams would stay silent unnoticed.
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
        // A single event is sent at once; events in quick succession share one write per reader.
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
            Signal::Gap => self.slots.borrow_mut().skip_gap(),
            signal => self.slots.borrow_mut().push(signal),
        }
    }

    /// Moves all received signals into the slots. True if there were any.
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

    /// Notifies every listener. True if signals arrived after the first ones were notified.
    fn notify(&self, signals: &mut broadcast::Receiver<Signal>) -> bool {
        let (mut notified, mut is_behind) = (0, false);
        while self.notify_turn(notified) {
            notified += TURN;
            is_behind |= self.push_all(signals);
        }
        is_behind
    }

    /// Notifies up to `TURN` listeners from index `start` on; false if there are none. Listeners may register and deregister
    /// meanwhile.
    fn notify_turn(&self, start: usize) -> bool {
        let turn: SmallVec<[Rc<dyn Listener>; TURN]> = {
            let listeners = self.listeners.borrow();
            let rest = listeners.listeners.get(start..).unwrap_or_default();
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

    /// Takes the next events for a subscriber at `position` whose next slot is `next`, in this form.
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
