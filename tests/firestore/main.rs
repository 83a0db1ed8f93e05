//! The Firestore store against Google's emulator.
//!
//! The emulator is found by `FIRESTORE_EMULATOR_HOST`; `tests/emulator.sh` starts one. Each test has a project of its own.

mod accounts;
mod deadline;
mod faults;
mod keys;
mod lists;
mod others;
mod outside;
mod proxy;
#[path = "../../src/store/secret_contract.rs"]
mod secrets;
mod server;
mod sessions;
#[path = "../../src/store/story.rs"]
mod story;
mod wire;

use std::sync::atomic::{AtomicU32, Ordering};

use orderbell::clock::Clock;
use orderbell::firestore::{Access, FirestoreSettings, FirestoreStore};

/// Where the emulator is; the test fails without one.
fn emulator() -> String {
    std::env::var("FIRESTORE_EMULATOR_HOST").expect(
        "these tests need Google's Firestore emulator: `source tests/emulator.sh && emulator_start`, \
         or set FIRESTORE_EMULATOR_HOST to the host and port of a running one",
    )
}

/// A project that nobody has used before, also on an emulator that has been running for long.
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

mod tells {
    use super::*;

    async fn open() -> (FirestoreStore, ()) {
        (FirestoreStore::start(settings(), Clock::system()), ())
    }

    story::tell!(open);
    secrets::secret_contract!(open);
}
