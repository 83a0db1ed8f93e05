//! The hub against a simple model: whatever happens in whatever order, a reader that follows the events knows what is.

mod inlet;
mod knowledge;
mod poller;
mod reader;
mod truth;

use std::collections::BTreeMap;

use super::*;
use crate::orders::is_finished;
use knowledge::{fetch, must_know, must_know_open};
use poller::Poller;
use reader::{BATCH, Reader};
use truth::{Commit, STATUSES, Truth};

const READERS: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    /// One snapshot.
    Apply(Vec<Commit>),
    /// One snapshot of a store that compares the newest orders before and after: what came and went between is not in it.
    Compare(Vec<Commit>),
    /// This reader takes one chunk, or all.
    Read(usize, bool),
    /// This reader is cut off, and comes back with the last id it has seen.
    Reconnect(usize),
    /// The poller asks for at most so many changes.
    Poll(usize),
    /// The store tells its open orders once more, if the hub wants that.
    DeliverOpen,
    /// Everybody goes over to a new process on the same store.
    Restart,
}

fn commit() -> impl Strategy<Value = Commit> {
    prop_oneof![
        4 => Just(Commit::Create),
        2 => Just(Commit::CreateFinished),
        1 => Just(Commit::CreateOld),
        1 => Just(Commit::CreateForgotten),
        4 => (0..40_usize).prop_map(Commit::Update),
        1 => (0..40_usize).prop_map(Commit::Remove),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(commit(), 1..6).prop_map(Step::Apply),
        2 => prop::collection::vec(commit(), 1..12).prop_map(Step::Compare),
        4 => (0..READERS, any::<bool>()).prop_map(|(reader, all)| Step::Read(reader, all)),
        2 => (0..READERS).prop_map(Step::Reconnect),
        2 => (1..5_usize).prop_map(Step::Poll),
        1 => Just(Step::DeliverOpen),
        1 => Just(Step::Restart),
    ]
}

fn limits() -> impl Strategy<Value = WindowLimits> {
    let open = prop_oneof![0..5_usize, Just(1_000)];
    let bytes = prop_oneof![Just(1 << 20), 1_000..9_000_usize];
    (1..7_usize, open, bytes).prop_map(|(orders, open, bytes)| WindowLimits {
        orders,
        open,
        bytes,
    })
}

fn options() -> impl Strategy<Value = Options> {
    let filter = prop::option::of(prop::sample::subsequence(STATUSES.to_vec(), 1..3));
    (filter, any::<bool>(), any::<bool>()).prop_map(|(filter, batch, gzip)| Options {
        filter: filter.and_then(|wanted| {
            Filter::new(
                wanted
                    .iter()
                    .map(|status| status.parse().expect("known"))
                    .collect(),
            )
        }),
        batch: batch.then_some(BATCH),
        gzip,
    })
}

fn start(truth: &Truth, limits: WindowLimits) -> (Arc<Hub>, Relay) {
    let (hub, now) = hub_within(limits);
    now.store(START + truth.now, Ordering::Relaxed);
    hub.take(WatchEvent::Snapshot(truth.window(limits)));
    hub.take(WatchEvent::Source(SourceState::Live));
    let relay = Relay::start(Arc::clone(&hub));
    (hub, relay)
}

/// The hub holds what it promises, in the memory that it may take.
fn must_hold(hub: &Hub, truth: &Truth, limits: WindowLimits) {
    let held = fetch(hub, None).0;
    must_know_open(&held, truth, |_| true);
    assert!(held.len() <= limits.orders + limits.open);
    let holding = hub.holding();
    let has_document = hub
        .newest(usize::MAX, None)
        .items
        .iter()
        .any(|item| item.document().is_some());
    assert!(
        holding.bytes <= limits.bytes || !has_document,
        "{holding:?}"
    );
    let open = held.values().filter(|status| !is_finished(status)).count();
    assert_eq!(holding.open, open);
}

/// The same after changes; the truth learns which orders are outside of the window now.
fn must_hold_changes(hub: &Hub, truth: &mut Truth, limits: WindowLimits) {
    let open = truth.orders.values().filter(|order| !order.is_finished());
    truth.has_hidden |= open.count() > limits.open;
    must_hold(hub, truth, limits);
    let inside = fetch(hub, None).0;
    let ids = truth.orders.keys();
    let outside = ids.filter(|id| !inside.contains_key(*id)).cloned();
    truth.outside.extend(outside.collect::<Vec<_>>());
}

async fn story(limits: WindowLimits, options: Vec<Options>, steps: Vec<Step>) {
    let mut truth = Truth::default();
    let (mut hub, mut relay) = start(&truth, limits);
    let mut readers: Vec<_> = options
        .into_iter()
        .map(|options| Reader::open(&hub, &relay, options))
        .collect();
    let mut poller = Poller {
        cursor: Position::beginning(),
        known: BTreeMap::new(),
    };
    for step in steps {
        match step {
            Step::Apply(commits) => {
                hub.take(live(truth.commit(&commits)));
                must_hold_changes(&hub, &mut truth, limits);
            }
            Step::Compare(commits) => {
                hub.take(WatchEvent::Snapshot(truth.compare(&commits, limits)));
                must_hold_changes(&hub, &mut truth, limits);
            }
            Step::Read(n, all) => readers[n].read(&hub, all).await,
            Step::Reconnect(n) => readers[n].reconnect(&relay),
            Step::Poll(limit) => poller.poll(&hub, limit),
            Step::DeliverOpen => {
                if hub.wants_open_orders() {
                    hub.take(WatchEvent::Snapshot(truth.deliver_open(limits)));
                }
                must_hold(&hub, &truth, limits);
            }
            Step::Restart => {
                (hub, relay) = start(&truth, limits);
                for reader in &mut readers {
                    reader.reconnect(&relay);
                }
            }
        }
    }
    for reader in &mut readers {
        reader.read(&hub, true).await;
        reader.must_know(&hub, &truth);
    }
    while poller.cursor < *hub.read().view.head() {
        poller.poll(&hub, 2);
    }
    must_know(&hub, &poller.known, &truth.outside, None);
    must_know_open(&poller.known, &truth, |_| true);
    for id in truth.removed.keys() {
        assert!(!poller.known.contains_key(id), "poller: {id} was removed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn readers_and_pollers_know_what_is(
        limits in limits(),
        options in prop::collection::vec(options(), READERS),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(story(limits, options, steps));
    }
}
