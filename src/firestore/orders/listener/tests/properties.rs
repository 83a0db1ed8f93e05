//! After any sequence of changes and stream failures, the watch ends up with the state of the database.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::orders::OrderId;

const WINDOW: usize = 4;

/// One step of a random run.
#[derive(Debug, Clone)]
enum Step {
    /// An order is written, with a number or a Timestamp as its `timestamp`.
    Write {
        id: u8,
        time: u16,
        timed: bool,
        open: bool,
    },
    /// An order is removed, by this program (with a record) or by another one.
    Remove { id: u8, recorded: bool },
    /// The server sends the changes up to a consistent point.
    Send,
    /// The same, after resetting a target.
    Reset(u8),
    /// The server begins to send, and the stream is lost half-way.
    Cut(u8),
    /// The requested look-ups return.
    Resolve,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..9_u8, any::<u16>(), any::<bool>(), any::<bool>())
            .prop_map(|(id, time, timed, open)| Step::Write { id, time, timed, open }),
        3 => (0..9_u8, any::<bool>()).prop_map(|(id, recorded)| Step::Remove { id, recorded }),
        4 => Just(Step::Send),
        1 => (0..4_u8).prop_map(Step::Reset),
        1 => (0..6_u8).prop_map(Step::Cut),
        2 => Just(Step::Resolve),
    ]
}

/// A database with a listener on it.
struct World {
    driven: Driven,
    micros: u64,
    orders: BTreeMap<String, Document>,
    records: BTreeMap<String, u64>,
    /// Documents sent on the stream, by target.
    sent: [BTreeMap<String, Document>; 4],
    asked: Vec<Missing>,
    /// State of a reader: the newest state of each order that it received, 0 for a removed one.
    received: BTreeMap<OrderId, u64>,
    removed: BTreeMap<OrderId, u64>,
    /// Orders that are open according to the reader.
    open: BTreeSet<OrderId>,
    /// Orders pushed out of the window by newer ones: their later changes are not published.
    let_go: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            driven: Driven::live(WINDOW, []),
            micros: 1_000,
            orders: BTreeMap::new(),
            records: BTreeMap::new(),
            sent: Default::default(),
            asked: Vec::new(),
            received: BTreeMap::new(),
            removed: BTreeMap::new(),
            open: BTreeSet::new(),
            let_go: BTreeSet::new(),
        };
        world.listen();
        world
    }

    /// What a target holds now.
    fn target(&self, index: usize) -> BTreeMap<String, Document> {
        if index == 2 {
            let mut newest: Vec<_> = self.records.iter().collect();
            newest.sort_by_key(|(_, micros)| std::cmp::Reverse(**micros));
            return newest
                .into_iter()
                .take(WINDOW)
                .map(|(id, micros)| (id.clone(), record(id, *micros)))
                .collect();
        }
        if index == 3 {
            let open = self.orders.iter().filter(|(_, order)| is_open(order));
            return open
                .map(|(name, order)| (name.clone(), order.clone()))
                .collect();
        }
        let of_type = |document: &&Document| {
            let time = &document.fields["timestamp"].value_type;
            matches!(time, Some(ValueType::TimestampValue(_))) == (index == 1)
        };
        let mut newest: Vec<_> = self.orders.values().filter(of_type).collect();
        newest.sort_by(|a, b| {
            let key = |document: &Document| (rank_of(document), document.name.clone());
            key(b).partial_cmp(&key(a)).expect("numbers")
        });
        newest
            .into_iter()
            .take(WINDOW)
            .map(|document| (document.name.clone(), document.clone()))
            .collect()
    }

    /// The messages that bring the stream up to date; fresh targets get everything.
    fn news(&self, fresh: [bool; 4]) -> Vec<ResponseType> {
        let mut messages = Vec::new();
        for (index, fresh) in fresh.into_iter().enumerate() {
            let id = i32::try_from(index + 1).expect("fits");
            let now = self.target(index);
            for (name, document) in &now {
                if fresh || self.sent[index].get(name) != Some(document) {
                    messages.push(changed(document.clone(), id));
                }
            }
            for (name, document) in &self.sent[index] {
                if now.contains_key(name) || fresh {
                    continue;
                }
                let gone = DocumentDelete {
                    document: document.name.clone(),
                    removed_target_ids: vec![id],
                    read_time: None,
                };
                let exists = index == 2 || self.orders.contains_key(name);
                messages.push(if exists {
                    ResponseType::DocumentRemove(DocumentRemove {
                        document: gone.document,
                        removed_target_ids: gone.removed_target_ids,
                        read_time: None,
                    })
                } else {
                    ResponseType::DocumentDelete(gone)
                });
            }
        }
        messages
    }

    fn send(&mut self, fresh: [bool; 4]) {
        self.micros += 1;
        let news = self.news(fresh);
        self.driven.receive(news);
        for index in 0..4 {
            let now = self.target(index);
            let before = std::mem::replace(&mut self.sent[index], now);
            let sent = &self.sent[index];
            // Orders that would be pushed out in any case are not looked up.
            let outranked = |gone: &Document| {
                index < 2
                    && sent.len() == WINDOW
                    && sent.values().all(|one| rank_of(one) > rank_of(gone))
            };
            let gone = before
                .into_iter()
                .filter(|(name, gone)| self.orders.contains_key(name) || outranked(gone));
            self.let_go.extend(gone.map(|(name, _)| name));
            let count = i32::try_from(self.sent[index].len()).expect("fits");
            self.driven
                .receive([counts(i32::try_from(index + 1).expect("fits"), count)]);
        }
        self.let_go
            .retain(|name| !self.sent.iter().any(|sent| sent.contains_key(name)));
        self.driven.receive([current(), consistent(self.micros)]);
        self.listen();
    }

    /// The stream is lost; the next one resumes from the last snapshot.
    fn cut(&mut self, after: usize) {
        self.micros += 1;
        let news = self.news([false; 4]);
        self.driven.receive(news.into_iter().take(after));
        // A stream that was healthy for long is opened again at once.
        self.driven.now += Duration::from_secs(20);
        let tokens = self.driven.reconnect();
        self.send(tokens.map(|token| token.is_empty()));
    }

    fn resolve(&mut self) {
        for missing in std::mem::take(&mut self.asked) {
            let id = missing.name.rsplit('/').next().expect("a name").to_owned();
            let fate = match (self.orders.get(&*missing.name), self.records.get(&id)) {
                (Some(order), _) => {
                    // It was placed again, and is older than the window.
                    if !self
                        .sent
                        .iter()
                        .any(|sent| sent.contains_key(&*missing.name))
                    {
                        self.let_go.insert(missing.name.to_string());
                    }
                    Fate::Exists(Box::new(order.clone()))
                }
                (None, Some(micros)) if *micros > missing.updated => Fate::Removed(*micros),
                (None, _) => {
                    self.micros += 1;
                    self.records.insert(id.clone(), self.micros);
                    Fate::Removed(self.micros)
                }
            };
            self.driven.resolve(&id, fate);
        }
        self.listen();
    }

    /// Takes the machine's outputs, as a reader would.
    fn listen(&mut self) {
        self.asked.extend(self.driven.looked_up());
        for snapshot in self.driven.snapshots() {
            assert!(snapshot.changes.is_sorted_by_key(Change::position));
            for change in &snapshot.changes {
                match change {
                    Change::Upsert(order) => {
                        let before = self.received.insert(order.id.clone(), order.updated_micros);
                        if order.is_finished() {
                            self.open.remove(&order.id);
                        } else {
                            self.open.insert(order.id.clone());
                        }
                        // The same state may be sent again, after a look-up or an eviction; the hub ignores it.
                        assert!(
                            before.is_none_or(|before| before <= order.updated_micros),
                            "back to an older state: {order:?}"
                        );
                        assert!(
                            self.removed
                                .get(&order.id)
                                .is_none_or(|micros| *micros < order.updated_micros)
                        );
                    }
                    Change::Remove { id, micros } => {
                        let before = self.removed.insert(id.clone(), *micros);
                        self.open.remove(id);
                        assert!(
                            before.is_none_or(|before| before < *micros),
                            "removed twice: {id}"
                        );
                        let known = self.received.insert(id.clone(), 0);
                        assert!(known.is_none_or(|known| known < *micros));
                    }
                }
            }
        }
        assert!(
            self.driven
                .outputs
                .iter()
                .all(|output| !matches!(output, Output::Emit(WatchEvent::Source(_))))
        );
        self.driven.outputs.clear();
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write {
                id,
                time,
                timed,
                open,
            } => {
                self.micros += 1;
                let name = order_name(&format!("ORD{id}"));
                let time = if *timed {
                    ValueType::TimestampValue(at(u64::from(*time) * 1_000))
                } else {
                    ValueType::IntegerValue(i64::from(*time))
                };
                let mut order = document(name.clone(), time, self.micros);
                let status = if *open { "ON_HOLD" } else { "DELIVERED" };
                order
                    .fields
                    .insert("status".to_owned(), value::text(status));
                self.orders.insert(name, order);
            }
            Step::Remove { id, recorded } => {
                self.micros += 1;
                let id = format!("ORD{id}");
                if self.orders.remove(&order_name(&id)).is_some() && *recorded {
                    self.records.insert(id, self.micros);
                }
            }
            Step::Send => self.send([false; 4]),
            Step::Reset(index) => {
                self.driven.receive([reset(i32::from(*index) + 1)]);
                let mut fresh = [false; 4];
                fresh[usize::from(*index)] = true;
                self.send(fresh);
            }
            Step::Cut(after) => self.cut(usize::from(*after)),
            Step::Resolve => self.resolve(),
        }
    }
}

fn is_open(order: &Document) -> bool {
    order.fields["status"] == value::text("ON_HOLD")
}

fn rank_of(document: &Document) -> f64 {
    crate::firestore::document::rank(document).expect("every order has a time here")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_a_reader_has_the_state_of_the_database(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        // In the end, all look-ups return and all changes are sent.
        for _ in 0..3 {
            world.send([false; 4]);
            world.resolve();
        }
        world.send([false; 4]);
        let listened: BTreeSet<_> = [world.target(0), world.target(1), world.target(3)].into_iter().flatten().collect::<BTreeMap<_, _>>()
            .into_values().map(|document| document.name).collect();
        for name in &listened {
            let id = OrderId::parse(name.rsplit('/').next().expect("a name")).expect("an id");
            let truth = world.orders[name].update_time.as_ref().map(value::micros);
            prop_assert_eq!(world.received.get(&id).copied(), truth, "{}", name);
        }
        for (id, known) in &world.received {
            if *known > 0 {
                let name = order_name(id.as_str());
 prop_assert!(world.orders.contains_key(&name) || world.let_go.contains(&name), "{} is gone, and no removal was published", id);
            }
        }
        let open: BTreeSet<_> = world.target(3).into_keys().collect();
        let published: BTreeSet<_> = world.open.iter().map(|id| order_name(id.as_str())).collect();
        prop_assert_eq!(published, open, "open orders, as published and as they are");
    }
}
