//! Hostile clients against the real program under a limit of memory: its figures are read from `/proc`.
//!
//! Runs the program that `ORDERBELL_BIN` names, or the one of this build.

#![expect(
    clippy::disallowed_methods,
    reason = "each client is a thread that blocks, and the server is another process with a clock of its own"
)]

mod connections;
mod orders;
mod server;
mod siege;
mod sign_in;
