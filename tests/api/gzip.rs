//! Streams as the gzip readers of other languages see them: each event has to be readable when it arrives, although the
//! stream goes on.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::app::{TOKEN, TestApp};

/// Both print what they can read, as it comes, in lines of JSON, and at the end whether the stream was whole.
const PYTHON: &str = r#"
import http.client, json, sys, zlib
host, path, token = sys.argv[1:]
connection = http.client.HTTPConnection(host)
connection.request("GET", path, headers={"accept-encoding": "gzip", "authorization": "Bearer " + token})
answer = connection.getresponse()
assert answer.headers["content-encoding"] == "gzip", answer.headers
unzip = zlib.decompressobj(wbits=31)
while chunk := answer.read1(65536):
    print(json.dumps(unzip.decompress(chunk).decode()), flush=True)
print(json.dumps("whole" if unzip.eof and not unzip.unused_data else "cut off"), flush=True)
"#;
const NODE: &str = r#"
const [host, path, token] = process.argv.slice(1);
const headers = { "accept-encoding": "gzip", authorization: `Bearer ${token}` };
require("node:http").get(`http://${host}${path}`, { headers }, (answer) => {
    if (answer.headers["content-encoding"] !== "gzip") throw new Error(JSON.stringify(answer.headers));
    const say = (text) => console.log(JSON.stringify(text));
    answer.pipe(require("node:zlib").createGunzip())
        .on("data", (text) => say(text.toString()))
        .on("end", () => say("whole"))
        .on("error", (error) => say(String(error)));
});
"#;

struct Reader {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    text: String,
}

impl Reader {
    fn start(language: &str, app: &TestApp, query: &str) -> Self {
        let arguments = match language {
            "python3" => ["-c", PYTHON],
            _ => ["-e", NODE],
        };
        let host = app.base.strip_prefix("http://").expect("an address");
        let mut process = Command::new(language)
            .args(arguments)
            .args([host, &format!("/api/admin/stream/orders{query}"), TOKEN])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{language} has to be installed: {error}"));
        let output = process.stdout.take().expect("its output");
        Self {
            _process: process,
            lines: BufReader::new(output).lines(),
            text: String::new(),
        }
    }

    /// Reads until `text` has come.
    async fn until(&mut self, text: &str) {
        while !self.text.contains(text) {
            let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.text));
            let line = line.expect("text").expect("the stream goes on");
            self.text
                .push_str(&serde_json::from_str::<String>(&line).expect("JSON"));
        }
        self.text.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_and_node_read_each_event_when_it_arrives() {
    let app = TestApp::start().await;
    let mut readers: Vec<_> = ["python3", "node"]
        .into_iter()
        .flat_map(|language| {
            ["", "?batch=50&status=PENDING"].map(|query| Reader::start(language, &app, query))
        })
        .collect();
    for reader in &mut readers {
        reader.until("connected").await;
    }
    for number in 1..=3 {
        let id = app.submit().await;
        assert_eq!(id, format!("ORD{number}"));
        for reader in &mut readers {
            // Nothing follows that could push it out.
            reader.until(&format!("\"orderId\":\"{id}\"")).await;
        }
    }
    // Also what was missed and is sent again, after a hundred parts made by others.
    for _ in 0..100 {
        app.put("ORD1", &json!({"acknowledged": true})).await;
        app.put("ORD1", &json!({"acknowledged": false})).await;
    }
    let last = app.submit().await;
    let mut late = ["python3", "node"].map(|language| Reader::start(language, &app, "?since=0-"));
    for reader in readers.iter_mut().chain(&mut late) {
        reader.until(&format!("\"orderId\":\"{last}\"")).await;
    }
    app.stop().await;
    for reader in readers.iter_mut().chain(&mut late) {
        reader.until("whole").await;
    }
}
