use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// CPU time and memory of a server's processes, seen from outside.
pub(crate) struct Meter(Vec<Pid>);

impl Meter {
    /// The process with this id, and its children.
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let parent = i32::try_from(process).context("the id of a process")?;
        let mut processes = vec![parent];
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A process may have ended since it was listed.
            if status(id, "PPid:")
                .is_ok_and(|its_parent| its_parent == u64::from(parent.unsigned_abs()))
            {
                processes.push(id);
            }
        }
        Ok(Self(processes.into_iter().map(Pid::from_raw).collect()))
    }

    /// CPU time used so far, user and system, of all threads.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        self.0
            .iter()
            .map(|process| {
                let time = clock_gettime(clock_getcpuclockid(*process)?)?;
                Ok(Duration::from(time))
            })
            .sum()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        self.0
            .iter()
            .map(|process| status(process.as_raw(), "VmRSS:"))
            .sum()
    }
}

fn status(process: i32, key: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.split_whitespace().next())
        .with_context(|| format!("process {process} has no {key}"))?
        .parse()
        .context("a number")
}
