//! The program itself: started, told to stop, killed, restarted, and run out of disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::app::{PASSWORD, TOKEN, client, environment, json_of, small_order};
use crate::sse::Stream;

pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
    greeting: String,
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

    async fn run(command: Command) -> Self {
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

    /// Ends it, and waits until it has let go of its store.
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

    async fn get(&self, path: &str) -> Value {
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

/// 300 orders, a reader that is cut off six times, and one restart of the server.
pub(crate) async fn exactly_once(more: &[(&str, &str)]) {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let port = free_port();
    let settings = [&[("ORDERBELL_SERVER__PORT", port.as_str())], more].concat();
    let mut server = Server::start(&store, &settings).await;
    let base = server.base.clone();
    let submits = tokio::spawn(async move {
        let client = client();
        let mut accepted = BTreeSet::new();
        while accepted.len() < 300 {
            // While the server is away nothing is accepted; it is tried again.
            if let Ok(answer) = client
                .post(format!("{base}/api/order/submit"))
                .json(&small_order())
                .send()
                .await
                && answer.status() == StatusCode::OK
            {
                accepted.insert(
                    json_of(answer).await["orderId"]
                        .as_str()
                        .expect("an id")
                        .to_owned(),
                );
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        accepted
    });
    let mut last: Option<String> = Some("0-".to_owned());
    let mut last_seen = String::new();
    let mut seen = Vec::new();
    let mut cuts = 0;
    let mut stream = server.stream(last.as_deref()).await.expect("a stream");
    let mut restarted = false;
    while seen.len() < 300 {
        if seen.len() >= 150 && !restarted {
            restarted = true;
            server.signal("TERM");
            assert!(server.child.wait().await.expect("an end").success());
            server = Server::start(&store, &settings).await;
        }
        let Some(event) = stream.next_order().await else {
            stream = server.stream(last.as_deref()).await.expect("a stream");
            continue;
        };
        assert_eq!(event.name, "new_order");
        let id = event.id.clone().expect("an id");
        assert!(id > last_seen, "{id} after {last_seen}");
        last_seen.clone_from(&id);
        last = Some(id);
        seen.push(event.order().to_owned());
        if seen.len() % 45 == 0 && cuts < 6 {
            cuts += 1;
            stream = server.stream(last.as_deref()).await.expect("a stream");
        }
    }
    let accepted = submits.await.expect("no panic");
    assert_eq!((cuts, restarted), (6, true));
    let once: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(once.len(), seen.len(), "an order was seen twice");
    // An order whose answer was lost in the restart may have been seen as well; what was accepted must be.
    let mut rest = once;
    while !accepted.is_subset(&rest) {
        rest.insert(
            stream
                .next_order()
                .await
                .expect("the rest")
                .order()
                .to_owned(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_order_is_seen_exactly_once() {
    exactly_once(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_by_a_kill() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let mut server = Server::start(&store, &[]).await;
    let submitters: Vec<_> = (0..8)
        .map(|_| {
            let url = format!("{}/api/order/submit", server.base);
            tokio::spawn(async move {
                let client = client();
                let mut accepted = Vec::new();
                while let Ok(answer) = client.post(&url).json(&small_order()).send().await {
                    let Ok(body) = answer.json::<Value>().await else {
                        break;
                    };
                    accepted.push(body["orderNumber"].as_u64().expect("a number"));
                }
                accepted
            })
        })
        .collect();
    let mut stream = server.stream(None).await.expect("a stream");
    for _ in 0..200 {
        stream.next_order().await.expect("orders come in");
    }
    server.signal("KILL");
    server.child.wait().await.expect("an end");
    let mut accepted = Vec::new();
    for submitter in submitters {
        accepted.extend(submitter.await.expect("no panic"));
    }
    assert!(accepted.len() >= 190);
    let unique: BTreeSet<_> = accepted.iter().copied().collect();
    assert_eq!(unique.len(), accepted.len(), "a number was given twice");

    let server = Server::start(&store, &[]).await;
    for number in &unique {
        let order = server.get(&format!("/api/admin/orders/ORD{number}")).await;
        assert_eq!(order["order"]["orderId"], format!("ORD{number}"));
    }
    let answer = client()
        .post(format!("{}/api/order/submit", server.base))
        .json(&small_order())
        .send()
        .await
        .expect("an answer");
    let next = json_of(answer).await["orderNumber"]
        .as_u64()
        .expect("a number");
    assert!(Some(&next) > unique.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_hundreds_of_streams_and_one_that_is_not_read() {
    let folder = folder();
    let settings = [
        ("ORDERBELL_STREAM__MAX_PER_ADMIN", "1000"),
        ("ORDERBELL_STREAM__WRITE_TIMEOUT_SECONDS", "60"),
    ];
    let mut server = Server::start(&folder.path().join("orders.db"), &settings).await;
    let mut streams = Vec::new();
    for _ in 0..300 {
        streams.push(server.stream(None).await.expect("a stream"));
    }
    // This one reads nothing at all.
    let _stuck = crate::sockets::raw_stream(&server.base).await;
    server.signal("TERM");
    // Less than the time after which a reader that takes nothing is cut anyway.
    let ended = tokio::time::timeout(Duration::from_secs(40), server.child.wait()).await;
    let status = ended
        .expect("it doesn't wait for the readers")
        .expect("an end");
    assert_eq!(status.code(), Some(0));
    for stream in streams {
        assert_eq!(
            stream.rest().await.last().map(|event| event.name.clone()),
            Some("bye".to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_makes_an_admin_and_says_how_to_begin() {
    let folder = folder();
    let store = folder.path().join("new/orders.db");
    let mut first = command(&store, &[], &["serve"]);
    first
        .env_remove("ORDERBELL_AUTH__ADMIN_EMAIL")
        .env_remove("ORDERBELL_AUTH__ADMIN_PASSWORD");
    let server = Server::run(first).await;
    let said = |what: &str| {
        let line = server
            .greeting
            .lines()
            .find(|line| line.trim().starts_with(what))
            .expect("said");
        line.split_whitespace().nth(1).expect("a word").to_owned()
    };
    let email = said("e-mail");
    // Standard output is no terminal here: it may be a log.
    let file = folder.path().join("new/first-admin-password.txt");
    assert!(
        server.greeting.contains(&file.display().to_string()),
        "{}",
        server.greeting
    );
    let mode = std::fs::metadata(&file).expect("a file").permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
    let password = std::fs::read_to_string(&file).expect("text");
    let password = password.trim();
    assert!(!password.is_empty() && !server.greeting.contains(password));
    let login = client()
        .post(format!("{}/api/admin/login", server.base))
        .json(&json!({"email": email, "password": password}));
    assert_eq!(
        login.send().await.expect("an answer").status(),
        StatusCode::OK
    );
    assert!(
        server
            .greeting
            .contains("/api/order/submit -H 'content-type: application/json'")
    );
    server.kill().await;
    let mut second = command(&store, &[], &["serve"]);
    second
        .env_remove("ORDERBELL_AUTH__ADMIN_EMAIL")
        .env_remove("ORDERBELL_AUTH__ADMIN_PASSWORD");
    assert_eq!(Server::run(second).await.greeting, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_store_and_bad_settings_are_refused() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let _server = Server::start(&store, &[]).await;
    let second = command(&store, &[], &[]).output().await.expect("an end");
    assert_eq!(second.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&second.stderr).contains("another orderbell process serves from")
    );

    let bad = command(&store, &[("ORDERBELL_STREAM__HEARTBEAT", "5")], &[])
        .output()
        .await
        .expect("an end");
    assert_eq!(bad.status.code(), Some(78));
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        said.contains("`stream.heartbeat`") && said.contains("ORDERBELL_STREAM__HEARTBEAT"),
        "{said}"
    );
    assert!(!said.contains(PASSWORD) && !said.contains(TOKEN));
}

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

/// Commands work beside the server, and what they take away ends within a minute.
#[tokio::test(flavor = "multi_thread")]
async fn admins_and_tokens_come_and_go_while_the_server_runs() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &[]).await;
    assert!(
        tell(
            &store,
            &["admin", "add", "ben@shop.example", "--name", "Ben"],
            "bens password\n"
        )
        .await
        .0
    );
    assert!(
        !tell(
            &store,
            &["admin", "add", "BEN@shop.example"],
            "bens password\n"
        )
        .await
        .0
    );
    assert!(
        !tell(&store, &["admin", "add", "eve@shop.example"], "short\n")
            .await
            .0
    );
    assert!(
        tell(&store, &["admin", "list"], "")
            .await
            .1
            .contains("ben@shop.example  Ben")
    );
    let login = client()
        .post(format!("{}/api/admin/login", server.base))
        .json(&json!({"email": "ben@shop.example", "password": "bens password"}))
        .send()
        .await
        .expect("an answer");
    let session = json_of(login).await["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let (made, token) = tell(&store, &["token", "create", "till"], "").await;
    assert!(made && token.starts_with("obt_"));
    let url = format!("{}/api/admin/stream/orders", server.base);
    let by_session = Stream::connected(client().get(&url).bearer_auth(&session))
        .await
        .1;
    let by_token = Stream::connected(client().get(&url).bearer_auth(&token))
        .await
        .1;

    let create = [
        "token",
        "create",
        "bens till",
        "--admin",
        "BEN@shop.example",
    ];
    let (made, bens_token) = tell(&store, &create, "").await;
    assert!(made, "{bens_token}");
    let of_a_stranger = ["token", "create", "x", "--admin", "eve@shop.example"];
    assert!(!tell(&store, &of_a_stranger, "").await.0);
    let sessions = client()
        .get(format!("{}/api/admin/sessions", server.base))
        .bearer_auth(&bens_token);
    let sessions = json_of(sessions.send().await.expect("an answer")).await;
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1));
    let by_bens_token = Stream::connected(client().get(&url).bearer_auth(&bens_token))
        .await
        .1;

    let listed = tell(&store, &["token", "list"], "").await.1;
    assert!(
        listed.contains("bens till  as ben@shop.example"),
        "{listed}"
    );
    assert!(listed.contains("till") && !listed.contains(&token));
    let id = listed.split_whitespace().next().expect("an id");
    assert!(tell(&store, &["token", "revoke", id], "").await.0);
    assert!(!tell(&store, &["token", "revoke", id], "").await.0);
    assert!(
        tell(&store, &["admin", "disable", "ben@shop.example"], "")
            .await
            .0
    );
    let ends = async {
        tokio::join!(
            by_session.rest_slowly(),
            by_token.rest_slowly(),
            by_bens_token.rest_slowly()
        )
    };
    tokio::time::timeout(Duration::from_secs(60), ends)
        .await
        .expect("all streams end within a minute");
    for credential in [session, token, bens_token] {
        let answer = client()
            .get(&url)
            .bearer_auth(credential)
            .send()
            .await
            .expect("an answer");
        assert!(
            matches!(answer.status().as_u16(), 401 | 403),
            "{}",
            answer.status()
        );
    }
    let (is_well, told) = tell(&store, &["doctor"], "").await;
    assert!(
        is_well && !told.contains("BAD") && !told.contains("WARN"),
        "{told}"
    );
    let accepting = ("ORDERBELL_AUTH__ACCEPT_ADMIN_IDS", "true");
    let abroad = ("TZ", "Asia/Tokyo");
    let doctor = command(&store, &[accepting, abroad], &["doctor"])
        .output()
        .await;
    let doctor = doctor.expect("an end");
    assert!(doctor.status.success(), "a warning is no problem");
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        told.contains("WARN") && told.contains("auth.accept_admin_ids"),
        "{told}"
    );
    assert!(told.contains("time zone Asia/Tokyo"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_what_comes() {
    let folder = folder();
    let server = Server::start(&folder.path().join("orders.db"), &[]).await;
    let port = server.base.rsplit(':').next().expect("a port");
    let mut tail = command(
        &folder.path().join("x.db"),
        &[("ORDERBELL_SERVER__PORT", port)],
        &["tail", "--since", "0-"],
    )
    .spawn()
    .expect("the program starts");
    let answer = client()
        .post(format!("{}/api/order/submit", server.base))
        .json(&small_order())
        .send()
        .await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    let mut lines = BufReader::new(tail.stdout.take().expect("its output")).lines();
    let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line())
        .await
        .expect("in time")
        .expect("text");
    assert!(
        line.as_ref()
            .is_some_and(|line| line.starts_with("NEW") && line.contains("ORD1")),
        "{line:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_brings_orders_by_itself() {
    let folder = folder();
    let server = Server::run(command(
        &folder.path().join("x.db"),
        &[],
        &["demo", "--every", "0.1"],
    ))
    .await;
    assert!(server.greeting.contains("password"));
    let mut stream = server.stream(Some("0-")).await.expect("a stream");
    let mut names = BTreeSet::new();
    while names.len() < 2 {
        names.insert(stream.next_order().await.expect("the demo goes on").name);
    }
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["new_order", "order_update"]
    );
    assert!(!folder.path().join("x.db").exists());
}

/// A disk that is full: submits are refused, everything else goes on, and it recovers by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_orders_and_nothing_else() {
    let disk = SmallDisk::mount();
    let server = Server::start(&disk.path.join("orders.db"), &[]).await;
    let client = client();
    let submit = || {
        client
            .post(format!("{}/api/order/submit", server.base))
            .json(&small_order())
            .send()
    };
    assert_eq!(submit().await.expect("an answer").status(), StatusCode::OK);
    let mut stream = server.stream(Some("0-")).await.expect("a stream");
    stream.next_order().await.expect("the first order");
    let filler = disk.fill();
    let refused = loop {
        let answer = submit().await.expect("an answer");
        if answer.status() != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let recent = server.get("/api/admin/orders/recent?limit=500").await;
    let held = recent["orders"].as_array().expect("orders").len();
    assert!(held >= 1);
    assert_eq!(
        client
            .get(format!("{}/health/live", server.base))
            .send()
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    let _another = server.stream(None).await.expect("a stream");

    std::fs::remove_file(filler).expect("removed");
    crate::app::eventually("the disk is taken up again", || async {
        submit()
            .await
            .is_ok_and(|answer| answer.status() == StatusCode::OK)
    })
    .await;
    let after = server.get("/api/admin/orders/recent?limit=500").await["orders"]
        .as_array()
        .expect("orders")
        .len();
    assert_eq!(after, held + 1, "what was refused was not placed");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_from_before_a_restart_is_told_of_removals() {
    let folder = folder();
    let store = folder.path().join("orders.db");
    let server = Server::start(&store, &[]).await;
    for _ in 0..2 {
        let answer = client()
            .post(format!("{}/api/order/submit", server.base))
            .json(&small_order())
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    }
    let cursor = server.get("/api/admin/orders/recent").await["cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    let request = client()
        .request(
            Method::DELETE,
            format!("{}/api/admin/orders/ORD1", server.base),
        )
        .bearer_auth(TOKEN);
    assert_eq!(
        request.send().await.expect("an answer").status(),
        StatusCode::OK
    );
    server.kill().await;
    let server = Server::start(&store, &[]).await;
    let mut stream = server.stream(Some(&cursor)).await.expect("a stream");
    assert_eq!(
        stream.orders(1).await,
        [("order_removed".to_owned(), "ORD1".to_owned())]
    );
}
