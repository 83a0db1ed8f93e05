//! A TLS connection on a socket.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::session::{MAX_PLAINTEXT, MAX_RECORD, Session};
use crate::http::chunked::{Unsent, send};

/// Bytes that a client may send without content: key updates, empty records.
const MAX_WITHOUT_CONTENT: usize = 32 << 10;
/// Bytes that a client may send to a stream in its life, all of which are ignored.
const MAX_IGNORED: usize = 64 << 10;
/// Room for what is read at once, behind a record that was read in part.
const READ_ROOM: usize = 2 * MAX_RECORD;

thread_local! {
    // Buffers of a thread, used by each of its connections for a moment: an idle connection holds none.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_ROOM].into());
    static PLAIN: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_PLAINTEXT].into());
    static CIPHER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 2 * MAX_RECORD].into());
}

/// A TLS connection on its socket.
///
/// rustls' unbuffered interface leaves all buffers to this type. It keeps only what is unfinished: a record that was read in part,
/// decrypted bytes that were not read yet, and the rest of records that the socket did not accept. All three are empty, and
/// hold no memory, while the client is idle.
pub(in crate::http) struct TlsStream {
    socket: TcpStream,
    session: Session,
    /// Decrypted and not taken yet.
    plain: BytesMut,
    /// Encrypted and not accepted by the socket yet.
    unsent: BytesMut,
    /// Length of the bytes of [`poll_write`](Self::poll_write) that are in `unsent`, or were.
    encrypted: usize,
    /// Bytes received since content last came.
    without_content: usize,
    /// Bytes received and ignored by [`poll_closed`](Self::poll_closed).
    ignored: usize,
}

impl TlsStream {
    pub(super) fn new(socket: TcpStream, session: Session) -> Self {
        Self {
            socket,
            session,
            plain: BytesMut::new(),
            unsent: BytesMut::new(),
            encrypted: 0,
            without_content: 0,
            ignored: 0,
        }
    }

    pub(in crate::http) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Bytes of memory in its buffers.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.plain.capacity() + self.unsent.capacity() + self.session.unfinished().len()
    }

    /// Whether there are bytes to take, or the end, without reading the socket.
    pub(in crate::http) fn has_read(&self) -> bool {
        !self.plain.is_empty() || self.session.is_closed()
    }

    /// Whether the socket has accepted everything that was encrypted.
    pub(in crate::http) fn is_flushed(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Reads some bytes; none at the end.
    pub(in crate::http) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.plain.is_empty() {
            if self.session.is_closed() || ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let length = self.plain.len().min(buffer.remaining());
        buffer.put_slice(&self.plain[..length]);
        self.plain.advance(length);
        if self.plain.is_empty() {
            self.plain = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// One step of the handshake: does what the bytes that have come ask for, without waiting for more.
    pub(super) async fn step(&mut self) -> io::Result<()> {
        match poll_fn(|cx| Poll::Ready(self.poll_receive(cx))).await {
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Poll::Ready(result) => result.map(drop),
            Poll::Pending => Ok(()),
        }
    }

    /// `Ready` when the next step of the handshake is due.
    pub(super) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.poll_flush(cx)?;
        if self.session.is_handshaking() {
            return self.socket.poll_read_ready(cx);
        }
        flushed.map(Ok)
    }

    /// Reads from the socket once, and decrypts what has come. Returns the number of bytes read, which is 0 at the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        READ.with_borrow_mut(|room| {
            let kept = self.session.unfinished().len();
            room[..kept].copy_from_slice(self.session.unfinished());
            let mut read = ReadBuf::new(&mut room[kept..]);
            if read.remaining() == 0 {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            let length = read.filled().len();
            let Self {
                session,
                plain,
                unsent,
                ..
            } = self;
            let result = session.receive(&mut room[..kept + length], plain, unsent);
            if !self.unsent.is_empty() {
                self.try_flush()?;
            }
            result?;
            self.without_content += length;
            if !self.plain.is_empty() || self.session.is_handshaking() {
                self.without_content = 0;
            } else if self.without_content > MAX_WITHOUT_CONTENT {
                // Key updates and empty records cost the server more than the client.
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            Poll::Ready(Ok(length))
        })
    }

    /// Encrypts some of `bytes` and writes them; returns only when the socket has accepted them all. After `Pending`, the next call
    /// must begin with the same bytes, which were encrypted already.
    pub(in crate::http) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.encrypted == 0 {
            let length = bytes.len().min(MAX_PLAINTEXT);
            self.encrypt(&bytes[..length])?;
            self.encrypted = length;
        }
        ready!(self.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.encrypted)))
    }

    /// Writes what the socket accepts of a chunk, record by record. An error of the kind `WouldBlock` when it doesn't accept a whole
    /// record; then only that record is kept beside the chunk.
    pub(in crate::http) fn write_chunk(&mut self, chunk: &mut Unsent) -> io::Result<()> {
        self.try_flush()?;
        if !self.is_flushed() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if chunk.is_empty() {
            return Ok(());
        }
        PLAIN.with_borrow_mut(|plain| {
            let length = chunk.copy_to(plain);
            self.encrypt(&plain[..length])?;
            chunk.advance(length);
            Ok(())
        })
    }

    /// Encrypts `bytes`, and sends what the socket accepts at once.
    fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        CIPHER.with_borrow_mut(|records| {
            let length = self.session.encrypt(bytes, records)?;
            self.send(&records[..length])
        })
    }

    fn send(&mut self, records: &[u8]) -> io::Result<()> {
        let sent = if self.unsent.is_empty() {
            accepted(send(&self.socket, records))?
        } else {
            0
        };
        self.unsent.extend_from_slice(&records[sent..]);
        Ok(())
    }

    /// Sends what the socket accepts at once.
    fn try_flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let sent = accepted(send(&self.socket, &self.unsent))?;
            if sent == 0 {
                return Ok(());
            }
            self.unsent.advance(sent);
        }
        self.unsent = BytesMut::new();
        Ok(())
    }

    /// `Ready` when the socket has accepted everything.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.try_flush()?;
            if self.is_flushed() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.socket.poll_write_ready(cx))?;
        }
    }

    /// Tells the client that nothing follows, if the socket accepts that, and ends the writing side.
    pub(in crate::http) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut last = [0; 512];
        if let Ok(length) = self.session.close(&mut last) {
            self.unsent.put_slice(&last[..length]);
        }
        self.try_flush()?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// `Ready` when the client has closed its side, or the connection is broken. What the client sends is read and ignored.
    pub(in crate::http) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.plain = BytesMut::new();
            if self.session.is_closed() {
                return Poll::Ready(());
            }
            match ready!(self.poll_receive(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(length) => self.ignored += length,
            }
            if self.ignored > MAX_IGNORED {
                return Poll::Ready(());
            }
        }
    }
}

/// Bytes that the socket has accepted: none where it would block.
fn accepted(sent: io::Result<usize>) -> io::Result<usize> {
    match sent {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        sent => sent,
    }
}
