//! orderbell as it is installed: the release binary on a store in a temporary folder.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::child::Child;
use super::load::{Job, Load, Loaded, What};
use super::meter::Meter;
use super::options::Role;
use super::server::{Publishing, Server, request};

pub(crate) const TOKEN: &str = "a token for benchmarks only";
pub(crate) const PASSWORD: &str = "only for benchmarks";
/// Parallel customers that place the orders of a burst.
const CUSTOMERS: usize = 32;

/// A store's folder, gone afterwards. It stands beside the executable, where a disk is; `/tmp` may be memory.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let executable = std::env::current_exe()?;
        let beside = executable.parent().context("the executable has a folder")?;
        Ok(Self(tempfile::tempdir_in(beside)?))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Settings of the server: the defaults, but all readers share one token, and nobody laps the window.
pub(crate) fn environment(folder: &Folder) -> Vec<(String, String)> {
    let store = folder.path().join("orders.db");
    let settings = [
        ("SERVER__PORT", "0"),
        ("EMBEDDED__PATH", &store.to_string_lossy()),
        ("STORE__WINDOW", "2000"),
        ("STREAM__MAX_PER_ADMIN", "20000"),
        ("STREAM__MAX_CONNECTIONS", "20000"),
        ("AUTH__ADMIN_EMAIL", "bench@shop.example"),
        ("AUTH__ADMIN_PASSWORD", PASSWORD),
        ("AUTH__ADMIN_TOKEN", TOKEN),
    ];
    settings
        .into_iter()
        .map(|(name, value)| (format!("ORDERBELL_{name}"), value.to_owned()))
        .collect()
}

/// The running program, and its customers.
pub(crate) struct Program {
    child: Child,
    address: SocketAddr,
    load: Load,
}

impl Program {
    pub(crate) fn start(folder: &Folder) -> anyhow::Result<Self> {
        let log = File::create(folder.path().join("server.log"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
        command.envs(environment(folder)).stderr(log);
        let child = Child::start(&mut command)?;
        let address = loop {
            let line = child.line()?;
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.parse()?;
            }
        };
        Ok(Self {
            child,
            address,
            load: Load::start()?,
        })
    }

    /// Stops it the polite way and waits until it has gone.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).context("the id of a process")?;
        kill(Pid::from_raw(id), Signal::SIGTERM)?;
        // Its output ends when it has ended.
        while self.child.line().is_ok() {}
        Ok(())
    }

    /// Places orders, and tells how it went.
    pub(crate) fn submit(&mut self, customers: usize, work: Publishing) -> anyhow::Result<Loaded> {
        self.load.run(&Job {
            address: self.address,
            clients: customers,
            count: work.count as usize,
            every_micros: work.every_micros,
            what: What::Submit,
        })
    }
}

impl Server for Program {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn stream_request(&self, headers: &str) -> String {
        request("/api/admin/stream/orders", Some(TOKEN), headers)
    }

    fn meter(&self) -> anyhow::Result<Meter> {
        Meter::of(self.child.id())
    }

    fn publish(&mut self, work: Publishing) -> anyhow::Result<()> {
        let customers = if work.every_micros > 0 { 1 } else { CUSTOMERS };
        self.submit(customers, work).map(drop)
    }
}

impl Load {
    pub(crate) fn start() -> anyhow::Result<Self> {
        Ok(Self(Child::play(Role::Load, &[])?))
    }

    pub(crate) fn run(&mut self, job: &Job) -> anyhow::Result<Loaded> {
        self.0.ask(job)
    }
}
