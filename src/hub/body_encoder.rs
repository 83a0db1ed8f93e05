use bytes::Bytes;

use super::frame::{Frame, Payload, concat};
use super::gzip::{GzipStream, Segment};

/// Encodes a stream's text as the bytes of its body: as it is, or as one gzip stream.
pub(super) enum BodyEncoder {
    Plain,
    Gzip(GzipStream),
}

impl BodyEncoder {
    pub(super) fn new(gzip: bool) -> Self {
        if gzip {
            Self::Gzip(GzipStream::default())
        } else {
            Self::Plain
        }
    }

    pub(super) fn is_gzip(&self) -> bool {
        matches!(self, Self::Gzip(_))
    }

    /// Encodes text that is sent to this reader alone.
    pub(super) fn once(&mut self, text: Bytes) -> Bytes {
        match self {
            Self::Plain => text,
            Self::Gzip(stream) => stream.send(&Segment::once(&text)),
        }
    }

    /// Encodes frames that are shared with other readers.
    pub(super) fn frames(&mut self, frames: &[&Frame]) -> Bytes {
        match self {
            Self::Plain => concat(frames.iter().map(|frame| frame.plain())),
            Self::Gzip(stream) => {
                stream.send(&Segment::concat(frames.iter().map(|frame| frame.gzip())))
            }
        }
    }

    /// Encodes a payload that is shared by all readers at the same position. It must have this encoder's coding.
    pub(super) fn payload(&mut self, payload: Payload) -> Bytes {
        match (self, payload) {
            (Self::Gzip(stream), Payload::Gzip(segment)) => stream.send(&segment),
            (Self::Gzip(stream), Payload::Plain(text)) => stream.send(&Segment::once(&text)),
            (Self::Plain, Payload::Plain(text)) => text,
            // Never requested: slots are taken in the form of the encoder.
            (Self::Plain, Payload::Gzip(_)) => Bytes::new(),
        }
    }

    /// The bytes that complete the body, if any.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        match self {
            Self::Plain => None,
            Self::Gzip(stream) => Some(stream.finish()),
        }
    }
}
