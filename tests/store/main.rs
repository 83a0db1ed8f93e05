//! The stores, through their port.
//!
//! `contract` runs on every store. `firestore` also has what only a shared database has: other writers, outages, lost answers.
//! Most of its tests need Google's emulator; `cargo test --test store embedded::` runs without one.

mod contract;
mod drafts;
mod embedded;
mod firestore;
mod watcher;
