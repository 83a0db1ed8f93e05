//! The floor: what the sockets alone cost. One thread, one epoll, and the same bytes written to each socket; no request is
//! looked at, nobody is checked, nothing is counted.

use std::io::{ErrorKind, Read as _, Write as _, stdin};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Socket, Type};

use super::event;
use super::server::Publishing;
use super::table::say;

const LISTENER: Token = Token(usize::MAX);
const ORDERS: Token = Token(usize::MAX - 1);
const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/event-stream\r\n\r\n";
/// How long events are gathered where they are.
const COALESCING: Duration = Duration::from_millis(1);
/// Set where what was published before a reader came is its own to read as well.
pub(crate) const REPLAY_VARIABLE: &str = "FLOOR_REPLAY";

pub(crate) fn play() -> anyhow::Result<()> {
    Floor::new(Duration::ZERO)?.run()
}

pub(crate) fn play_coalescing() -> anyhow::Result<()> {
    Floor::new(COALESCING)?.run()
}

struct Floor {
    poll: Poll,
    listener: TcpListener,
    orders: Receiver<Publishing>,
    readers: Vec<Option<Reader>>,
    /// Everything published so far; each reader's offset says how much of it was written.
    log: Vec<u8>,
    coalescing: Duration,
    is_replaying: bool,
    number: u64,
}

struct Reader {
    socket: TcpStream,
    offset: usize,
    asked: bool,
}

impl Floor {
    fn new(coalescing: Duration) -> anyhow::Result<Self> {
        rlimit::increase_nofile_limit(u64::MAX)?;
        let poll = Poll::new()?;
        let mut listener = listen()?;
        say(&serde_json::to_string(&listener.local_addr()?)?);
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            orders: orders(Waker::new(poll.registry(), ORDERS)?),
            poll,
            listener,
            readers: Vec::new(),
            log: Vec::new(),
            coalescing,
            is_replaying: std::env::var_os(REPLAY_VARIABLE).is_some(),
            number: 0,
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    ORDERS => match self.orders.try_recv() {
                        Ok(publishing) => self.publish(publishing)?,
                        Err(TryRecvError::Empty) => {}
                        Err(TryRecvError::Disconnected) => return Ok(()),
                    },
                    Token(reader) => self.serve(reader, event.is_readable()),
                }
            }
        }
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("can't accept"),
            };
            socket.set_nodelay(true)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            let token = Token(self.readers.len());
            self.poll
                .registry()
                .register(&mut socket, token, interest)?;
            self.readers.push(Some(Reader {
                socket,
                offset: if self.is_replaying { 0 } else { self.log.len() },
                asked: false,
            }));
        }
    }

    fn publish(&mut self, publishing: Publishing) -> anyhow::Result<()> {
        if !self.is_replaying && self.everybody_has_everything() {
            self.log.clear();
            for reader in self.readers.iter_mut().flatten() {
                reader.offset = 0;
            }
        }
        let mut gathering_since = Instant::now();
        let started = Instant::now();
        for index in 0..publishing.count {
            publishing.wait(started, index);
            self.number += 1;
            let chunk = event::chunk(self.number);
            self.log.extend_from_slice(chunk.as_bytes());
            if gathering_since.elapsed() >= self.coalescing {
                self.write_all();
                gathering_since = Instant::now();
            }
        }
        self.write_all();
        say("null");
        Ok(())
    }

    fn everybody_has_everything(&self) -> bool {
        let length = self.log.len();
        self.readers
            .iter()
            .flatten()
            .all(|reader| reader.offset == length)
    }

    fn write_all(&mut self) {
        for slot in &mut self.readers {
            if slot.as_mut().is_some_and(|reader| !reader.write(&self.log)) {
                *slot = None;
            }
        }
    }

    fn serve(&mut self, number: usize, is_readable: bool) {
        let Some(slot) = self.readers.get_mut(number) else {
            return;
        };
        let Some(reader) = slot else { return };
        if !(is_readable && !reader.read() || !reader.write(&self.log)) {
            return;
        }
        *slot = None;
    }
}

impl Reader {
    /// False when the reader has gone.
    fn read(&mut self) -> bool {
        let mut request = [0; 1_024];
        loop {
            match self.socket.read(&mut request) {
                Ok(0) => return false,
                Ok(_) if !self.asked => {
                    self.asked = true;
                    if self.socket.write_all(HEAD).is_err() {
                        return false;
                    }
                }
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    /// Writes as much as the socket takes; the rest follows when it says that it is writable.
    fn write(&mut self, log: &[u8]) -> bool {
        while self.asked && self.offset < log.len() {
            match self.socket.write(&log[self.offset..]) {
                Ok(written) => self.offset += written,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
}

/// With room for all readers at once.
fn listen() -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(4_096)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn orders(waker: Waker) -> Receiver<Publishing> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in stdin().lines().map_while(Result::ok) {
            let Ok(publishing) = serde_json::from_str(&line) else {
                break;
            };
            if sender.send(publishing).is_err() || waker.wake().is_err() {
                return;
            }
        }
        drop(sender);
        // If nobody waits any more, nobody has to be woken.
        let _ = waker.wake();
    });
    receiver
}
