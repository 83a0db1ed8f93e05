//! One request after the other: what a connection may hand over to actix, and until when.
//!
//! actix decodes every request that it can read before it writes the first answer, and goes on reading while answers
//! pile up. A client that pipelines requests and reads no answer would cost a core and megabytes for as long as it stays.
//! So the connection hands over one request, and the next one only when the answer was written.

use std::time::Duration;

use tokio::time::Instant;

/// Deadlines of the parts of an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From a request's first byte to the end of its head, and again from there to the end of its body.
    pub request: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// While the client accepts no byte of an answer.
    pub write: Duration,
}

/// Added to the deadlines that handlers and actix have themselves: they answer with a reason, the connection only ends.
const GRACE: Duration = Duration::from_secs(2);

/// Framing of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// A body with this many bytes left.
    Length(u64),
    /// Chunks, the last of which is empty.
    Chunked(Chunks),
}

/// Position within a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In the line that holds the size; true behind its hexadecimal digits.
    Size { size: u64, is_extension: bool },
    /// In a chunk, with this many bytes left, including the line end after it.
    Data(u64),
    /// In the lines behind the last chunk; true where the current line has a character.
    Trailer { has_text: bool },
    /// Behind the end.
    Done,
}

/// What a deadline was set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Idle,
    Head,
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle,
    /// In a request's head; counts line ends that follow upon each other.
    Head { newlines: u8 },
    /// actix has received a whole head and has not called the service yet.
    HandedOver,
    /// The service has been called.
    InService { body: Framing, is_answered: bool },
}

/// The state of one connection's current request. No sockets, no clocks.
#[derive(Debug)]
pub(super) struct Exchange {
    phase: Phase,
    /// When the phase began.
    since: Instant,
}

impl Exchange {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Idle,
            since: now,
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since) = (phase, now);
    }

    /// Whether further bytes may be handed over.
    pub(super) fn may_read(&self) -> bool {
        match self.phase {
            Phase::Idle | Phase::Head { .. } => true,
            Phase::HandedOver => false,
            Phase::InService { body, .. } => !body.is_done(),
        }
    }

    /// Whether no whole head was received: nothing is lost when the connection ends here.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Head { .. })
    }

    /// Takes bytes that were read. Returns how many to skip, and how many of the following to hand over; the rest has to wait.
    pub(super) fn take(&mut self, bytes: &[u8], now: Instant) -> Part {
        let skip = if self.phase == Phase::Idle {
            // Line ends between requests belong to none; robust servers pass over them (RFC 9112, 2.2).
            let skip = bytes
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            if skip < bytes.len() {
                self.enter(Phase::Head { newlines: 0 }, now);
            }
            skip
        } else {
            0
        };
        let bytes = &bytes[skip..];
        let take = match &mut self.phase {
            Phase::Idle | Phase::HandedOver => 0,
            Phase::Head { newlines } => match head_end(bytes, newlines) {
                Some(end) => {
                    self.enter(Phase::HandedOver, now);
                    end
                }
                None => bytes.len(),
            },
            Phase::InService { body, .. } => body.take(bytes),
        };
        Part { skip, take }
    }

    /// The service was called with the request whose head was handed over last.
    pub(super) fn begin(&mut self, body: Framing, now: Instant) {
        let phase = Phase::InService {
            body,
            is_answered: false,
        };
        self.enter(phase, now);
    }

    /// The service has answered.
    pub(super) fn answered(&mut self) {
        if let Phase::InService { is_answered, .. } = &mut self.phase {
            *is_answered = true;
        }
    }

    /// Everything that actix had to write was written.
    pub(super) fn flushed(&mut self, now: Instant) {
        if let Phase::InService { body, is_answered } = self.phase
            && is_answered
            && body.is_done()
        {
            self.enter(Phase::Idle, now);
        }
    }

    /// The next deadline for the client to send something, and what it is for.
    pub(super) fn deadline(&self, deadlines: &Deadlines) -> Option<(Instant, Stage)> {
        match self.phase {
            Phase::Idle => Some((self.since + deadlines.idle, Stage::Idle)),
            Phase::Head { .. } => Some((self.since + deadlines.request + GRACE, Stage::Head)),
            Phase::InService { body, .. } if !body.is_done() => {
                Some((self.since + deadlines.request + GRACE, Stage::Body))
            }
            // Handlers have deadlines of their own.
            Phase::HandedOver | Phase::InService { .. } => None,
        }
    }
}

/// How read bytes are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) skip: usize,
    pub(super) take: usize,
}

/// Where the head ends: behind the first empty line. A line ends with `\n`, with or without `\r`, as actix's parser has it.
fn head_end(bytes: &[u8], newlines: &mut u8) -> Option<usize> {
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if *newlines == 1 => return Some(index + 1),
            b'\n' => *newlines = 1,
            b'\r' => {}
            _ => *newlines = 0,
        }
    }
    None
}

impl Framing {
    /// No body.
    pub(super) const NONE: Self = Self::Length(0);
    /// A chunked body from its beginning.
    pub(super) const CHUNKED: Self = Self::Chunked(Chunks::Size {
        size: 0,
        is_extension: false,
    });

    fn is_done(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::Done))
    }

    /// How many of these bytes belong to the body.
    fn take(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Length(left) => {
                let length = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= length as u64;
                length
            }
            Self::Chunked(chunks) => chunks.take(bytes),
        }
    }
}

impl Chunks {
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut index = 0;
        while index < bytes.len() && *self != Self::Done {
            if let Self::Data(left) = self {
                let rest = bytes.len() - index;
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest);
                *left -= length as u64;
                index += length;
                if *left == 0 {
                    *self = Self::Size {
                        size: 0,
                        is_extension: false,
                    };
                }
                continue;
            }
            self.step(bytes[index]);
            index += 1;
        }
        index
    }

    /// Reads one byte outside of a chunk's data. Malformed framing is refused by actix; here it must only not go on for ever.
    fn step(&mut self, byte: u8) {
        match self {
            Self::Size { size, is_extension } => match char::from(byte).to_digit(16) {
                Some(digit) if !*is_extension => *size = size.saturating_mul(16) | u64::from(digit),
                _ if byte == b'\n' && *size == 0 => *self = Self::Trailer { has_text: false },
                _ if byte == b'\n' => *self = Self::Data(size.saturating_add(2)),
                _ => *is_extension = byte != b'\r',
            },
            Self::Trailer { has_text } => match byte {
                b'\n' if !*has_text => *self = Self::Done,
                b'\n' => *has_text = false,
                b'\r' => {}
                _ => *has_text = true,
            },
            Self::Data(_) | Self::Done => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `bytes` in pieces of these sizes, as requests with this framing, and answers with what was handed over for
    /// each request.
    fn requests(
        bytes: &[u8],
        mut sizes: impl Iterator<Item = usize>,
        body: Framing,
    ) -> Vec<Vec<u8>> {
        let now = Instant::now();
        let mut exchange = Exchange::new(now);
        let (mut done, mut current, mut left) = (Vec::new(), Vec::new(), bytes);
        loop {
            if !exchange.may_read() {
                if exchange.phase == Phase::HandedOver {
                    exchange.begin(body, now);
                } else {
                    exchange.answered();
                    exchange.flushed(now);
                    assert_eq!(exchange.phase, Phase::Idle);
                    done.push(std::mem::take(&mut current));
                }
                continue;
            }
            if left.is_empty() {
                return done;
            }
            let size = sizes.next().unwrap_or(1).clamp(1, left.len());
            let part = exchange.take(&left[..size], now);
            current.extend_from_slice(&left[part.skip..part.skip + part.take]);
            left = &left[part.skip + part.take..];
        }
    }

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: x\r\n\r\n";

    proptest! {
        #[test]
        fn pipelined_requests_come_one_by_one_however_they_arrive(
            sizes in prop::collection::vec(1_usize..40, 1..60),
            count in 1_usize..6,
            has_line_ends in any::<bool>(),
        ) {
            let between: &[u8] = if has_line_ends { b"\r\n" } else { b"" };
            let chunked = b"5;name=value\r\n\r\n\r\nx\r\nA\r\n0123456789\r\n0\r\ntrailer: a\r\n\r\n";
            let cases = [
                (Framing::NONE, &b""[..]),
                (Framing::Length(10), b"\r\n\r\n567890"),
                (Framing::CHUNKED, chunked),
            ];
            for (framing, body) in cases {
                let whole = [HEAD, body].concat();
                let sent = vec![[between, &whole].concat(); count].concat();
                let read = requests(&sent, sizes.iter().copied().cycle(), framing);
                prop_assert_eq!(read, vec![whole; count]);
            }
        }

        #[test]
        fn any_bytes_are_handed_over_or_wait(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for framing in [Framing::NONE, Framing::Length(7), Framing::CHUNKED] {
                let read: usize = requests(&bytes, [3, 50, 1].into_iter().cycle(), framing).iter().map(Vec::len).sum();
                prop_assert!(read <= bytes.len());
            }
        }
    }

    #[test]
    fn nothing_is_read_before_the_answer_is_written() {
        let now = Instant::now();
        let mut exchange = Exchange::new(now);
        assert_eq!(exchange.take(HEAD, now).take, HEAD.len());
        assert!(!exchange.may_read());
        exchange.flushed(now);
        assert!(!exchange.may_read(), "the service was not called yet");
        exchange.begin(Framing::NONE, now);
        exchange.flushed(now);
        assert!(!exchange.may_read(), "the service has not answered yet");
        exchange.answered();
        assert!(!exchange.may_read(), "the answer was not written yet");
        exchange.flushed(now);
        assert!(exchange.may_read() && exchange.is_waiting());
    }

    #[test]
    fn every_wait_for_the_client_has_a_deadline() {
        let deadlines = Deadlines {
            request: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(30),
        };
        let now = Instant::now();
        let stage = |exchange: &Exchange| exchange.deadline(&deadlines).map(|(_, stage)| stage);
        let mut exchange = Exchange::new(now);
        assert_eq!(stage(&exchange), Some(Stage::Idle));
        exchange.take(b"\r\n", now);
        assert_eq!(stage(&exchange), Some(Stage::Idle));
        exchange.take(b"G", now);
        let head = exchange.deadline(&deadlines);
        assert_eq!(head, Some((now + Duration::from_secs(12), Stage::Head)));
        exchange.take(b"ET / HTTP/1.1\r\n", now + Duration::from_secs(5));
        assert_eq!(
            exchange.deadline(&deadlines),
            head,
            "a byte now and then changes nothing"
        );
        exchange.take(b"\r\n", now);
        assert_eq!(stage(&exchange), None);
        exchange.begin(Framing::CHUNKED, now);
        assert_eq!(stage(&exchange), Some(Stage::Body));
        exchange.answered();
        exchange.flushed(now);
        assert_eq!(
            stage(&exchange),
            Some(Stage::Body),
            "also behind the answer"
        );
        exchange.take(b"0\r\n\r\n", now);
        assert_eq!(stage(&exchange), None);
        exchange.flushed(now);
        assert_eq!(stage(&exchange), Some(Stage::Idle));
    }
}
