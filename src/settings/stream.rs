//! `stream.*`: the streams of events.

use std::time::Duration;

use serde::Deserialize;

use super::fields::{Fields, SettingsError};

/// `stream.*`
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// Time without an event after which a heartbeat is sent.
    pub heartbeat: Duration,
    /// How long clients wait before they reconnect.
    pub retry: Duration,
    /// Whether streams are sent as gzip to clients that accept it.
    pub gzip: bool,
    /// Maximum number of open streams.
    pub max_connections: usize,
    /// Maximum number of open streams per admin or token.
    pub max_per_admin: usize,
    /// Maximum number of open streams per address.
    pub max_per_address: usize,
    /// Age at which a stream ends, and its client is asked to reconnect.
    pub max_age: Duration,
    /// Time without progress after which a reader is cut off.
    pub write_timeout: Duration,
    /// Size of the kernel's send buffer per reader, in bytes.
    pub send_buffer: usize,
}

/// `stream.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawStream {
    heartbeat_seconds: u64,
    retry_ms: u64,
    gzip: bool,
    max_connections: u64,
    max_per_admin: u64,
    max_per_address: u64,
    max_age_minutes: u64,
    write_timeout_seconds: u64,
    send_buffer_kib: u64,
}

impl RawStream {
    pub(super) fn check(&self, fields: &Fields) -> Result<StreamSettings, SettingsError> {
        Ok(StreamSettings {
            heartbeat: fields.seconds(
                "stream.heartbeat_seconds",
                self.heartbeat_seconds,
                1..=300,
            )?,
            retry: Duration::from_millis(fields.range(
                "stream.retry_ms",
                self.retry_ms,
                1_000..=60_000,
            )?),
            gzip: self.gzip,
            max_connections: fields.range(
                "stream.max_connections",
                self.max_connections,
                1..=1_000_000,
            )?,
            max_per_admin: fields.range(
                "stream.max_per_admin",
                self.max_per_admin,
                1..=1_000_000,
            )?,
            max_per_address: fields.range(
                "stream.max_per_address",
                self.max_per_address,
                1..=1_000_000,
            )?,
            max_age: fields.seconds("stream.max_age_minutes", self.max_age_minutes, 1..=1_440)?
                * 60,
            write_timeout: fields.seconds(
                "stream.write_timeout_seconds",
                self.write_timeout_seconds,
                5..=60,
            )?,
            send_buffer: fields.range::<usize>(
                "stream.send_buffer_kib",
                self.send_buffer_kib,
                8..=1_024,
            )? << 10,
        })
    }
}
