//! Listeners that panic, come and go.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;

struct Panics;

impl Listener for Panics {
    fn notify(&self) {
        panic!("on purpose");
    }
}

#[test]
fn a_relay_that_panics_is_a_failure_of_the_hub() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut reader = subscribe(&relay, Start::Now);
        drain(&mut reader).await;
        let panics: Rc<dyn Listener> = Rc::new(Panics);
        reader.listen(Rc::downgrade(&panics));
        hub.take(initial(Vec::new()));
        assert_eq!(hub.failed().await.to_string(), "a relay has panicked");
    });
}

/// Lets another listener register and deregister when it is notified.
struct Subscribes {
    relay: Relay,
    other: RefCell<Option<Subscriber>>,
    notified: Cell<usize>,
}

impl Listener for Subscribes {
    fn notify(&self) {
        self.notified.set(self.notified.get() + 1);
        let mut other = subscribe(&self.relay, Start::Now);
        let panics: Rc<dyn Listener> = Rc::new(Panics);
        other.listen(Rc::downgrade(&panics));
        // Its listener is dropped without being deregistered.
        *self.other.borrow_mut() = Some(other);
    }
}

#[test]
fn listeners_come_and_go_while_others_are_notified() {
    run(async {
        let (hub, _) = hub_with(10);
        let relay = Relay::start(Arc::clone(&hub));
        let mut reader = subscribe(&relay, Start::Now);
        let listener = Rc::new(Subscribes {
            relay: relay.clone(),
            other: RefCell::default(),
            notified: Cell::new(0),
        });
        let weak: std::rc::Weak<dyn Listener> = Rc::downgrade(&listener) as _;
        reader.listen(weak);
        hub.take(initial(Vec::new()));
        settle().await;
        hub.take(live(vec![Change::Upsert(order(
            "A", START, START, "PENDING",
        ))]));
        settle().await;
        assert_eq!(listener.notified.get(), 2);
    });
}
