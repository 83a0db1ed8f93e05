//! Locks and atomics of shared state: the standard library's, or shuttle's in the model tests.
//!
//! Shuttle runs a test many times under its own scheduler, which may switch threads at every lock and atomic. Its types work
//! only inside such a test, so only these run with the feature: `cargo test --features shuttle --lib model_`.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};
