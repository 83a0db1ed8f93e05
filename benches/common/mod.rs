//! What the benchmarks share: servers to measure, clients that load them, and the meters.
//!
//! One executable plays every part. The benchmark itself starts child processes of its own executable with `--role`:
//! the server under test, the readers, the load. So the server's CPU time and memory are its process's own, and every
//! server meets the same clients.

// Each benchmark is a crate of its own and uses a part of this.
#![allow(dead_code, reason = "each benchmark uses a part of what all share")]
#![expect(
    clippy::disallowed_methods,
    reason = "real time is what is measured, on threads that do nothing else"
)]

pub(crate) mod child;
pub(crate) mod event;
pub(crate) mod floor;
pub(crate) mod histogram;
pub(crate) mod http;
pub(crate) mod hub;
pub(crate) mod load;
pub(crate) mod meter;
pub(crate) mod nchan;
pub(crate) mod options;
pub(crate) mod program;
pub(crate) mod readers;
pub(crate) mod server;
pub(crate) mod table;
pub(crate) mod tls;

use std::process::ExitCode;

use clap::Parser as _;
use options::{Options, Role};

/// Runs the part that the command line asks for; without one, `benchmark`.
pub(crate) fn main(benchmark: impl FnOnce(&Options) -> anyhow::Result<()>) -> ExitCode {
    let options = Options::parse();
    let result = match options.role {
        None => benchmark(&options),
        Some(Role::Readers) => readers::play(),
        Some(Role::Load) => load::play(),
        Some(Role::Hub) => hub::play(),
        Some(Role::Floor) => floor::play(),
        Some(Role::CoalescingFloor) => floor::play_coalescing(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
