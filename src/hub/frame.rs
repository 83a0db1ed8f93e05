//! The wire format of the streams: blocks of server-sent events, made once and shared.
//!
//! JSON escapes every line break in the data, and cursors are plain ASCII, so that no text of an order can end a line.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde_json::json;

use super::gzip::Segment;
use super::source::Source;
use crate::orders::{OrderId, Position, json_line};

/// An encoded event, shared by all readers. Its gzip form is made on first use.
pub(super) struct Frame {
    plain: Bytes,
    gzip: OnceLock<Segment>,
}

impl Frame {
    pub(super) fn new(plain: Bytes) -> Self {
        Self {
            plain,
            gzip: OnceLock::new(),
        }
    }

    pub(super) fn plain(&self) -> &Bytes {
        &self.plain
    }

    pub(super) fn gzip(&self) -> &Segment {
        self.gzip.get_or_init(|| Segment::compress(&self.plain))
    }
}

/// Joined frames, in one of the codings.
#[derive(Clone)]
pub(super) enum Payload {
    Plain(Bytes),
    Gzip(Segment),
}

/// Several frames as one.
pub(super) fn concat<'a>(frames: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut joined = BytesMut::with_capacity(frames.clone().map(Bytes::len).sum());
    frames.for_each(|frame| joined.put_slice(frame));
    joined.freeze()
}

/// An event with a position: `new_order`, `order_update` or `order_removed`.
pub(super) fn event(name: &str, position: &Position, data: &[u8]) -> Bytes {
    encode(Some(position), name, data)
}

/// The data of `order_removed`.
pub(super) fn removed(id: &OrderId) -> Bytes {
    json_line(&json!({"id": id, "orderId": id}))
}

/// One event of a `batch`.
pub(super) fn entry(name: &str, position: &Position, data: &[u8]) -> Bytes {
    // Names and cursors have no character that JSON would escape.
    let mut entry = BytesMut::from(
        format!("{{\"event\":\"{name}\",\"id\":\"{position}\",\"data\":").as_bytes(),
    );
    entry.put_slice(data);
    entry.put_u8(b'}');
    entry.freeze()
}

/// A `batch` of events; the last one is at `position`.
pub(super) fn batch(position: &Position, entries: &[Bytes]) -> Bytes {
    let mut data =
        BytesMut::with_capacity(entries.iter().map(|entry| entry.len() + 1).sum::<usize>() + 1);
    for (index, entry) in entries.iter().enumerate() {
        data.put_u8(if index == 0 { b'[' } else { b',' });
        data.put_slice(entry);
    }
    data.put_u8(b']');
    encode(Some(position), "batch", &data)
}

/// The first block of a stream: the reconnection time, and the position where the stream starts.
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

/// `reset`: the reader has to fetch the orders anew.
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

/// `source`: the state of the store's watch has changed.
pub(super) fn source(source: &Source) -> Bytes {
    block(None, "source", source)
}

/// `bye`: the client should reconnect after `retry`. The data repeats the time, since scripts in a page can't see `retry` lines.
pub(super) fn bye(retry: Duration, reason: &str) -> Bytes {
    let millis = retry.as_millis();
    let bye = block(
        None,
        "bye",
        &json!({"reason": reason, "retry": u64::try_from(millis).unwrap_or(u64::MAX)}),
    );
    concat([Bytes::from(format!("retry: {millis}\n\n")), bye].iter())
}

fn block(position: Option<&Position>, event: &str, data: &impl Serialize) -> Bytes {
    encode(position, event, &json_line(data))
}

fn encode(position: Option<&Position>, event: &str, data: &[u8]) -> Bytes {
    let id = position
        .map(|position| format!("id: {position}\n"))
        .unwrap_or_default();
    let mut block = BytesMut::with_capacity(id.len() + event.len() + data.len() + 18);
    block.put_slice(id.as_bytes());
    block.put_slice(b"event: ");
    block.put_slice(event.as_bytes());
    block.put_slice(b"\ndata: ");
    block.put_slice(data);
    block.put_slice(b"\n\n");
    block.freeze()
}
