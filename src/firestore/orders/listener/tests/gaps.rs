//! Every order that comes and goes is published, or the snapshot says that it may have a gap.

use proptest::prelude::*;

use super::*;

const WINDOW: usize = 4;

/// A write between two snapshots.
#[derive(Debug, Clone, Copy)]
enum Write {
    /// A finished order, with a number or a Timestamp for its time.
    Order { timed: bool },
    /// One from a clock that is years ahead; only the first two of a kind, since more would fill the window.
    Future { timed: bool },
    /// One from a clock that is minutes behind.
    Late { timed: bool },
    /// A removal of the newest order.
    Remove { timed: bool },
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        8 => any::<bool>().prop_map(|timed| Write::Order { timed }),
        1 => any::<bool>().prop_map(|timed| Write::Future { timed }),
        1 => any::<bool>().prop_map(|timed| Write::Late { timed }),
        1 => any::<bool>().prop_map(|timed| Write::Remove { timed }),
    ]
}

/// A database of finished orders, and the state that its listener was sent.
struct Database {
    micros: u64,
    written: usize,
    /// Milliseconds and document of every order, by type of its `timestamp`.
    orders: [Vec<(u64, Document)>; 2],
    sent: [Vec<(u64, Document)>; 2],
    /// Orders since the last snapshot that were the newest when they were written.
    news: Vec<String>,
}

impl Database {
    fn new() -> Self {
        Self {
            micros: 1_800_000_000_000_000,
            written: 0,
            orders: Default::default(),
            sent: Default::default(),
            news: Vec::new(),
        }
    }

    fn write(&mut self, write: Write) {
        self.micros += 1_000;
        let now = self.micros / 1_000;
        let (timed, millis) = match write {
            Write::Remove { timed } => {
                let gone = self.orders[usize::from(timed)].pop();
                self.news.retain(|id| {
                    gone.as_ref()
                        .is_none_or(|(_, gone)| gone.name != order_name(id))
                });
                return;
            }
            Write::Order { timed } => (timed, now),
            Write::Future { timed } => {
                let ahead = self.orders[usize::from(timed)]
                    .iter()
                    .filter(|(millis, _)| *millis > now)
                    .count();
                (timed, now + if ahead < 2 { 100_000_000_000 } else { 0 })
            }
            Write::Late { timed } => (timed, now - 300_000),
        };
        self.written += 1;
        let id = format!("ORD{}", self.written);
        let time = if timed {
            ValueType::TimestampValue(at(millis * 1_000))
        } else {
            ValueType::IntegerValue(i64::try_from(millis).expect("fits"))
        };
        let mut order = document(order_name(&id), time, self.micros);
        order.create_time = Some(at(self.micros));
        order
            .fields
            .insert("status".to_owned(), value::text("DELIVERED"));
        if millis == now {
            self.news.push(id);
        }
        self.orders[usize::from(timed)].push((millis, order));
    }

    /// The messages that bring the listener up to date.
    fn news(&mut self) -> Vec<ResponseType> {
        let mut messages = Vec::new();
        for (index, id) in [NUMBERS, TIMES].into_iter().enumerate() {
            let mut newest = self.orders[index].clone();
            newest.sort_by_key(|(millis, _)| std::cmp::Reverse(*millis));
            newest.truncate(WINDOW);
            for order in &newest {
                if !self.sent[index].contains(order) {
                    messages.push(changed(order.1.clone(), id));
                }
            }
            for order in &self.sent[index] {
                if !newest.contains(order) {
                    let id_ = order.1.name.rsplit('/').next().expect("a name");
                    let exists = self.orders[index].contains(order);
                    messages.push(if exists {
                        left(id_, id)
                    } else {
                        deleted(id_, id)
                    });
                }
            }
            self.sent[index] = newest;
        }
        self.micros += 1_000;
        messages
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_came_and_went_is_a_gap(
        first in prop::collection::vec(write(), 0..12),
        snapshots in prop::collection::vec((prop::collection::vec(write(), 0..12), any::<bool>()), 1..8),
    ) {
        let mut database = Database::new();
        for one in first {
            database.write(one);
        }
        let mut driven = Driven::new(WINDOW);
        driven.tick();
        driven.stream(StreamEvent::Opened);
        driven.receive(database.news());
        driven.receive([current(), consistent(database.micros)]);
        driven.outputs.clear();
        database.news.clear();
        for (writes, is_cut) in snapshots {
            for one in writes {
                database.write(one);
            }
            if is_cut {
                driven.now += Duration::from_secs(20);
                driven.reconnect();
                driven.receive([current()]);
            }
            driven.receive(database.news());
            driven.receive([consistent(database.micros)]);
            let snapshots = driven.snapshots();
            let published: Vec<String> = snapshots.iter().flat_map(|snapshot| &snapshot.changes)
                .map(|change| match change {
                    Change::Upsert(order) => order.id.to_string(),
                    Change::Remove { id, .. } => id.to_string(),
                }).collect();
            let has_gap = snapshots.iter().any(|snapshot| snapshot.has_gap);
            for id in std::mem::take(&mut database.news) {
                prop_assert!(has_gap || published.contains(&id), "{} came and went without an event", id);
            }
        }
    }
}

#[test]
fn a_busy_evening_has_no_gaps() {
    let mut database = Database::new();
    let mut driven = Driven::new(WINDOW);
    driven.tick();
    driven.stream(StreamEvent::Opened);
    driven.receive([current(), consistent(database.micros)]);
    driven.outputs.clear();
    database.write(Write::Future { timed: false });
    let writes = [
        Write::Order { timed: false },
        Write::Order { timed: true },
        Write::Late { timed: false },
        Write::Order { timed: false },
        Write::Order { timed: true },
    ];
    for round in 0..30 {
        // At most two of a kind, of four that a target holds.
        for one in writes.iter().cycle().skip(round).take(3) {
            database.write(*one);
        }
        driven.receive(database.news());
        driven.receive([consistent(database.micros)]);
        let snapshots = driven.snapshots();
        assert!(
            snapshots.iter().all(|snapshot| !snapshot.has_gap),
            "round {round}"
        );
    }
}
