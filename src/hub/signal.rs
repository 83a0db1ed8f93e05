use std::sync::Arc;

use super::batch::Batch;
use super::frame::Frame;

/// What the hub broadcasts to the relays.
#[derive(Clone)]
pub(super) enum Signal {
    /// A snapshot was applied.
    Batch(Arc<Batch>),
    /// The first snapshot was applied: positions mean something from now on.
    Started,
    /// An incomplete snapshot was applied: every reader must check its position against the view.
    Gap,
    /// An event without a position, for all current subscribers.
    Notice(Arc<Frame>),
    /// Credentials changed: every open stream has to be checked.
    Check,
}
