//! The hub: the window of orders in memory, and its readers.
//!
//! A [store's watch](crate::store::OrderStore::watch) is applied here, snapshot by snapshot. The *view* holds the newest
//! state of every order in the window by position; it is the replay log, the polling cache and the source of every page
//! at once. A batch of frames, encoded once, goes from each snapshot to the *relays*, one for each worker thread, and
//! from there to that thread's *subscribers*.

mod batch;
mod batch_timer;
mod body_encoder;
mod filter;
mod frame;
mod gauges;
mod gzip;
#[expect(
    clippy::module_inception,
    reason = "the type that the module is named after"
)]
mod hub;
mod item;
mod keep_alive;
mod list;
mod metrics;
mod options;
mod polls;
mod relay;
mod replay;
mod resume;
mod settings;
mod signal;
mod slots;
mod source;
mod subscriber;
#[cfg(test)]
mod tests;
mod view;

pub use filter::Filter;
pub use hub::Hub;
pub use item::Item;
pub use metrics::HubMetrics;
pub use options::{Options, Start};
pub use polls::{Recent, Stats};
pub use relay::{Listener, Relay};
pub use settings::HubSettings;
pub use source::Source;
pub use subscriber::Subscriber;
pub use view::Holding;
