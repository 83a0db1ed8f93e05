//! What the kernel may do for a connection, so that no client can hold the server hostage.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

/// File descriptors reserved for other uses than connections.
const OTHER_FILES: u64 = 256;

/// File descriptors reserved for connections that actix has accepted and not yet admitted, at most a quarter of all: when
/// descriptors run out, actix stops accepting for half a second.
const ACCEPT_MARGIN: u64 = BACKLOG as u64;

/// Length of the queue of connections to accept. With the standard library's 128, the kernel drops the first packets of further
/// ones, as after a restart, and they try again only after a second.
const BACKLOG: i32 = 4_096;

/// Listens on `address`, with a queue that is long enough for all clients to reconnect at once.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `::` takes IPv4 as well, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Limits of one connection.
#[derive(Debug, Clone, Copy)]
pub struct SocketLimits {
    /// Maximum time until sent bytes are acknowledged.
    pub write_timeout: Duration,
    /// Size of the kernel's send buffer, in bytes.
    pub send_buffer: usize,
}

impl SocketLimits {
    /// Applies the limits to an accepted connection.
    ///
    /// actix has no write deadline: the body of a client that doesn't read is not polled and can't end itself. The kernel's
    /// `TCP_USER_TIMEOUT` ends connections whose peer is gone or keeps its window closed.
    pub fn apply(self, stream: &TcpStream) {
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

/// Raises the limit of open files to what `connections` need, or logs what to do. Returns how many connections there may be.
pub fn raise_file_limit(connections: usize) -> usize {
    let needed = connections as u64 + OTHER_FILES;
    let wanted = needed + ACCEPT_MARGIN;
    let limit = rlimit::increase_nofile_limit(wanted).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files can't be raised");
        rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1_024, |(soft, _)| soft)
    });
    if limit < needed {
        tracing::warn!(
            limit,
            wanted,
            "the limit of open files is below stream.max_connections; raise it with `ulimit -n` or LimitNOFILE"
        );
    }
    let margin = ACCEPT_MARGIN.min(limit / 4);
    let possible = limit.saturating_sub(OTHER_FILES + margin).max(OTHER_FILES);
    usize::try_from(possible).map_or(connections, |possible| possible.min(connections))
}
