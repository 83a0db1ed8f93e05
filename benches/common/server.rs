use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::child::Child;
use super::meter::Meter;
use super::options::Role;

/// Events to publish: `count` of them, one `every` so many microseconds, or all at once where that is 0.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Publishing {
    pub(crate) count: u32,
    pub(crate) every_micros: u64,
}

impl Publishing {
    pub(crate) fn burst(count: u32) -> Self {
        Self {
            count,
            every_micros: 0,
        }
    }

    /// Waits until the event with this index, counted from 0, is due: on a schedule, so that slow servers get the same load.
    pub(crate) fn wait(self, started: Instant, index: u32) {
        let due = Duration::from_micros(self.every_micros) * (index + 1);
        thread::sleep(due.saturating_sub(started.elapsed()));
    }

    pub(crate) fn steady(count: u32, every: Duration) -> Self {
        Self {
            count,
            every_micros: u64::try_from(every.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// A server whose readers are measured. It runs for as long as this value lives.
pub(crate) trait Server {
    fn address(&self) -> SocketAddr;

    /// The head of a request for the stream, without `header` lines of the caller.
    fn stream_request(&self, headers: &str) -> String;

    /// Meters of the processes that serve.
    fn meter(&self) -> anyhow::Result<Meter>;

    /// Publishes, and comes back when everything was handed to the server.
    fn publish(&mut self, publishing: Publishing) -> anyhow::Result<()>;
}

/// A server that is this executable in another part: tells its address first, then takes [`Publishing`]s.
pub(crate) struct PlayedServer {
    child: Child,
    address: SocketAddr,
    token: Option<&'static str>,
}

impl PlayedServer {
    /// A server without tokens and logs.
    pub(crate) fn plain(role: Role, environment: &[(String, String)]) -> anyhow::Result<Self> {
        Self::start(role, environment, None, Stdio::inherit())
    }

    pub(crate) fn start(
        role: Role,
        environment: &[(String, String)],
        token: Option<&'static str>,
        log: Stdio,
    ) -> anyhow::Result<Self> {
        Self::of(Child::play_logging(role, environment, log)?, token)
    }

    /// The server that `child` is.
    pub(crate) fn of(child: Child, token: Option<&'static str>) -> anyhow::Result<Self> {
        Ok(Self {
            address: child.answer()?,
            child,
            token,
        })
    }

    /// Stops the server, and waits until it has ended.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.child.finish()
    }
}

impl Server for PlayedServer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn stream_request(&self, headers: &str) -> String {
        request("/api/admin/stream/orders", self.token, headers)
    }

    fn meter(&self) -> anyhow::Result<Meter> {
        Meter::of(self.child.id())
    }

    fn publish(&mut self, publishing: Publishing) -> anyhow::Result<()> {
        self.child.ask(&publishing)
    }
}

/// The head of a GET.
pub(crate) fn request(path: &str, token: Option<&str>, headers: &str) -> String {
    let authorization = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{authorization}{headers}\r\n"
    )
}
