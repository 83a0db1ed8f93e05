//! A client's connection, which an answer may take over from actix.
//!
//! actix keeps two buffers, timers and a copy of what is written for every answer that is being sent. A stream that stays
//! open for hours with nothing to say needs none of that: its head goes out through actix like any other, then it takes the
//! socket, and everything that actix has held for the connection is freed.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

type Taker = Box<dyn FnOnce(TcpStream)>;

/// The connection as actix reads and writes it, until it is taken over. Then it looks closed.
pub struct Connection {
    socket: Option<TcpStream>,
    takeover: Takeover,
}

/// The means to take a connection over; handlers find it in the connection's data.
#[derive(Clone, Default)]
pub struct Takeover {
    taker: Rc<RefCell<Option<Taker>>>,
}

impl Takeover {
    /// Has `taker` called with the socket as soon as everything that actix has to write was written to it.
    ///
    /// To be called when the answer's head is in actix's buffer, that is from the answer's body.
    pub fn request(&self, taker: impl FnOnce(TcpStream) + 'static) {
        *self.taker.borrow_mut() = Some(Box::new(taker));
    }
}

impl Connection {
    /// The connection of a client that has just come.
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket: Some(socket),
            takeover: Takeover::default(),
        }
    }

    /// The means to take this connection over.
    pub fn takeover(&self) -> Takeover {
        self.takeover.clone()
    }

    fn socket(&mut self) -> Option<Pin<&mut TcpStream>> {
        self.socket.as_mut().map(Pin::new)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.socket() {
            Some(socket) => socket.poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.socket() {
            Some(socket) => socket.poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// actix flushes when its buffer is empty, which is when the socket may change hands.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taker = self.takeover.taker.take();
        if let Some(taker) = taker
            && let Some(socket) = self.socket.take()
        {
            taker(socket);
            // actix looks again and finds the connection closed.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket() {
            Some(socket) => socket.poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
