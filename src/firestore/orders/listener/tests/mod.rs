//! The listener's state machine, driven by messages. Most of them are such as no emulator sends.

mod billing;
mod gaps;
mod outages;
mod properties;
mod removals;
mod snapshots;

use std::collections::HashMap;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{
    Document, DocumentChange, DocumentDelete, DocumentRemove, ExistenceFilter, ListenResponse,
    TargetChange,
};
use firestore::gcloud_sdk::google::rpc;
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::Code;
use tokio::time::Instant;

use super::contents::Contents;
use super::machine::{Input, Machine, Output};
use super::missing::{Fate, Missing};
use crate::firestore::fault::Fault;
use crate::firestore::listen::{Schedule, StreamEvent};
use crate::firestore::value;
use crate::orders::{Change, Snapshot, SourceState, WatchEvent};

const DOCUMENTS: &str = "projects/p/databases/(default)/documents";
/// Ids of the targets on the wire.
const NUMBERS: i32 = 1;
const TIMES: i32 = 2;
const RECORDS: i32 = 3;
const OPEN: i32 = 4;
/// Maximum size of the orders of one snapshot, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Limit of the target of open orders.
const OPEN_LIMIT: usize = 20;
const ALL: [i32; 4] = [NUMBERS, TIMES, RECORDS, OPEN];

fn order_name(id: &str) -> String {
    format!("{DOCUMENTS}/orders/{id}")
}

fn at(micros: u64) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(micros / 1_000_000).expect("fits"),
        nanos: i32::try_from(micros % 1_000_000 * 1_000).expect("fits"),
    }
}

/// An order with a number as its `timestamp`, last changed at `updated` microseconds.
fn order(id: &str, millis: i64, updated: u64) -> Document {
    document(order_name(id), ValueType::IntegerValue(millis), updated)
}

fn document(name: String, timestamp: ValueType, updated: u64) -> Document {
    Document {
        name,
        fields: HashMap::from([("timestamp".to_owned(), value::wire(timestamp))]),
        create_time: Some(at(1)),
        update_time: Some(at(updated)),
    }
}

fn record(id: &str, micros: u64) -> Document {
    let name = format!("{DOCUMENTS}/orderbell_removals/{id}");
    document(name, ValueType::NullValue(0), micros)
}

fn changed(document: Document, target: i32) -> ResponseType {
    moved(document, &[target], &[])
}

fn moved(document: Document, to: &[i32], from: &[i32]) -> ResponseType {
    ResponseType::DocumentChange(DocumentChange {
        document: Some(document),
        target_ids: to.to_vec(),
        removed_target_ids: from.to_vec(),
    })
}

fn deleted(id: &str, target: i32) -> ResponseType {
    ResponseType::DocumentDelete(DocumentDelete {
        document: order_name(id),
        removed_target_ids: vec![target],
        read_time: None,
    })
}

fn left(id: &str, target: i32) -> ResponseType {
    ResponseType::DocumentRemove(DocumentRemove {
        document: order_name(id),
        removed_target_ids: vec![target],
        read_time: None,
    })
}

fn counts(target_id: i32, count: i32) -> ResponseType {
    ResponseType::Filter(ExistenceFilter {
        target_id,
        count,
        unchanged_names: None,
    })
}

fn target(kind: TargetChangeType, ids: &[i32]) -> ResponseType {
    ResponseType::TargetChange(TargetChange {
        target_change_type: kind.into(),
        target_ids: ids.to_vec(),
        ..TargetChange::default()
    })
}

fn current() -> ResponseType {
    target(TargetChangeType::Current, &ALL)
}

fn reset(id: i32) -> ResponseType {
    target(TargetChangeType::Reset, &[id])
}

/// Everything sent so far shows the database as of `micros`.
fn consistent(micros: u64) -> ResponseType {
    ResponseType::TargetChange(TargetChange {
        resume_token: format!("token {micros}").into_bytes(),
        read_time: Some(at(micros)),
        ..TargetChange::default()
    })
}

fn dropped(code: Code) -> ResponseType {
    ResponseType::TargetChange(TargetChange {
        target_change_type: TargetChangeType::Remove.into(),
        target_ids: vec![NUMBERS],
        cause: Some(rpc::Status {
            code: code.into(),
            message: "because".to_owned(),
            details: Vec::new(),
        }),
        ..TargetChange::default()
    })
}

/// A machine under test, and its outputs since they were last read.
struct Driven {
    machine: Machine,
    now: Instant,
    outputs: Vec<Output>,
}

impl Driven {
    fn new(window: usize) -> Self {
        let now = Instant::now();
        let contents = Contents::new(
            format!("{DOCUMENTS}/orders/"),
            [window, window, window, OPEN_LIMIT],
            MAX_BYTES,
        );
        Self {
            machine: Machine::new(
                contents,
                true,
                Schedule::new(Duration::from_secs(75), || 0.5, now),
            ),
            now,
            outputs: Vec::new(),
        }
    }

    /// A machine whose stream has sent these documents.
    fn live(window: usize, messages: impl IntoIterator<Item = ResponseType>) -> Self {
        let mut driven = Self::new(window);
        driven.tick();
        driven.stream(StreamEvent::Opened);
        driven.receive(messages);
        driven.receive([current(), consistent(100)]);
        assert_eq!(driven.sources(), [SourceState::Live]);
        driven.outputs.clear();
        driven
    }

    fn give(&mut self, input: Input) {
        self.outputs.extend(self.machine.handle(self.now, input));
    }

    fn stream(&mut self, event: StreamEvent) {
        self.give(Input::Stream(event));
    }

    fn tick(&mut self) {
        self.give(Input::Tick);
    }

    fn receive(&mut self, messages: impl IntoIterator<Item = ResponseType>) {
        for message in messages {
            self.stream(StreamEvent::Message(Box::new(ListenResponse {
                response_type: Some(message),
            })));
        }
    }

    /// Waits until the machine's deadline, and returns how long that took.
    fn wait(&mut self) -> Duration {
        let before = self.now;
        self.now = self.machine.deadline().max(before);
        self.tick();
        self.now - before
    }

    /// Lets the stream fail, and opens the next one.
    fn reconnect(&mut self) -> [Vec<u8>; 4] {
        self.stream(StreamEvent::Ended);
        self.wait();
        self.stream(StreamEvent::Opened);
        self.opened().expect("another stream").1
    }

    fn snapshots(&mut self) -> Vec<Snapshot> {
        let mut found = Vec::new();
        self.outputs.retain(|output| match output {
            Output::Emit(WatchEvent::Snapshot(snapshot)) => {
                found.push(snapshot.clone());
                false
            }
            _ => true,
        });
        found
    }

    /// Changes published since the last call: `ORD1@5` for a state of that time, `-ORD1@6` for a removal.
    fn published(&mut self) -> Vec<String> {
        let changes = self
            .snapshots()
            .into_iter()
            .flat_map(|snapshot| snapshot.changes);
        changes.map(|change| describe(&change)).collect()
    }

    fn sources(&mut self) -> Vec<SourceState> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Emit(WatchEvent::Source(state)) => Some(state.clone()),
                _ => None,
            })
            .collect()
    }

    /// The last request for a stream: whether over a new connection, and with which tokens.
    fn opened(&mut self) -> Option<(bool, [Vec<u8>; 4])> {
        self.outputs.iter().rev().find_map(|output| match output {
            Output::Open {
                rebuild, tokens, ..
            } => Some((*rebuild, tokens.clone())),
            _ => None,
        })
    }

    fn closed(&self) -> bool {
        self.outputs
            .iter()
            .any(|output| matches!(output, Output::Close))
    }

    fn looked_up(&self) -> Vec<Missing> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Resolve(missing) => Some(missing.clone()),
                _ => None,
            })
            .flatten()
            .collect()
    }

    fn resolve(&mut self, id: &str, fate: Fate) {
        self.give(Input::Resolved(order_name(id).into(), fate));
    }

    fn fail(&mut self, code: Code) {
        self.stream(StreamEvent::Failed(Fault::from_code(code, "because")));
    }
}

fn describe(change: &Change) -> String {
    match change {
        Change::Upsert(order) => format!("{}@{}", order.id, order.updated_micros),
        Change::Remove { id, micros } => format!("-{id}@{micros}"),
    }
}
