//! The chunked coding of HTTP/1.1 bodies, and writes that the socket takes in part.

use std::io::{self, IoSlice};

use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use socket2::SockRef;

/// Ends a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Bytes for a chunk's length in hexadecimal digits, and the end of its line.
const HEAD_LIMIT: usize = 18;
/// Up to this many bytes are copied into one buffer before they are written.
const COPY_LIMIT: usize = 512;

/// A piece of a body that is being written: the chunk's head, its bytes, and what ends it.
#[derive(Default)]
pub(super) struct Unsent {
    head: [u8; HEAD_LIMIT],
    head_length: usize,
    body: Bytes,
    tail: &'static [u8],
    /// Bytes of all three that were written.
    sent: usize,
}

impl Unsent {
    /// `body` as one chunk, or as it is where the client knows no chunks.
    pub(super) fn new(body: Bytes, is_chunked: bool) -> Self {
        // An empty chunk would be the last one.
        if !is_chunked || body.is_empty() {
            return Self {
                body,
                ..Self::default()
            };
        }
        let (head, head_length) = head(body.len());
        Self {
            head,
            head_length,
            body,
            tail: b"\r\n",
            sent: 0,
        }
    }

    /// The end of a body.
    pub(super) fn last(is_chunked: bool) -> Self {
        Self {
            tail: if is_chunked { LAST_CHUNK } else { b"" },
            ..Self::default()
        }
    }

    /// Whether everything was written.
    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.head_length + self.body.len() + self.tail.len()
    }

    /// Writes what the socket accepts without blocking. An error of the kind `WouldBlock` when it accepts nothing.
    pub(super) fn write_to(&mut self, socket: &TcpStream) -> io::Result<()> {
        match self.try_write(socket)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            length => {
                self.sent += length;
                Ok(())
            }
        }
    }

    fn try_write(&self, socket: &TcpStream) -> io::Result<usize> {
        let parts = self.parts();
        let length = parts.iter().map(|part| part.len()).sum();
        if length > COPY_LIMIT {
            return socket.try_write_vectored(&parts);
        }
        // The kernel takes one piece faster than three.
        let (mut whole, mut at) = ([0; COPY_LIMIT], 0);
        for part in &parts {
            whole[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let whole = &whole[..length];
        send(socket, whole)
    }

    /// Copies what was not written yet, as much as `buffer` has room for. Returns its length.
    pub(super) fn copy_to(&self, buffer: &mut [u8]) -> usize {
        let mut length = 0;
        for part in self.parts() {
            let fits = part.len().min(buffer.len() - length);
            buffer[length..length + fits].copy_from_slice(&part[..fits]);
            length += fits;
        }
        length
    }

    /// Counts the next `length` bytes as written.
    pub(super) fn advance(&mut self, length: usize) {
        self.sent += length;
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

/// Writes what the socket accepts without blocking.
pub(super) fn send(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    // Most of the time the socket has room, although tokio may not know it yet. Where it has none, `try_write` tells tokio.
    match SockRef::from(socket).send(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.try_write(bytes),
        result => result,
    }
}

/// The length of a chunk in hexadecimal digits, and the end of its line.
fn head(length: usize) -> ([u8; HEAD_LIMIT], usize) {
    let mut head = [0; HEAD_LIMIT];
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
            let (head, head_length) = head(length);
            let text = std::str::from_utf8(&head[..head_length]).expect("text");
            assert_eq!(text, format!("{length:X}\r\n"));
        }
    }
}
