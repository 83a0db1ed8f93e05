//! `log.*`: what is logged, and how.

use serde::Deserialize;
use tracing_subscriber::filter::Targets;

use super::fields::{Fields, SettingsError};

/// `log.*`
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Whether to write JSON lines instead of text for people.
    pub json: bool,
    /// A level, or filter directives.
    pub level: String,
}

/// `log.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawLog {
    format: String,
    level: String,
}

impl RawLog {
    pub(super) fn check(self, fields: &Fields) -> Result<LogSettings, SettingsError> {
        let json = match self.format.as_str() {
            "pretty" => false,
            "json" => true,
            other => {
                return Err(fields.bad(
                    "log.format",
                    format_args!("must be \"pretty\" or \"json\", not {other:?}"),
                ));
            }
        };
        if let Err(error) = self.level.parse::<Targets>() {
            return Err(fields.bad(
                "log.level",
                format_args!(
                    "must be a level such as \"info\" or a filter such as \"info,h2=off\": {error}"
                ),
            ));
        }
        Ok(LogSettings {
            json,
            level: self.level,
        })
    }
}
