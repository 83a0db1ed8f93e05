use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use socket2::SockRef;
use tokio::io::AsyncWrite as _;

use crate::auth::OpenStream;
use crate::clock::Clock;
use crate::http::Place;
use crate::hub::{Listener, Subscriber};

/// Ends a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Room for a chunk's length in hexadecimal digits, and the end of its line.
const CHUNK_HEAD_LIMIT: usize = 18;
/// Up to so many bytes are put together before they are written.
const COPY_LIMIT: usize = 512;

/// What a subscriber hands over, written to a socket of its own for as long as the place is held.
///
/// Frames go from where the hub keeps them to the socket, without a buffer in between, and nothing is held for a reader
/// that has everything. The task sees to the clock, to slow readers and to the end. When something has come for everybody,
/// the relay writes it without waking the task of each reader.
pub(super) struct Delivery {
    line: Rc<Line>,
}

struct Line {
    state: RefCell<State>,
}

struct State {
    socket: TcpStream,
    /// Held for as long as the socket is open.
    _connection: Place,
    subscriber: Subscriber,
    place: OpenStream,
    clock: Clock,
    /// The task's, once it was polled.
    waker: Option<Waker>,
    /// HTTP/1.0 clients get the bytes as they are.
    is_chunked: bool,
    is_last: bool,
    is_over: bool,
    /// What the socket didn't take at once.
    unsent: Option<Box<Unsent>>,
}

/// A chunk on its way.
#[derive(Default)]
struct Unsent {
    head: [u8; CHUNK_HEAD_LIMIT],
    head_length: usize,
    body: Bytes,
    tail: &'static [u8],
    /// Bytes of all three that were written.
    sent: usize,
}

impl Delivery {
    pub(super) fn new(
        socket: TcpStream,
        connection: Place,
        subscriber: Subscriber,
        place: OpenStream,
        clock: Clock,
        is_chunked: bool,
    ) -> Self {
        connection.keep();
        let line = Rc::new(Line {
            state: RefCell::new(State {
                socket,
                _connection: connection,
                subscriber,
                place,
                clock,
                waker: None,
                is_chunked,
                is_last: false,
                is_over: false,
                unsent: None,
            }),
        });
        let listener: Rc<dyn Listener> = Rc::clone(&line) as _;
        line.state.borrow_mut().subscriber.listen(listener);
        Self { line }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.line.state.borrow_mut().subscriber.unlisten();
    }
}

impl Future for Delivery {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.line.state.borrow_mut();
        if state.is_over || state.poll_deliver(cx).is_ready() {
            return Poll::Ready(());
        }
        if !matches!(&state.waker, Some(waker) if waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        // A reader that doesn't read isn't asked what comes next, so it has to be asked whether it still may.
        if state.unsent.is_some() && state.place.is_ended() {
            return Poll::Ready(());
        }
        state.poll_closed(cx)
    }
}

impl Listener for Line {
    fn notify(&self) {
        let state = &mut *self.state.borrow_mut();
        // A task that was never polled is about to be.
        let Some(waker) = state.waker.take() else {
            return;
        };
        if state.unsent.is_none() {
            state.is_over = state
                .poll_deliver(&mut Context::from_waker(&waker))
                .is_ready();
        }
        // What is left is the task's.
        if state.is_over || state.place.is_ended() {
            waker.wake_by_ref();
        }
        state.waker = Some(waker);
    }
}

impl State {
    /// Writes whatever there is to write; `Ready` when the stream is over.
    fn poll_deliver(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(unsent) = self.unsent.take() {
            std::task::ready!(self.poll_write(*unsent, cx))?;
        }
        while !self.is_last {
            let chunk = if self.place.is_ended() {
                self.subscriber.end()
            } else {
                std::task::ready!(self.subscriber.poll_chunk(cx))
            };
            let chunk = match chunk {
                Some(chunk) => {
                    self.place.delivered(self.clock.millis());
                    Unsent::new(chunk, self.is_chunked)
                }
                None => {
                    self.is_last = true;
                    Unsent::tail(if self.is_chunked { LAST_CHUNK } else { b"" })
                }
            };
            std::task::ready!(self.poll_write(chunk, cx))?;
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// Writes a chunk; what the socket doesn't take is kept until it does.
    fn poll_write(&mut self, mut unsent: Unsent, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !unsent.is_empty() {
            match unsent.write_to(&self.socket) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(length) => unsent.sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.poll_write_ready(cx)?.is_pending() {
                        self.unsent = Some(Box::new(unsent));
                        return Poll::Pending;
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// `Ready` when the client has closed its side, or the connection is broken. What it sends is of no interest.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ignored = [0; 512];
        loop {
            if std::task::ready!(self.socket.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match self.socket.try_read(&mut ignored) {
                Ok(0) => return Poll::Ready(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl Unsent {
    fn new(body: Bytes, is_chunked: bool) -> Self {
        // An empty chunk would be the last one.
        if !is_chunked || body.is_empty() {
            return Self {
                body,
                ..Self::default()
            };
        }
        let (head, head_length) = chunk_head(body.len());
        Self {
            head,
            head_length,
            body,
            tail: b"\r\n",
            sent: 0,
        }
    }

    fn tail(tail: &'static [u8]) -> Self {
        Self {
            tail,
            ..Self::default()
        }
    }

    fn is_empty(&self) -> bool {
        self.sent == self.head_length + self.body.len() + self.tail.len()
    }

    fn write_to(&self, socket: &TcpStream) -> io::Result<usize> {
        let parts = self.parts();
        let length = parts.iter().map(|part| part.len()).sum();
        if length > COPY_LIMIT {
            return socket.try_write_vectored(&parts);
        }
        // The kernel takes one piece sooner than three.
        let (mut whole, mut at) = ([0; COPY_LIMIT], 0);
        for part in &parts {
            whole[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let whole = &whole[..length];
        // Mostly there is room, whatever tokio thinks of it; where there is none, tokio has to notice it as well.
        match SockRef::from(socket).send(whole) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.try_write(whole),
            result => result,
        }
    }

    fn parts(&self) -> [IoSlice<'_>; 3] {
        let mut skipped = self.sent;
        [&self.head[..self.head_length], &self.body, self.tail].map(|part| {
            let skip = skipped.min(part.len());
            skipped -= skip;
            IoSlice::new(&part[skip..])
        })
    }
}

/// The length of a chunk in hexadecimal digits, and the end of its line.
fn chunk_head(length: usize) -> ([u8; CHUNK_HEAD_LIMIT], usize) {
    let mut head = [0; CHUNK_HEAD_LIMIT];
    let digits = (length.max(1).ilog2() as usize) / 4 + 1;
    for (at, digit) in head[..digits].iter_mut().enumerate() {
        *digit = b"0123456789ABCDEF"[length >> (4 * (digits - 1 - at)) & 0xf];
    }
    head[digits..digits + 2].copy_from_slice(b"\r\n");
    (head, digits + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_tell_their_length() {
        for length in [1, 15, 16, 255, 256, 4_095, 4_096, 131_072, usize::MAX] {
            let (head, head_length) = chunk_head(length);
            let text = std::str::from_utf8(&head[..head_length]).expect("text");
            assert_eq!(text, format!("{length:X}\r\n"));
        }
    }
}
