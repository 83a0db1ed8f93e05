//! orderbell: a live order desk for small shops.
//!
//! One road leads through this crate. Orders enter a [`store`] (the [`embedded`] one, or Cloud Firestore), come out of
//! its watch as consistent snapshots, and are applied to the [`hub`], from which every stream, poll and page is served.
//! A submit never touches the hub: what is shown has come down the road.
//!
//! * [`orders`]: what an order is. Knows no HTTP and no store.
//! * [`store`]: the port that stores implement; [`embedded`]: the port on SQLite; [`firestore`]: on Cloud Firestore.
//! * [`hub`]: the window of orders in memory, cursors, frames, subscribers.
//! * [`auth`]: admins, sessions, tokens, throttling.
//! * [`routes`]: the addresses. [`app`]: puts everything together. [`cli`]: the commands.
//! * [`http`]: clients' connections: their limits, and how a stream gets a socket for itself.
//! * [`limits`]: rate limits by address.
//! * [`settings`], [`telemetry`], [`clock`], [`zone`]: what all of them need.

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod embedded;
pub mod firestore;
pub mod http;
pub mod hub;
pub mod limits;
pub mod orders;
pub mod routes;
pub mod settings;
pub mod store;
mod sync;
pub mod telemetry;
pub mod zone;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

// Tests that are shared with those in `tests/` name the crate as those do.
#[cfg(test)]
extern crate self as orderbell;
