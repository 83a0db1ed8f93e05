//! orderbell: a live order desk for small shops.
//!
//! All data flows one way. Orders enter a [`store`] (the [`embedded`] one, or Cloud Firestore), leave its watch as consistent
//! snapshots, and are applied to the [`hub`], which serves every stream, poll and page. A submit never writes to the hub: only
//! orders that the watch has delivered are shown.
//!
//! * [`orders`]: orders and their parsing. Independent of HTTP and of stores.
//! * [`store`]: the port that stores implement; [`embedded`]: on SQLite; [`firestore`]: on Cloud Firestore.
//! * [`hub`]: the window of orders in memory, cursors, frames, subscribers.
//! * [`auth`]: admins, sessions, tokens, throttling.
//! * [`certificates`]: certificates by ACME, and redirects from plain HTTP.
//! * [`routes`]: the HTTP routes. [`app`]: assembles the service. [`cli`]: the commands.
//! * [`http`]: client connections: their limits, and the sockets of streams.
//! * [`limits`]: rate limits by address.
//! * [`languages`]: the texts of pages. [`settings`], [`telemetry`], [`clock`], [`zone`]: used by all of them.

pub mod app;
pub mod auth;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod embedded;
pub mod firestore;
pub mod http;
pub mod hub;
pub mod languages;
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
