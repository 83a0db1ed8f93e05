//! Connections of clients: what they may cost, and how a stream gets one for itself.
//!
//! actix parses requests and writes answers; this room stands between it and the sockets, and is the only one that names
//! actix's inner crates. [`serve`] runs an actix application on a listener. [`Connection`] hands over one request at a time,
//! ends connections that are too slow, and can detach its socket. [`StreamConnection`] writes a stream to a detached socket.
//! [`Admission`] limits how many connections there are, in all and for each address. [`Tls`] makes handshakes with what
//! [`Certificates`] holds; behind them, everything works as over plain TCP. Knows no order and no store.

mod admission;
mod certificates;
mod chunked;
mod connection;
mod exchange;
mod inherited;
mod server;
mod sockets;
mod stream;
mod tls;
mod transport;

pub use admission::{Admission, AdmissionLimits, Place};
pub use certificates::{CertificateError, CertificateFacts, Certificates, CertifiedPair};
pub use connection::{Connection, ConnectionHandle};
pub use exchange::Deadlines;
pub use inherited::{InheritedSocket, inherited_sockets};
pub use server::{HttpServer, ServerSettings, serve};
pub use sockets::{SocketLimits, listen, raise_file_limit};
pub use stream::{DetachedSocket, Running, StreamConnection, StreamSource, detached};
pub use tls::{HandshakeLimits, Tls};
