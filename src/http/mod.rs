//! Connections of clients: what they may cost, and how a stream gets one for itself.
//!
//! actix parses requests and writes answers; this room stands between it and the sockets. [`Connection`] hands over one
//! request at a time, ends connections that are too slow, and lets a stream take the socket. [`Admission`] limits how many
//! connections there are, in all and for each address. Knows no order and no store.

mod admission;
mod connection;
mod exchange;
pub mod sockets;

pub use admission::{Admission, AdmissionLimits, Place};
pub use connection::{Connection, ConnectionHandle, TrackedBody, track_exchange};
pub use exchange::Deadlines;
