use std::time::Duration;

use crate::orders::WindowLimits;

/// Settings of the hub and its streams.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Limits of the view.
    pub window: WindowLimits,
    /// Time without an event after which a heartbeat is sent.
    pub heartbeat: Duration,
    /// Reconnection time sent to clients as `retry`.
    pub retry: Duration,
    /// Maximum age of a stream; it ends with `bye` at a random time in the last fifth.
    pub max_age: Duration,
}
