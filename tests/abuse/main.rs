//! Hostile clients against the real program under a limit of memory: its figures are read from `/proc`.
//!
//! Runs the program that `ORDERBELL_BIN` names, or the one of this build.

mod connections;
mod orders;
mod server;
mod siege;
mod sign_in;
