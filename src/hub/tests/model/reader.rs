use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use super::inlet::Inlet;
use super::knowledge::{fetch, must_know, must_know_open};
use super::truth::Truth;

/// How long readers collect a `batch`.
pub(super) const BATCH: Duration = Duration::from_millis(100);

/// A dashboard: what it knows, by events and by what it fetched.
pub(super) struct Reader {
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
    pub(super) fn open(hub: &Hub, relay: &Relay, options: Options) -> Self {
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

    pub(super) fn reconnect(&mut self, relay: &Relay) {
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

    pub(super) async fn read(&mut self, hub: &Hub, all: bool) {
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

    pub(super) fn must_know(&self, hub: &Hub, truth: &Truth) {
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
