//! The Firestore store against Google's emulator.
//!
//! The emulator is found by `FIRESTORE_EMULATOR_HOST`; `tests/emulator.sh` starts one. Each test has a project of its own.

mod accounts;
mod contract;
mod deadline;
mod faults;
mod keys;
mod lists;
mod others;
mod outside;
mod proxy;
mod server;
mod sessions;
mod wire;

use std::sync::atomic::{AtomicU32, Ordering};

use orderbell::clock::Clock;
use orderbell::firestore::{Access, FirestoreSettings};

/// Where the emulator is; the test fails without one.
fn emulator() -> String {
    std::env::var("FIRESTORE_EMULATOR_HOST").expect(
        "these tests need Google's Firestore emulator: `source tests/emulator.sh && emulator_start`, \
         or set FIRESTORE_EMULATOR_HOST to the host and port of a running one",
    )
}

/// A project of its own for each test, also on an emulator that has run for long.
fn fresh_project() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(
        "t-{}-{}-{count}",
        std::process::id(),
        Clock::system().millis()
    )
}

fn settings() -> FirestoreSettings {
    FirestoreSettings::new(fresh_project(), Access::Emulator(emulator()))
}
