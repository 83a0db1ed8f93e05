use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// What happens to the store.
#[derive(Debug, Clone)]
enum Commit {
    Create,
    /// As finished already.
    CreateFinished,
    /// By a phone whose clock is behind.
    CreateOld,
    /// The same, by weeks.
    CreateForgotten,
    /// The order with this number, counted round, gets another status.
    Update(usize),
    Remove(usize),
}

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

const BATCH: Duration = Duration::from_millis(100);
const READERS: usize = 4;
const STATUSES: [&str; 4] = ["PENDING", "CONFIRMED", "PREPARING_ORDER", "DELIVERED"];

/// The store as it is, and its history of removals.
#[derive(Default)]
struct Truth {
    now: u64,
    created: usize,
    orders: BTreeMap<String, Arc<HeldOrder>>,
    removed: BTreeMap<String, u64>,
    /// Orders that were outside of the window at some time.
    outside: BTreeSet<String>,
    /// There were more open orders than are held.
    has_hidden: bool,
    /// Orders that were the newest when they were placed, and when that was: every reader that was there learns of them.
    news: BTreeMap<String, u64>,
}

impl Truth {
    fn commit(&mut self, commits: &[Commit]) -> Vec<Change> {
        let mut changes = BTreeMap::new();
        for commit in commits {
            self.now += 7;
            let micros = START + self.now;
            let pick = |n: usize| {
                self.orders
                    .keys()
                    .nth(n % self.orders.len().max(1))
                    .cloned()
            };
            match commit {
                Commit::Create
                | Commit::CreateFinished
                | Commit::CreateOld
                | Commit::CreateForgotten => {
                    self.created += 1;
                    // Ids don't sort as they were made.
                    let id = format!("{}-{}", self.created * 7 % 10, self.created);
                    let placed = match commit {
                        Commit::CreateOld => micros - 1_000_000_000,
                        Commit::CreateForgotten => micros - 2 * FORGOTTEN_AFTER_MICROS,
                        _ => micros,
                    };
                    let status = match commit {
                        Commit::CreateFinished => "DELIVERED",
                        _ => STATUSES[0],
                    };
                    if placed == micros {
                        self.news.insert(id.clone(), micros);
                    }
                    let order = order_placed(&id, placed, micros, micros, status);
                    self.orders.insert(id.clone(), Arc::clone(&order));
                    changes.insert(id, Change::Upsert(order));
                }
                Commit::Update(n) => {
                    let Some(id) = pick(*n) else { continue };
                    let known = &self.orders[&id];
                    let status = STATUSES[(self.now as usize / 7) % STATUSES.len()];
                    let placed = known.placed_micros;
                    let order = order_placed(&id, placed, known.created_micros, micros, status);
                    self.orders.insert(id.clone(), Arc::clone(&order));
                    changes.insert(id, Change::Upsert(order));
                }
                Commit::Remove(n) => {
                    let Some(id) = pick(*n) else { continue };
                    self.orders.remove(&id);
                    self.removed.insert(id.clone(), micros);
                    let id_ = OrderId::parse(&id).expect("an id");
                    changes.insert(id, Change::Remove { id: id_, micros });
                }
            }
        }
        let mut changes: Vec<_> = changes.into_values().collect();
        changes.sort_by_cached_key(Change::position);
        changes
    }

    /// The same, as a store tells it that has seen the newest orders before and after, and all open ones.
    fn compare(&mut self, commits: &[Commit], limits: WindowLimits) -> Snapshot {
        let before = START + self.now;
        let mut changes = self.commit(commits);
        let newest = self.by_age();
        let newest: BTreeSet<_> = newest
            .iter()
            .take(limits.orders)
            .map(|order| &order.id)
            .collect();
        let mut has_gap = false;
        changes.retain(|change| match change {
            Change::Upsert(order) if order.created_micros > before => {
                let is_told = newest.contains(&order.id) || !order.is_finished();
                has_gap |= !is_told && order.placed_micros > before;
                is_told
            }
            _ => true,
        });
        Snapshot {
            changes,
            has_gap,
            ..Snapshot::default()
        }
    }

    /// Newest first.
    fn by_age(&self) -> Vec<Arc<HeldOrder>> {
        let mut newest: Vec<_> = self.orders.values().cloned().collect();
        newest.sort_by_key(|order| std::cmp::Reverse((order.placed_micros, order.id.clone())));
        newest
    }

    /// The open orders that are held, and how many are not.
    fn open(&self, limits: WindowLimits) -> (Vec<Arc<HeldOrder>>, usize) {
        let mut newest = self.by_age();
        let mut older = newest.split_off(limits.orders.min(newest.len()));
        older.retain(|order| !order.is_finished());
        newest.retain(|order| !order.is_finished());
        let forgotten = (START + self.now).saturating_sub(FORGOTTEN_AFTER_MICROS);
        let mut hidden = 0;
        while older.len() > limits.open {
            let last = older.last().expect("one at least");
            let is_forgotten = last.placed_micros < forgotten;
            older.remove(if is_forgotten { older.len() - 1 } else { 0 });
            hidden += 1;
        }
        newest.extend(older);
        (newest, hidden)
    }

    fn deliver_open(&self, limits: WindowLimits) -> Snapshot {
        let (open, hidden) = self.open(limits);
        let mut changes: Vec<_> = open.into_iter().map(Change::Upsert).collect();
        changes.sort_by_cached_key(Change::position);
        Snapshot {
            changes,
            repeats: true,
            hidden_open: Some(hidden),
            ..Snapshot::default()
        }
    }

    /// What a store's watch begins with.
    fn window(&self, limits: WindowLimits) -> Snapshot {
        let window = limits.orders;
        let mut changed: Vec<_> = self.orders.values().cloned().collect();
        changed.sort_by_key(|order| std::cmp::Reverse(order.position()));
        changed.truncate(window);
        let complete_after = match changed.last() {
            Some(last) if changed.len() == window => last.position(),
            _ => Position::beginning(),
        };
        let (open, hidden) = self.open(limits);
        let newest = self.by_age().into_iter().take(window);
        let held: BTreeMap<_, _> = newest
            .chain(open)
            .chain(changed)
            .map(|order| (order.id.clone(), order))
            .collect();
        let orders = held.into_values().map(Change::Upsert);
        let mut removed: Vec<_> = self
            .removed
            .iter()
            .map(|(id, micros)| (*micros, id))
            .collect();
        removed.sort_unstable_by(|a, b| b.cmp(a));
        let removed = removed
            .into_iter()
            .take(window)
            .map(|(micros, id)| Change::Remove {
                id: OrderId::parse(id).expect("an id"),
                micros,
            });
        let mut changes: Vec<_> = orders.chain(removed).collect();
        changes.sort_by_cached_key(Change::position);
        Snapshot {
            changes,
            initial: true,
            complete_after: Some(complete_after),
            hidden_open: Some(hidden),
            ..Snapshot::default()
        }
    }
}

/// What the bytes of one connection become.
struct Inlet {
    /// Of a gzip stream, behind its header.
    inflate: Option<flate2::Decompress>,
    header_left: usize,
}

impl Inlet {
    fn new(gzip: bool) -> Self {
        Self {
            inflate: gzip.then(|| flate2::Decompress::new(false)),
            header_left: 10,
        }
    }

    /// Every chunk can be read whole as soon as it is there.
    fn take(&mut self, chunk: &[u8]) -> Vec<Event> {
        let Some(inflate) = &mut self.inflate else {
            return unpacked(parse(chunk));
        };
        let header = self.header_left.min(chunk.len());
        self.header_left -= header;
        let mut text = Vec::with_capacity(1 << 20);
        inflate
            .decompress_vec(&chunk[header..], &mut text, flate2::FlushDecompress::Sync)
            .expect("deflate");
        unpacked(parse(&text))
    }
}

/// Events as if they had come one by one.
fn unpacked(events: Vec<Event>) -> Vec<Event> {
    let mut all = Vec::new();
    for event in events {
        let Value::Array(entries) = &event.data else {
            all.push(event);
            continue;
        };
        assert_eq!(event.name, "batch");
        let last = entries.last().expect("a batch has events");
        assert_eq!(last["id"].as_str(), event.id.as_deref());
        all.extend(entries.iter().map(|entry| Event {
            name: entry["event"].as_str().expect("a name").to_owned(),
            id: entry["id"].as_str().map(str::to_owned),
            data: entry["data"].clone(),
        }));
    }
    all
}

/// A dashboard: what it knows, by events and by what it fetched.
struct Reader {
    options: Options,
    inlet: Inlet,
    subscriber: Subscriber,
    last_id: Option<String>,
    /// Position of the last event on this connection.
    connection: Option<Position>,
    known: BTreeMap<String, String>,
    /// Orders that it was told are new.
    announced: BTreeSet<String>,
    /// Orders of events.
    told: BTreeSet<String>,
    /// Since when it has learnt of everything by events.
    since: Position,
}

impl Reader {
    fn open(hub: &Hub, relay: &Relay, options: Options) -> Self {
        let (known, cursor) = fetch(hub, options.filter.as_ref());
        Self {
            inlet: Inlet::new(options.gzip),
            subscriber: Self::connect(relay, &options, cursor.clone()),
            options,
            last_id: Some(cursor.to_string()),
            connection: None,
            known,
            announced: BTreeSet::new(),
            told: BTreeSet::new(),
            since: cursor,
        }
    }

    fn reconnect(&mut self, relay: &Relay) {
        let cursor = self
            .last_id
            .as_ref()
            .expect("it was connected")
            .parse()
            .expect("a cursor");
        self.subscriber = Self::connect(relay, &self.options, cursor);
        self.inlet = Inlet::new(self.options.gzip);
        self.connection = None;
    }

    fn connect(relay: &Relay, options: &Options, cursor: Position) -> Subscriber {
        Subscriber::new(relay.clone(), Start::After(cursor), options.clone())
    }

    /// One chunk, if there is one; a batch is waited for.
    async fn chunk(&mut self) -> Option<Vec<Event>> {
        let mut next = chunk(&mut self.subscriber).await.expect("open");
        if next.is_none() && self.options.batch.is_some() {
            tokio::time::advance(BATCH).await;
            next = chunk(&mut self.subscriber).await.expect("open");
        }
        next.map(|chunk| self.inlet.take(&chunk))
    }

    async fn read(&mut self, hub: &Hub, all: bool) {
        while let Some(events) = self.chunk().await {
            self.take(hub, events);
            if !all {
                return;
            }
        }
    }

    fn take(&mut self, hub: &Hub, events: Vec<Event>) {
        for event in events {
            if let Some(id) = &event.id {
                self.last_id = Some(id.clone());
            }
            let id = event.data["id"].as_str().unwrap_or_default().to_owned();
            self.told.insert(id.clone());
            match event.name.as_str() {
                "message" | "source" => continue,
                "reset" => {
                    (self.known, self.since) = fetch(hub, self.options.filter.as_ref());
                    // After a reset everything may come again.
                    self.announced.clear();
                    continue;
                }
                "order_removed" => {
                    self.known.remove(&id);
                }
                name => {
                    if name == "new_order" {
                        assert!(
                            self.announced.insert(id.clone()),
                            "{id} was announced as new twice"
                        );
                    }
                    self.show(id, event.data["status"].as_str().expect("a status"));
                }
            }
            let at: Position = event
                .id
                .expect("every event has an id")
                .parse()
                .expect("a cursor");
            assert!(
                self.connection.as_ref().is_none_or(|last| *last < at),
                "{at} came after {:?}",
                self.connection
            );
            self.connection = Some(at);
        }
    }

    /// An order that isn't in the reader's set any more isn't shown any more.
    fn show(&mut self, id: String, status: &str) {
        if self
            .options
            .filter
            .as_ref()
            .is_none_or(|filter| filter.has(status))
        {
            self.known.insert(id, status.to_owned());
        } else {
            self.known.remove(&id);
        }
    }

    fn must_know(&self, hub: &Hub, truth: &Truth) {
        must_know(
            hub,
            &self.known,
            &truth.outside,
            self.options.filter.as_ref(),
        );
        for id in truth.removed.keys() {
            assert!(!self.known.contains_key(id), "{id} was removed");
        }
        let filter = self.options.filter.as_ref();
        if filter.is_none() {
            self.must_have_been_told(truth);
        }
        must_know_open(&self.known, truth, |status| {
            filter.is_none_or(|filter| filter.has(status))
        });
    }
}

impl Reader {
    /// No order has come and gone in silence.
    fn must_have_been_told(&self, truth: &Truth) {
        for (id, created) in &truth.news {
            let is_since = *created > self.since.micros();
            assert!(
                !is_since || self.told.contains(id),
                "{id} has come in silence"
            );
        }
    }
}

/// Whatever newer orders there are: every open order is known as it is, and what is known as open is open.
fn must_know_open(
    known: &BTreeMap<String, String>,
    truth: &Truth,
    is_wanted: impl Fn(&str) -> bool,
) {
    if truth.has_hidden {
        return;
    }
    for (id, order) in &truth.orders {
        let status = order.status();
        if !is_finished(status) && is_wanted(status) {
            assert_eq!(known.get(id).map(String::as_str), Some(status), "{id}");
        }
    }
    for (id, status) in known.iter().filter(|(_, status)| !is_finished(status)) {
        let order = truth.orders.get(id).expect("what is known exists");
        assert_eq!(order.status(), status, "{id}");
    }
}

fn fetch(hub: &Hub, filter: Option<&Filter>) -> (BTreeMap<String, String>, Position) {
    let recent = hub.newest(usize::MAX, filter);
    let known = recent.items.iter().filter_map(|item| item.order());
    (
        known
            .map(|order| (order.id.to_string(), order.status().to_owned()))
            .collect(),
        recent.cursor,
    )
}

/// The newest state of every order in the window is known. What has happened to orders while they were outside of the window
/// isn't told; they are back in it when newer ones were removed.
fn must_know(
    hub: &Hub,
    known: &BTreeMap<String, String>,
    outside: &BTreeSet<String>,
    filter: Option<&Filter>,
) {
    for (id, status) in fetch(hub, None).0 {
        if !outside.contains(&id) {
            let is_wanted = filter.is_none_or(|filter| filter.has(&status));
            assert_eq!(known.get(&id), is_wanted.then_some(&status), "{id}");
        }
    }
}

struct Poller {
    cursor: Position,
    known: BTreeMap<String, String>,
}

impl Poller {
    fn poll(&mut self, hub: &Hub, limit: usize) {
        let recent = hub.since(&self.cursor, limit, None);
        if recent.reset {
            self.known.clear();
        }
        assert!(recent.cursor >= self.cursor);
        self.cursor = recent.cursor;
        for item in recent.items {
            match item.order() {
                Some(order) => self
                    .known
                    .insert(item.id().to_string(), order.status().to_owned()),
                None => self.known.remove(item.id().as_str()),
            };
        }
    }
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
            Step::Apply(_) | Step::Compare(_) => {
                hub.take(match step {
                    Step::Compare(commits) => WatchEvent::Snapshot(truth.compare(&commits, limits)),
                    Step::Apply(commits) => live(truth.commit(&commits)),
                    _ => unreachable!(),
                });
                let open = truth.orders.values().filter(|order| !order.is_finished());
                truth.has_hidden |= open.count() > limits.open;
                must_hold(&hub, &truth, limits);
                let inside = fetch(&hub, None).0;
                let outside = truth
                    .orders
                    .keys()
                    .filter(|id| !inside.contains_key(*id))
                    .cloned();
                truth.outside.extend(outside.collect::<Vec<_>>());
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
