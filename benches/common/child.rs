use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child as Process, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::ValueEnum as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::options::Role;

/// Longer than anything that a child is asked to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A child process that is told what to do, and answers, in lines of JSON. It ends with this value.
pub(crate) struct Child {
    process: Process,
    input: Option<ChildStdin>,
    output: Receiver<String>,
}

impl Child {
    /// Starts this executable in another part.
    pub(crate) fn play(role: Role, environment: &[(String, String)]) -> anyhow::Result<Self> {
        Self::play_logging(role, environment, Stdio::inherit())
    }

    /// The same, with its standard error sent elsewhere.
    pub(crate) fn play_logging(
        role: Role,
        environment: &[(String, String)],
        log: Stdio,
    ) -> anyhow::Result<Self> {
        Self::play_under(
            Command::new(std::env::current_exe()?),
            role,
            environment,
            log,
        )
    }

    /// The same; `command` ends with this executable.
    pub(crate) fn play_under(
        mut command: Command,
        role: Role,
        environment: &[(String, String)],
        log: Stdio,
    ) -> anyhow::Result<Self> {
        let name = role.to_possible_value().context("every role has a name")?;
        command
            .args(["--role", name.get_name()])
            .envs(environment.iter().cloned())
            .stderr(log);
        Self::start(&mut command)
    }

    /// Starts a program whose output is read line by line.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start {}", command.get_program().display()))?;
        let input = process.stdin.take();
        let lines = BufReader::new(process.stdout.take().context("output is piped")?).lines();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody may want to know any more.
                let _ = sender.send(line);
            }
        });
        Ok(Self {
            process,
            input,
            output,
        })
    }

    /// Ends the child's input, and waits until the child has ended by itself.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        drop(self.input.take());
        while self.line().is_ok() {}
        let status = self.process.wait()?;
        ensure!(status.success(), "a child process ended with {status}");
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn tell(&mut self, order: &impl Serialize) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("input is piped")?;
        writeln!(input, "{}", serde_json::to_string(order)?)?;
        Ok(())
    }

    /// The next line that the child writes.
    pub(crate) fn line(&self) -> anyhow::Result<String> {
        self.output
            .recv_timeout(PATIENCE)
            .context("a child process gives no answer")
    }

    pub(crate) fn answer<A: DeserializeOwned>(&self) -> anyhow::Result<A> {
        let line = self.line()?;
        serde_json::from_str(&line).with_context(|| format!("a child process answers {line:?}"))
    }

    pub(crate) fn ask<A: DeserializeOwned>(&mut self, order: &impl Serialize) -> anyhow::Result<A> {
        self.tell(order)?;
        self.answer()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Children that play a part end with their input; the others are killed. Those that have ended are reaped.
        drop(self.input.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
