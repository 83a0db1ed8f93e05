//! The program as a process: starting and ending it, its commands, and a disk that can be full.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::app::{TOKEN, client, environment, json_of};
use crate::sse::Stream;

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) base: String,
    /// The lines before the one with the address.
    pub(crate) greeting: String,
}

pub(crate) fn command(store: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command
        .args(arguments)
        .env_clear()
        .envs(environment(store))
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Server {
    pub(crate) async fn start(store: &Path, settings: &[(&str, &str)]) -> Self {
        Self::run(command(store, settings, &[])).await
    }

    /// A server and its log.
    pub(crate) async fn start_logged(
        store: &Path,
        settings: &[(&str, &str)],
    ) -> (Self, ChildStderr) {
        let mut server = Self::with_errors(command(store, settings, &[]), Stdio::piped()).await;
        let log = server.child.stderr.take().expect("its log");
        (server, log)
    }

    pub(crate) async fn run(command: Command) -> Self {
        Self::with_errors(command, Stdio::inherit()).await
    }

    async fn with_errors(mut command: Command, errors: Stdio) -> Self {
        let mut child = command.stderr(errors).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut greeting = String::new();
        let base = loop {
            let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line())
                .await
                .expect("in time");
            let line = line
                .expect("text")
                .expect("a line that says where it listens");
            if let Some(base) = line.strip_prefix("listening on ") {
                break base.to_owned();
            }
            greeting.push_str(&line);
            greeting.push('\n');
        };
        Self {
            child,
            base,
            greeting,
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill")
            .args([&format!("-{signal}"), &id])
            .status()
            .expect("kill");
        assert!(sent.success());
    }

    /// Memory that the program holds right now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that the program has held so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> u64 {
        let process = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a file");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let value = line.and_then(|line| line.split_whitespace().next());
        value
            .and_then(|value| value.parse().ok())
            .expect("a number")
    }

    /// Kills the program, and waits until it has released its store.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("an end");
    }

    pub(crate) async fn stream(&self, last_id: Option<&str>) -> Option<Stream> {
        let mut request = client()
            .get(format!("{}/api/admin/stream/orders", self.base))
            .bearer_auth(TOKEN);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        Some(Stream::connected(request).await.1)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        json_of(
            client()
                .get(format!("{}{path}", self.base))
                .bearer_auth(TOKEN)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }
}

/// A port that is free now, for a server that is to come back on the same one.
pub(crate) fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string()
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Runs a command of the program. Returns whether it succeeded, and its output.
pub(crate) async fn tell(store: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = command(store, &[], arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("its input");
    // A command that reads nothing may have ended already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("an end");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).trim().to_owned(),
    )
}

/// A file system of 2 MiB in memory. Making one takes root, which is what CI runs as.
pub(crate) struct SmallDisk {
    pub(crate) path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    pub(crate) fn mount() -> Self {
        let folder = folder();
        let path = folder.path().join("disk");
        std::fs::create_dir(&path).expect("a folder");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(&path)
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "this test mounts a small file system, which takes root"
        );
        Self {
            path,
            _folder: folder,
        }
    }

    /// Writes a file that takes all the room there is.
    pub(crate) fn fill(&self) -> std::path::PathBuf {
        use std::io::Write as _;
        let path = self.path.join("filler");
        let mut file = std::fs::File::create(&path).expect("a file");
        while file.write_all(&[0; 1_024]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still be on its way out.
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.path)
            .status();
    }
}
