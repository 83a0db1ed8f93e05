//! What a connection's bytes go over: TCP as it is, or TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::chunked::Unsent;
use super::tls::TlsStream;

/// A connection's bytes, as they are or encrypted.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Transport {
    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket().peer_addr()
    }

    /// Whether the client's bytes are encrypted.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.socket(),
        }
    }

    /// Reads some bytes; none at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(stream) => stream.poll_read(cx, buffer),
        }
    }

    /// `Ready` when a read may bring something.
    pub(super) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tls(stream) if stream.has_read() => Poll::Ready(()),
            _ => self.socket().poll_read_ready(cx).map(drop),
        }
    }

    /// Writes some of `bytes`. After `Pending`, the next call must begin with the same bytes.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => stream.poll_write(cx, bytes),
        }
    }

    /// Ends the writing side. Doesn't wait for a client that accepts nothing.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Writes what the socket accepts of a stream's chunk without blocking. An error of the kind `WouldBlock` when it accepts
    /// nothing.
    pub(super) fn write_chunk(&mut self, chunk: &mut Unsent) -> io::Result<()> {
        match self {
            Self::Plain(socket) => chunk.write_to(socket),
            Self::Tls(stream) => stream.write_chunk(chunk),
        }
    }

    /// Whether the socket has accepted all of `chunk`.
    pub(super) fn has_written(&self, chunk: &Unsent) -> bool {
        let is_flushed = match self {
            Self::Plain(_) => true,
            Self::Tls(stream) => stream.is_flushed(),
        };
        is_flushed && chunk.is_empty()
    }

    pub(super) fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_write_ready(cx)
    }

    /// `Ready` when the client has closed its side, or the connection is broken. What the client sends is read and ignored.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(socket) => poll_closed(socket, cx),
            Self::Tls(stream) => stream.poll_closed(cx),
        }
    }
}

fn poll_closed(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    let mut ignored = [0; 512];
    loop {
        if std::task::ready!(socket.poll_read_ready(cx)).is_err() {
            return Poll::Ready(());
        }
        match socket.try_read(&mut ignored) {
            Ok(0) => return Poll::Ready(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Poll::Ready(()),
        }
    }
}
