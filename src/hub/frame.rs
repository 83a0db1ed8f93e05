//! The wire format of the streams: blocks of server-sent events, made once and shared.
//!
//! JSON escapes every line break in the data, and cursors are plain ASCII, so that no text of an order can end a line.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde_json::json;

use super::{Item, Source};
use crate::orders::{Order, OrderId, Position};
use crate::store::SourceState;

/// The events of one snapshot.
pub(super) struct Batch {
    /// The head before the snapshot.
    pub(super) prev: Position,
    /// The head after it.
    pub(super) head: Position,
    /// At least one, in the order of their positions.
    pub(super) events: Vec<Arc<Item>>,
    /// All events as a reader at `prev` gets them.
    pub(super) plain: Bytes,
}

impl Batch {
    pub(super) fn new(prev: Position, events: Vec<Arc<Item>>) -> Self {
        let plain = match events.as_slice() {
            [event] => event.frame_for(&prev).clone(),
            events => concat(events.iter().map(|event| event.frame_for(&prev))),
        };
        Self {
            head: events
                .last()
                .map_or_else(|| prev.clone(), |last| last.position().clone()),
            prev,
            events,
            plain,
        }
    }
}

/// Several frames as one.
pub(super) fn concat<'a>(frames: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut joined = BytesMut::with_capacity(frames.clone().map(Bytes::len).sum());
    frames.for_each(|frame| joined.put_slice(frame));
    joined.freeze()
}

/// `new_order` and `order_update`.
pub(super) fn order(event: &str, position: &Position, order: &Order) -> Bytes {
    block(Some(position), event, &order.summary())
}

/// `order_removed`.
pub(super) fn removed(position: &Position, id: &OrderId) -> Bytes {
    block(
        Some(position),
        "order_removed",
        &json!({"id": id, "orderId": id}),
    )
}

/// The first block of a stream: how long to wait before coming back, and where the stream starts.
pub(super) fn connected(retry: Duration, position: Option<&Position>) -> Bytes {
    let id = position
        .map(|position| format!("id: {position}\n"))
        .unwrap_or_default();
    format!(
        "retry: {}\n{id}data: {{\"type\":\"connected\"}}\n\n",
        retry.as_millis()
    )
    .into()
}

/// `reset`: what the reader has missed can't be told.
pub(super) fn reset(reason: &str) -> Bytes {
    block(None, "reset", &json!({"reason": reason}))
}

/// A heartbeat: the comment line is for scripts, the event for pages, which can't see comments.
pub(super) fn heartbeat(position: Option<&Position>, server_millis: u64) -> Bytes {
    let id = position
        .map(|position| format!("id: {position}\n"))
        .unwrap_or_default();
    format!(": heartbeat\nevent: heartbeat\n{id}data: {{\"serverTime\":{server_millis}}}\n\n")
        .into()
}

/// `source`: the store's watch has gone away or has come back.
pub(super) fn source(source: &Source) -> Bytes {
    block(None, "source", source)
}

/// `bye`: come back after `retry`, which stands in the data as well because scripts in a page can't see `retry` lines.
pub(super) fn bye(retry: Duration, reason: &str) -> Bytes {
    let millis = retry.as_millis();
    let bye = block(
        None,
        "bye",
        &json!({"reason": reason, "retry": u64::try_from(millis).unwrap_or(u64::MAX)}),
    );
    concat([Bytes::from(format!("retry: {millis}\n\n")), bye].iter())
}

/// Data as JSON; what orderbell serializes always has one.
pub(super) fn json(data: &impl Serialize) -> Bytes {
    serde_json::to_vec(data)
        .unwrap_or_else(|_| b"null".to_vec())
        .into()
}

fn block(position: Option<&Position>, event: &str, data: &impl Serialize) -> Bytes {
    let data = json(data);
    let id = position
        .map(|position| format!("id: {position}\n"))
        .unwrap_or_default();
    let mut block = BytesMut::with_capacity(id.len() + event.len() + data.len() + 18);
    block.put_slice(id.as_bytes());
    block.put_slice(b"event: ");
    block.put_slice(event.as_bytes());
    block.put_slice(b"\ndata: ");
    block.put_slice(&data);
    block.put_slice(b"\n\n");
    block.freeze()
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (state, message) = match &self.state {
            SourceState::Live => ("live", ""),
            SourceState::Away { message } => ("away", message.as_str()),
            SourceState::Failed { message } => ("failed", message.as_str()),
        };
        json!({"state": state, "since": self.since, "message": message}).serialize(serializer)
    }
}
