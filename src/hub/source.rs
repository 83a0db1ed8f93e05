use serde::{Serialize, Serializer};
use serde_json::json;

use crate::orders::SourceState;

/// State of the store's watch, and when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The state.
    pub state: SourceState,
    /// When the state began, in milliseconds since the epoch.
    pub since: u64,
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (state, message) = match &self.state {
            SourceState::Live => ("live", ""),
            SourceState::Away { message } => ("away", message.as_str()),
            SourceState::Failed { message } => ("failed", message.as_str()),
        };
        json!({"state": state, "since": self.since, "message": message}).serialize(serializer)
    }
}
