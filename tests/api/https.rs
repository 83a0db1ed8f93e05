//! HTTPS with a certificate in files, to clients that aren't ours.

use std::path::Path;
use std::process::{Output, Stdio};

use reqwest::{Method, StatusCode};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{ChildStderr, Command};

use crate::app::{Scheme, TOKEN, TestApp, client, eventually, session_cookie};
use crate::certificate::Files;
use crate::process::{Server, command, folder};
use crate::sockets::exchange;

struct Https {
    server: Server,
    log: Lines<BufReader<ChildStderr>>,
    files: Files,
    folder: tempfile::TempDir,
}

impl Https {
    async fn start() -> Self {
        let folder = folder();
        let files = Files::write(folder.path());
        let settings = files.settings();
        let settings = settings
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let store = folder.path().join("orders.db");
        let (server, log) = Server::start_logged(&store, &settings).await;
        Self {
            server,
            log: BufReader::new(log).lines(),
            files,
            folder,
        }
    }

    fn address(&self) -> &str {
        self.server.base.strip_prefix("https://").expect("HTTPS")
    }

    fn port(&self) -> &str {
        self.address().rsplit(':').next().expect("a port")
    }

    fn root(&self) -> &str {
        self.files.root.to_str().expect("UTF-8")
    }

    /// What `openssl s_client` says of a handshake.
    async fn s_client(&self, arguments: &[&str]) -> String {
        let address = self.address();
        let fixed = ["s_client", "-connect", address, "-CAfile", self.root()];
        let output = run("openssl", &[&fixed, arguments].concat(), b"").await;
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// The certificate that is presented, as text.
    async fn certificate(&self) -> String {
        let text = self.s_client(&[]).await;
        let start = text.find("-----BEGIN CERTIFICATE-----").expect("one");
        let end = text.find("-----END CERTIFICATE-----").expect("its end");
        text[start..end].trim().to_owned()
    }

    /// Waits until the log has a line with this text.
    async fn logged(&mut self, text: &str) {
        while let Some(line) = self.log.next_line().await.expect("text") {
            if line.contains(text) {
                return;
            }
        }
        panic!("the log has ended without {text:?}");
    }

    fn file_certificate(&self) -> String {
        let text = std::fs::read_to_string(&self.files.chain).expect("a file");
        let end = text.find("-----END CERTIFICATE-----").expect("its end");
        text[..end].trim().replace("\r\n", "\n")
    }
}

/// Runs a program to its end with this input.
async fn run(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs the program `{program}`: {error}"));
    let mut stdin = child.stdin.take().expect("its input");
    // A program that has failed reads nothing.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    child.wait_with_output().await.expect("an end")
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_speak_https_with_us() {
    let https = Https::start().await;
    let (port, root) = (https.port(), https.root());
    let url = format!("https://localhost:{port}/api/health");
    let python = format!(
        "import http.client, ssl\n\
         context = ssl.create_default_context(cafile={root:?})\n\
         c = http.client.HTTPSConnection('localhost', {port}, context=context)\n\
         for _ in range(3):\n    c.request('GET', '/api/health'); print(c.getresponse().read().decode())\n"
    );
    let node = format!(
        "require('https').get({{host: 'localhost', port: {port}, path: '/api/health', ca: require('fs').readFileSync({root:?})}}, \
         answer => answer.pipe(process.stdout))"
    );
    for (program, arguments) in [
        ("curl", vec!["-sS", "--cacert", root, &url]),
        (
            "curl",
            vec!["-sS", "--tls-max", "1.2", "--cacert", root, &url],
        ),
        ("python3", vec!["-c", &python]),
        ("node", vec!["-e", &node]),
    ] {
        let output = run(program, &arguments, b"").await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("\"healthy\""), "{program}: {output:?}");
    }
    https.server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_are_spoken_and_sessions_resumed() {
    let https = Https::start().await;
    for version in ["-tls1_2", "-tls1_3"] {
        let session = https.folder.path().join("session");
        let session = session.to_str().expect("UTF-8");
        // The ticket of TLS 1.3 comes behind the handshake, so a request is made before the end.
        let request = b"GET /api/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let mut told = Vec::new();
        for (flag, expected) in [("-sess_out", "New, "), ("-sess_in", "Reused, ")] {
            let fixed = [
                "s_client",
                "-connect",
                https.address(),
                "-CAfile",
                https.root(),
            ];
            let arguments = [
                &fixed[..],
                &[version, "-ign_eof", "-alpn", "http/1.1", flag, session],
            ];
            let output = run("openssl", &arguments.concat(), request).await;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains(expected), "{version} {flag}: {text}");
            assert!(text.contains("Verification: OK"), "{version}: {text}");
            assert!(
                text.contains("ALPN protocol: http/1.1"),
                "{version}: {text}"
            );
            assert!(text.contains("\"healthy\""), "{version}: {text}");
            told.push(text);
        }
    }
    for (argument, alert) in [
        (&["-tls1_1"][..], "alert"),
        (&["-alpn", "h2"], "no application protocol"),
        // There is no challenge to answer.
        (
            &["-alpn", "acme-tls/1", "-servername", "localhost"],
            "alert",
        ),
    ] {
        let text = https.s_client(argument).await;
        assert!(text.contains(alert), "{argument:?}: {text}");
    }
    https.server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_tls_is_told_to_use_https() {
    let app = TestApp::start_over(Scheme::Https, &[]).await;
    let address = app.base.strip_prefix("https://").expect("HTTPS");
    let answer = exchange(address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("https://"), "{answer}");
    let length = format!(
        "content-length: {}\r\n",
        answer.split_once("\r\n\r\n").expect("a head").1.len()
    );
    assert!(answer.contains(&length), "{answer}");
    for garbage in [
        &b"\0\0\0"[..],
        b"\x80\x2e\x01\x03",
        b"\x16\x03\x01\0\x05hello",
    ] {
        let answer = exchange(address, garbage).await;
        assert!(!answer.contains("HTTP"), "{answer}");
    }
    let plain = "orderbell_tls_handshakes_total{outcome=\"plain_http\"}";
    eventually("its count", || async { app.metric(plain).await == 1.0 }).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_and_headers_are_those_of_https() {
    let app = TestApp::start_over(Scheme::Https, &[]).await;
    let answer = app
        .try_sign_in(crate::app::EMAIL, crate::app::PASSWORD)
        .await;
    let cookie = session_cookie(&answer);
    assert!(cookie.starts_with("__Host-desk="), "{cookie}");
    assert!(cookie.contains("; Secure"), "{cookie}");
    assert!(answer.headers().contains_key("strict-transport-security"));
    // A page of the same host over plain HTTP is another origin.
    let plain = app.base.replace("https://", "http://");
    let answer = app
        .bare(Method::POST, "/login")
        .header("origin", plain)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("email=a&password=b&next=")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_read_again_and_a_bad_one_is_not_used() {
    let mut https = Https::start().await;
    let first = https.certificate().await;
    assert_eq!(first, https.file_certificate());
    // Requests of a connection that is there already go on.
    let kept = client();
    let url = format!("{}/api/health", https.server.base);
    let health = || async {
        let answer = kept.get(&url).send();
        answer.await.expect("an answer").status()
    };
    assert_eq!(health().await, StatusCode::OK);

    https.files.renew();
    eventually("the new certificate", || async {
        https.certificate().await == https.file_certificate()
    })
    .await;
    let second = https.certificate().await;
    assert_ne!(first, second);

    // As certbot does: the name is a link, and the link is replaced.
    let other = https.folder.path().join("other.pem");
    std::fs::rename(&https.files.chain, &other).expect("moved");
    https.logged("No such file").await;
    assert_eq!(https.certificate().await, second, "the file is missing");
    let (chain, key) = crate::certificate::AUTHORITY.issue();
    std::fs::write(&other, chain).expect("a file");
    std::os::unix::fs::symlink(&other, &https.files.chain).expect("a link");
    https.logged("does not match").await;
    assert_eq!(https.certificate().await, second, "the key is another's");
    std::fs::write(&https.files.key, key).expect("a file");
    https.server.signal("HUP");
    eventually("the third certificate", || async {
        https.certificate().await == https.file_certificate()
    })
    .await;
    assert_eq!(health().await, StatusCode::OK);
    https.server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_is_named_at_the_start() {
    let folder = folder();
    let files = Files::write(folder.path());
    let refused = async |expected: &[&str]| {
        let settings = files.settings();
        let settings = settings
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let output = command(&folder.path().join("orders.db"), &settings, &[])
            .output()
            .await
            .expect("an end");
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        for text in expected {
            assert!(said.contains(text), "{text:?} is not in {said}");
        }
    };
    let name = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (_, other_key) = crate::certificate::AUTHORITY.issue();
    let key = std::fs::read_to_string(&files.key).expect("a file");
    std::fs::write(&files.key, other_key).expect("a file");
    refused(&[&name(&files.key), "does not match"]).await;
    std::fs::write(&files.key, "").expect("a file");
    refused(&[&name(&files.key), "no private key"]).await;
    std::fs::write(&files.key, key).expect("a file");
    std::fs::write(&files.chain, "no certificate").expect("a file");
    refused(&[&name(&files.chain), "no certificate"]).await;
    std::fs::remove_file(&files.chain).expect("removed");
    refused(&[&name(&files.chain), "tls.cert_file"]).await;
}

/// Connections that begin a handshake and then stall are closed. Other clients are served meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_are_cut() {
    let app = TestApp::start_over(
        Scheme::Https,
        &[
            ("ORDERBELL_SERVER__REQUEST_TIMEOUT_SECONDS", "1"),
            ("ORDERBELL_TLS__MAX_HANDSHAKES", "2"),
        ],
    )
    .await;
    let address = app.base.strip_prefix("https://").expect("HTTPS");
    let mut half_open = Vec::new();
    for begun in [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x02\0\x01"] {
        for _ in 0..20 {
            let mut socket = TcpStream::connect(address).await.expect("a connection");
            socket.write_all(begun).await.expect("sent");
            half_open.push(socket);
        }
    }
    let mut stream = app.stream().await;
    app.submit().await;
    stream.next_order().await.expect("an event");
    for mut socket in half_open {
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    }
    let timed_out = "orderbell_tls_handshakes_total{outcome=\"timed_out\"}";
    eventually("their count", || async {
        app.metric(timed_out).await == 60.0
            && app.metric("orderbell_tls_handshakes_open").await == 0.0
    })
    .await;
    app.stop().await;
}

/// The client renews its keys in the middle of a stream, and asks for the same of the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_a_key_update() {
    let https = Https::start().await;
    let fixed = [
        "s_client",
        "-connect",
        https.address(),
        "-CAfile",
        https.root(),
    ];
    let mut child = Command::new("openssl")
        .args(fixed)
        .args(["-tls1_3", "-msg"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("this test needs the program `openssl`");
    let (mut stdin, mut stdout) = (
        child.stdin.take().expect("one"),
        child.stdout.take().expect("one"),
    );
    let request = format!(
        "GET /api/admin/stream/orders HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    );
    stdin.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    let mut read_until = async |text: &mut String, wanted: &str| {
        let mut buffer = [0; 4_096];
        while !text.contains(wanted) {
            let length = stdout.read(&mut buffer).await.expect("the stream");
            assert!(length > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    read_until(&mut text, "\"connected\"").await;
    for number in 1..4 {
        // The program takes this line as a command.
        stdin.write_all(b"K\n").await.expect("sent");

        let answer = client()
            .post(format!("{}/api/order/submit", https.server.base))
            .json(&crate::app::small_order())
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        read_until(&mut text, &format!("\"orderId\":\"ORD{number}\"")).await;
        // The server's own key update, which comes before what it sends next.
        assert_eq!(text.matches("18 00 00 01 00").count(), number, "{text}");
    }
    https.server.kill().await;
}

/// `sslscan` tries what old and broken servers accept.
#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_finds_nothing_weak() {
    let https = Https::start().await;
    let output = run("sslscan", &["--xml=-", https.address()], b"").await;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = |start: &str| -> Vec<&str> {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| line.starts_with(start)).collect()
    };
    let protocols = found("<protocol ");
    assert_eq!(protocols.len(), 6, "{text}");
    for protocol in protocols {
        let modern = [
            "type=\"tls\" version=\"1.2\"",
            "type=\"tls\" version=\"1.3\"",
        ];
        let is_modern = modern.iter().any(|version| protocol.contains(version));
        assert_eq!(protocol.contains("enabled=\"1\""), is_modern, "{protocol}");
    }
    let ciphers = found("<cipher ");
    assert!(ciphers.len() >= 4, "{text}");
    for cipher in ciphers {
        // The scanner's two best words of six.
        let strengths = ["strength=\"strong\"", "strength=\"acceptable\""];
        let is_good = strengths.iter().any(|strength| cipher.contains(strength));
        // Keys of a session can't be found out later from the certificate's key.
        assert!(is_good && cipher.contains("ecdhebits="), "{cipher}");
    }
    assert_eq!(found("<heartbleed ").len(), 2, "{text}");
    assert_eq!(found("<renegotiation ").len(), 1, "{text}");
    // Without compression, the scanner leaves its line out where its own library has none.
    for trouble in ["vulnerable=\"1\"", "supported=\"1\"", "<error>"] {
        assert!(!text.contains(trouble), "{trouble}: {text}");
    }
    https.server.kill().await;
}

/// Node.js reads a stream to its first events with its own TLS, and stops.
#[tokio::test(flavor = "multi_thread")]
async fn node_reads_a_stream() {
    let https = Https::start().await;
    let (port, root) = (https.port(), https.root());
    let script = format!(
        "const {{get, request}} = require('https'), ca = require('fs').readFileSync({root:?});\n\
         const at = {{host: 'localhost', port: {port}, ca}};\n\
         get({{...at, path: '/api/admin/stream/orders', headers: {{authorization: 'Bearer {TOKEN}'}}}}, (stream) => {{\n\
           let text = '', sent = false;\n\
           stream.setEncoding('utf8').on('data', (chunk) => {{\n\
             text += chunk;\n\
             if (!sent && (sent = text.includes('\"connected\"'))) {{\n\
               request({{...at, path: '/api/order/submit', method: 'POST', headers: {{'content-type': 'application/json'}}}},\n\
                 (answer) => answer.resume()).end({order:?});\n\
             }}\n\
             if (text.includes('event: new_order')) {{ console.log('an order'); process.exit(); }}\n\
           }});\n\
         }});",
        order = crate::app::small_order().to_string(),
    );
    let output = run("node", &["-e", &script], b"").await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.trim(), "an order", "{output:?}");
    https.server.kill().await;
}
