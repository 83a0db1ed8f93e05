//! The program under a limit of memory, and what it uses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const EMAIL: &str = "ana@shop.example";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const TOKEN: &str = "a token for tests only, of 38 letters";
/// Most memory for data, in KiB: beyond it an allocation fails and the program aborts.
const DATA_LIMIT_KIB: u64 = 512 << 10;
pub(crate) const MIB: u64 = 1 << 20;

/// A running program; ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    files: u64,
    settings: Vec<(String, String)>,
}

/// What the program uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// The most that was ever resident, in bytes.
    pub(crate) peak: u64,
    /// Processor time.
    pub(crate) cpu: Duration,
    pub(crate) descriptors: usize,
}

impl Server {
    /// Starts the program on a store of its own, with settings such as `("SERVER__PORT", "8080")`.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with_files(16_384, settings)
    }

    /// The same with so many descriptors at most.
    pub(crate) fn start_with_files(files: u64, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::run(folder, files, settings)
    }

    fn run(folder: tempfile::TempDir, files: u64, settings: Vec<(String, String)>) -> Self {
        let program = std::env::var_os("ORDERBELL_BIN")
            .map_or_else(|| env!("CARGO_BIN_EXE_orderbell").into(), PathBuf::from);
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!(
                "ulimit -d {DATA_LIMIT_KIB}; ulimit -n {files}; exec \"$0\""
            ))
            .arg(program)
            .env_clear()
            .env("ORDERBELL_SERVER__PORT", "0")
            .env("ORDERBELL_SERVER__WORKERS", "2")
            .env("ORDERBELL_EMBEDDED__PATH", folder.path().join("orders.db"))
            .env("ORDERBELL_AUTH__ADMIN_EMAIL", EMAIL)
            .env("ORDERBELL_AUTH__ADMIN_PASSWORD", PASSWORD)
            .env("ORDERBELL_AUTH__ADMIN_TOKEN", TOKEN)
            .env("ORDERBELL_LOG__LEVEL", "error")
            .envs(
                settings
                    .iter()
                    .map(|(name, value)| (format!("ORDERBELL_{name}"), value)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = lines
            .find_map(|line| {
                line.expect("text")
                    .strip_prefix("listening on http://")
                    .map(|address| address.parse().expect("an address"))
            })
            .expect("a line that says where it listens");
        Self {
            child,
            address,
            folder,
            files,
            settings,
        }
    }

    /// The same store, opened anew after a `kill -9`.
    pub(crate) fn restart(mut self) -> Self {
        self.child.kill().expect("it runs");
        self.child.wait().expect("an end");
        let folder = std::mem::replace(
            &mut self.folder,
            tempfile::tempdir().expect("a temporary folder"),
        );
        Self::run(folder, self.files, self.settings.clone())
    }

    pub(crate) fn usage(&self) -> Usage {
        let folder = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{folder}/status")).expect("it runs");
        let kib = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_whitespace().nth(1));
            value.expect("a figure").parse().expect("a number")
        };
        let stat = std::fs::read_to_string(format!("{folder}/stat")).expect("it runs");
        let fields: Vec<&str> = stat
            .rsplit(") ")
            .next()
            .expect("fields")
            .split(' ')
            .collect();
        let ticks = |index: usize| -> u64 { fields[index].parse().expect("a number") };
        Usage {
            resident: kib("VmRSS:") << 10,
            peak: kib("VmHWM:") << 10,
            // The kernel tells processor time in hundredths of a second.
            cpu: Duration::from_millis((ticks(11) + ticks(12)) * 10),
            descriptors: std::fs::read_dir(format!("{folder}/fd"))
                .expect("it runs")
                .count(),
        }
    }

    /// Fails unless the program runs, and answers others.
    pub(crate) fn assert_serving(&mut self) {
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "the program has ended: {ended:?}");
        let (status, _) = self.request("GET", "/health/ready", &[], b"");
        assert_eq!(status, 200);
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("a connection");
        let timeout = Some(Duration::from_secs(30));
        socket.set_read_timeout(timeout).expect("a socket");
        socket.set_write_timeout(timeout).expect("a socket");
        socket
    }

    /// One request on a connection of its own: the status and the body.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let mut socket = self.connect();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        socket.write_all(head.as_bytes()).expect("sent");
        socket.write_all(body).expect("sent");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("an answer");
        parse(&answer)
    }

    /// A request with the token.
    pub(crate) fn get(&self, path: &str) -> Value {
        let bearer = format!("Bearer {TOKEN}");
        let (status, body) = self.request("GET", path, &[("authorization", &bearer)], b"");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }

    pub(crate) fn submit(&self, body: &[u8]) -> u16 {
        let headers = [("content-type", "application/json")];
        self.request("POST", "/api/order/submit", &headers, body).0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(answer: &[u8]) -> (u16, Vec<u8>) {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(answer)));
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).expect("a status");
    let body = &answer[end + 4..];
    let body = if head.contains("transfer-encoding: chunked") {
        unchunk(body)
    } else {
        body.to_vec()
    };
    (status.parse().expect("a number"), body)
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    whole
}

/// Waits until `check` holds; fails with `what` after a while.
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !check() {
        assert!(Instant::now() < deadline, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
