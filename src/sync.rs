//! Locks and atomics of what threads share: the standard library's, or shuttle's in the model tests.
//!
//! Shuttle runs a test many times under a scheduler of its own, which may switch threads at every lock and atomic. Its
//! types work inside of such a test only, so that nothing else runs with the feature:
//! `cargo test --features shuttle --lib model_`.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};
