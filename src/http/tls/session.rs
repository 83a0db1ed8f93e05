//! The state of a TLS connection, without its socket.

use std::io;
use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{HandshakeKind, ServerConfig};

/// Maximum length of a record's content.
pub(super) const MAX_PLAINTEXT: usize = 16 << 10;
/// Maximum length of a record with its head, as TLS 1.2 allows it.
pub(super) const MAX_RECORD: usize = 5 + MAX_PLAINTEXT + 2_048;

/// A TLS connection's keys and state. Owns no buffer but the beginning of a record that has not come whole.
pub(super) struct Session {
    connection: UnbufferedServerConnection,
    /// Received and not decrypted yet.
    unfinished: Vec<u8>,
    is_closed: bool,
}

type State<'c, 'i> = ConnectionState<'c, 'i, ServerConnectionData>;

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config).map_err(io::Error::other)?,
            unfinished: Vec::new(),
            is_closed: false,
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// How the handshake has gone, for the metric.
    pub(super) fn outcome(&self) -> &'static str {
        match self.connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => "resumed",
            _ => "done",
        }
    }

    /// The protocol that client and server have agreed on.
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Whether the client has said that it sends nothing more.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What [`receive`](Self::receive) needs in front of the next bytes.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.unfinished
    }

    /// Decrypts `received`, which begins with [`unfinished`](Self::unfinished). Puts the content into `plain`, and what has to be
    /// sent (handshake, alerts) behind `unsent`, also when it fails.
    pub(super) fn receive(
        &mut self,
        received: &mut [u8],
        plain: &mut BytesMut,
        unsent: &mut BytesMut,
    ) -> io::Result<()> {
        let mut used = 0;
        let result = loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut received[used..]);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let Ok(record) = record else { break };
                        used += record.discard;
                        plain.put_slice(record.payload);
                    }
                }
                Ok(ConnectionState::PeerClosed) => self.is_closed = true,
                Ok(ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake) => {
                    break Ok(());
                }
                Ok(ConnectionState::Closed) => break Ok(()),
                Ok(state) => {
                    if let Err(error) = put_handshake(state, unsent) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        };
        self.unfinished = match &result {
            Ok(()) => received[used..].to_vec(),
            Err(_) => Vec::new(),
        };
        if result.is_err() {
            self.put_alert(unsent);
        }
        result
    }

    /// After an error, rustls has the alert ready that tells the client. It must not see the records again.
    fn put_alert(&mut self, unsent: &mut BytesMut) {
        while self.connection.wants_write() {
            let state = self.connection.process_tls_records(&mut []).state;
            if !state.is_ok_and(|state| put_handshake(state, unsent).is_ok()) {
                return;
            }
        }
    }

    /// Encrypts `bytes` into `records`, behind what TLS itself has to send (a key update). Returns the length of all.
    pub(super) fn encrypt(&mut self, bytes: &[u8], records: &mut [u8]) -> io::Result<usize> {
        self.write(Some(bytes), records)
    }

    /// Puts the alert into `records` that tells the client that nothing follows. Returns its length.
    pub(super) fn close(&mut self, records: &mut [u8]) -> io::Result<usize> {
        self.write(None, records)
    }

    fn write(&mut self, bytes: Option<&[u8]>, records: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        loop {
            // rustls remembers places in the unfinished bytes, so it has to see them again.
            let UnbufferedStatus { state, .. } =
                self.connection.process_tls_records(&mut self.unfinished);
            match state.map_err(io::Error::other)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let room = &mut records[length..];
                    let put = match bytes {
                        Some(bytes) => traffic.encrypt(bytes, room),
                        None => traffic.queue_close_notify(room),
                    };
                    return Ok(length + put.map_err(io::Error::other)?);
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let put = data.encode(&mut records[length..]);
                    length += put.map_err(io::Error::other)?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.is_closed = true,
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }
}

/// Puts what TLS itself has to send behind `unsent`.
fn put_handshake(state: State<'_, '_>, unsent: &mut BytesMut) -> io::Result<()> {
    match state {
        ConnectionState::EncodeTlsData(mut data) => {
            let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else {
                return Ok(());
            };
            let start = unsent.len();
            unsent.resize(start + size.required_size, 0);
            data.encode(&mut unsent[start..])
                .map_err(io::Error::other)?;
        }
        ConnectionState::TransmitTlsData(data) => data.done(),
        // Early data is not allowed, and rustls has no other state.
        _ => return Err(io::ErrorKind::InvalidData.into()),
    }
    Ok(())
}
