//! The readers: one process, one thread, one epoll, one buffer. It is the same for all servers, and does as little as can
//! be done with an event: it finds the time of sending, and counts.

use std::collections::VecDeque;
use std::io::{ErrorKind, stdin};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use super::event::{STAMP_DIGITS, STAMP_MARK, now_micros};
use super::histogram::{Histogram, Percentiles};
use super::table::say;
use super::tls::Link;

const BUFFER: usize = 128 << 10;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Open streams, `wave` at a time, and answer when all have begun.
    Open(Opening),
    /// Say so, then read until every stream has had so many events.
    Read { events: u32, patience_ms: u64 },
    /// Open streams that begin with so many events, and read these.
    Replay { opening: Opening, events: u32 },
    /// Close all.
    Close,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) address: SocketAddr,
    pub(crate) request: String,
    pub(crate) has_tls: bool,
    pub(crate) count: usize,
    pub(crate) wave: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) deliveries: u64,
    /// From the first sending (or opening) to the last arrival.
    pub(crate) seconds: f64,
    /// From sending to arrival; of a replay, from a stream's opening to its last event.
    pub(crate) latency: Percentiles,
    /// The answer's head of one of the streams.
    pub(crate) head: String,
}

pub(crate) fn play() -> anyhow::Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut readers = Readers::new()?;
    for line in stdin().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Order::Open(opening) => readers.open(&opening)?,
            Order::Read {
                events,
                patience_ms,
            } => {
                readers.expect(events);
                say("\"ready\"");
                readers.read(Duration::from_millis(patience_ms))?
            }
            Order::Replay { opening, events } => readers.replay(&opening, events)?,
            Order::Close => {
                readers.streams.clear();
                readers.reading()
            }
        };
        say(&serde_json::to_string(&answer)?);
    }
    Ok(())
}

struct Readers {
    poll: Poll,
    buffer: Vec<u8>,
    streams: Vec<Stream>,
    unopened: VecDeque<Token>,
    tally: Tally,
    head: String,
}

struct Stream {
    link: Option<Link>,
    begun: bool,
    opened_at: u64,
    scanner: Scanner,
    events: u32,
}

#[derive(Default)]
struct Scanner {
    digits_left: u8,
    value: u64,
}

struct Tally {
    begun: usize,
    expected: u32,
    is_replay: bool,
    deliveries: u64,
    complete: usize,
    first: u64,
    last: u64,
    latency: Histogram,
}

impl Readers {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            buffer: vec![0; BUFFER],
            streams: Vec::new(),
            unopened: VecDeque::new(),
            tally: Tally::new(0, 0, false),
            head: String::new(),
        })
    }

    fn open(&mut self, opening: &Opening) -> anyhow::Result<Reading> {
        let count = opening.count;
        self.tally = Tally::new(0, 0, false);
        self.prepare(count);
        let all = self.run(Some(opening), Duration::from_secs(60), |tally| {
            tally.begun == count
        })?;
        ensure!(all, "only {} of {count} streams began", self.tally.begun);
        Ok(self.reading())
    }

    fn replay(&mut self, opening: &Opening, events: u32) -> anyhow::Result<Reading> {
        let count = opening.count;
        self.prepare(count);
        self.tally = Tally::new(0, events, true);
        let all = self.run(Some(opening), Duration::from_secs(60), |tally| {
            tally.complete == count
        })?;
        ensure!(all, "only {} of {count} caught up", self.tally.complete);
        Ok(self.reading())
    }

    fn expect(&mut self, events: u32) {
        self.tally = Tally::new(self.tally.begun, events, false);
        for stream in &mut self.streams {
            stream.events = 0;
        }
    }

    fn read(&mut self, patience: Duration) -> anyhow::Result<Reading> {
        let count = self.streams.len();
        let all = self.run(None, patience, |tally| tally.complete == count)?;
        let expected = count as u64 * u64::from(self.tally.expected);
        ensure!(
            all && self.tally.deliveries == expected,
            "{} deliveries of {expected} arrived",
            self.tally.deliveries
        );
        Ok(self.reading())
    }

    fn prepare(&mut self, count: usize) {
        self.streams.clear();
        self.streams.resize_with(count, || Stream {
            link: None,
            begun: false,
            opened_at: 0,
            scanner: Scanner::default(),
            events: 0,
        });
        self.unopened = (0..count).map(Token).collect();
    }

    /// Opens and reads until `done`; false when that takes too long.
    fn run(
        &mut self,
        opening: Option<&Opening>,
        patience: Duration,
        done: impl Fn(&Tally) -> bool,
    ) -> anyhow::Result<bool> {
        let deadline = Instant::now() + patience;
        let mut events = Events::with_capacity(1_024);
        while !done(&self.tally) {
            if let Some(opening) = opening {
                self.open_some(opening)?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                if let Some(opening) = opening
                    && event.is_writable()
                {
                    self.ask(event.token(), &opening.request)?;
                }
                if event.is_readable() {
                    self.drain(event.token())?;
                }
            }
        }
        Ok(true)
    }

    fn open_some(&mut self, opening: &Opening) -> anyhow::Result<()> {
        loop {
            let opened = self.streams.len() - self.unopened.len();
            if opened - self.tally.begun >= opening.wave {
                return Ok(());
            }
            let Some(token) = self.unopened.pop_front() else {
                return Ok(());
            };
            let mut link = Link::connect(opening.address, opening.has_tls)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut link.socket, token, interest)?;
            let stream = &mut self.streams[token.0];
            stream.link = Some(link);
            stream.opened_at = now_micros();
            self.tally.first = self.tally.first.min(stream.opened_at);
        }
    }

    /// Sends the request once the connection is there.
    fn ask(&mut self, token: Token, request: &str) -> anyhow::Result<()> {
        let Some(link) = &mut self.streams[token.0].link else {
            return Ok(());
        };
        link.send(request.as_bytes())
            .context("a request can't be sent")?;
        // From now on the stream is only read.
        self.poll
            .registry()
            .reregister(&mut link.socket, token, Interest::READABLE)?;
        Ok(())
    }

    fn drain(&mut self, token: Token) -> anyhow::Result<()> {
        let stream = &mut self.streams[token.0];
        let Some(link) = &mut stream.link else {
            return Ok(());
        };
        loop {
            let length = match link.read(&mut self.buffer) {
                Ok(0) => bail!("the server has closed a stream"),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the server has cut a stream"),
            };
            let bytes = &self.buffer[..length];
            if !stream.begun {
                ensure!(
                    bytes.starts_with(b"HTTP/1.1 200"),
                    "the server answers {:?}",
                    String::from_utf8_lossy(bytes)
                );
                stream.begun = true;
                self.tally.begun += 1;
                if token.0 == 0 {
                    self.head = String::from_utf8_lossy(bytes).into_owned();
                }
            }
            self.tally.count(
                stream.opened_at,
                &mut stream.events,
                &mut stream.scanner,
                bytes,
            );
            if length < self.buffer.len() && link.reads_all() {
                return Ok(());
            }
        }
    }

    fn reading(&self) -> Reading {
        let tally = &self.tally;
        Reading {
            deliveries: tally.deliveries,
            seconds: tally.last.saturating_sub(tally.first) as f64 / 1e6,
            latency: tally.latency.percentiles(),
            head: self.head.clone(),
        }
    }
}

impl Tally {
    fn new(begun: usize, expected: u32, is_replay: bool) -> Self {
        Self {
            begun,
            expected,
            is_replay,
            deliveries: 0,
            complete: 0,
            first: u64::MAX,
            last: 0,
            latency: Histogram::new(),
        }
    }

    fn count(&mut self, opened_at: u64, events: &mut u32, scanner: &mut Scanner, bytes: &[u8]) {
        let now = now_micros();
        scanner.scan(bytes, |sent| {
            *events += 1;
            self.deliveries += 1;
            self.last = now;
            let is_last = *events == self.expected;
            if is_last {
                self.complete += 1;
            }
            if !self.is_replay {
                self.first = self.first.min(sent);
                self.latency.record(now.saturating_sub(sent));
            } else if is_last {
                self.latency.record(now.saturating_sub(opened_at));
            }
        });
    }
}

impl Scanner {
    /// Finds times of sending, also where one is cut in two by the end of `bytes`.
    fn scan(&mut self, mut bytes: &[u8], mut found: impl FnMut(u64)) {
        loop {
            while self.digits_left > 0 {
                let Some((digit, rest)) = bytes.split_first() else {
                    return;
                };
                bytes = rest;
                self.value = self.value * 10 + u64::from(digit.wrapping_sub(b'0'));
                self.digits_left -= 1;
                if self.digits_left == 0 {
                    found(self.value);
                }
            }
            let Some(mark) = memchr::memchr(STAMP_MARK, bytes) else {
                return;
            };
            bytes = &bytes[mark + 1..];
            self.digits_left = STAMP_DIGITS;
            self.value = 0;
        }
    }
}
