//! Listening sockets that the process was started with (systemd's socket activation).

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// Names of the sockets, separated by colons; set by the program that passes them (systemd).
const NAMES: &str = "LISTEN_FDNAMES";

/// A listening socket, and the name that it was passed with; empty if it has none.
#[derive(Debug)]
pub struct InheritedSocket {
    /// `FileDescriptorName=` in systemd's socket unit, whose default is the unit's name.
    pub name: String,
    /// The socket.
    pub listener: TcpListener,
}

/// Takes the sockets of the variables `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`. A second call finds none.
///
/// They are open before the process starts and stay open after it: while it restarts, clients wait and aren't refused.
pub fn inherited_sockets() -> io::Result<Vec<InheritedSocket>> {
    let names = std::env::var(NAMES).unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        let name = names.next().unwrap_or_default().to_owned();
        let listener = passed.take_tcp_listener(index).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the socket {name:?} that was passed by systemd can't be used: {error}"),
            )
        })?;
        sockets.extend(listener.map(|listener| InheritedSocket { name, listener }));
    }
    Ok(sockets)
}
