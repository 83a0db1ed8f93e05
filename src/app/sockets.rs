//! What the kernel may do for a connection, so that no client can hold the server hostage.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

/// Files that the process needs beside its connections.
const OTHER_FILES: u64 = 256;

/// Connections that may wait to be taken. The standard library's listener has 128: when more come at once, as after a
/// restart, the kernel drops their first packets, and they try again only after a second.
const BACKLOG: i32 = 4_096;

/// Listens on `address`; like the standard library's listener, but with room for everybody who comes back at once.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Limits of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct SocketLimits {
    /// What was sent must be acknowledged within this time.
    pub(super) write_timeout: Duration,
    /// Bytes that may wait in the kernel.
    pub(super) send_buffer: usize,
}

impl SocketLimits {
    /// Sets the limits up on a connection that actix has just taken.
    ///
    /// actix has no write deadline: a body whose client doesn't read isn't polled and can't end itself. The kernel has
    /// one: a peer that is gone, or keeps its window shut, is cut.
    pub(super) fn apply(self, stream: &TcpStream) {
        let socket = SockRef::from(stream);
        let results = [
            socket.set_tcp_nodelay(true),
            socket.set_send_buffer_size(self.send_buffer),
            #[cfg(target_os = "linux")]
            socket.set_tcp_user_timeout(Some(self.write_timeout)),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            // The peer may be gone already.
            tracing::debug!(%error, "a limit could not be set on a connection");
        }
    }
}

/// Raises the limit of open files to what `connections` need, or says what to do.
pub(super) fn raise_file_limit(connections: usize) {
    let wanted = connections as u64 + OTHER_FILES;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => tracing::warn!(
            limit,
            wanted,
            "the limit of open files is below stream.max_connections; raise it with `ulimit -n` or LimitNOFILE"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files can't be raised"),
    }
}
