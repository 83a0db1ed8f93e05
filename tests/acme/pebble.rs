//! Debian's `pebble`, an ACME authority for tests, with a DNS server of its own.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::{eventually, listener, port_of};

/// A running authority, which asks `http_port` and `tls_port` of the addresses that its DNS server names.
pub(crate) struct Pebble {
    pub(crate) directory: String,
    /// File with the root of its own HTTPS.
    pub(crate) ca_file: String,
    management: String,
    dns_management: String,
    log: PathBuf,
    client: reqwest::Client,
    _processes: Vec<Child>,
    _folder: tempfile::TempDir,
}

fn run(program: &str, arguments: &[&str], log: &std::path::Path, slow: bool) -> Child {
    let out = std::fs::File::options().create(true).append(true).open(log);
    let out = out.expect("a log");
    Command::new(program)
        .args(arguments)
        // Faults are tested on their own; here they would only add requests.
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .env("PEBBLE_AUTHZREUSE", "0")
        .env(
            if slow {
                "PEBBLE_VA_SLEEPTIME"
            } else {
                "PEBBLE_VA_NOSLEEP"
            },
            "2",
        )
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a log"))
        .stderr(out)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed (Debian's package `pebble`): {error}"))
}

fn free_port() -> u16 {
    port_of(&listener())
}

fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    socket.local_addr().expect("an address").port()
}

impl Pebble {
    pub(crate) async fn start(http_port: u16, tls_port: u16) -> Self {
        Self::start_as(http_port, tls_port, false).await
    }

    /// One that takes up to two seconds for each check.
    pub(crate) async fn start_slow(http_port: u16, tls_port: u16) -> Self {
        Self::start_as(http_port, tls_port, true).await
    }

    async fn start_as(http_port: u16, tls_port: u16, slow: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        let mut params = CertificateParams::new(Vec::new()).expect("a CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let ca = ca.expect("a CA");
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let own = CertificateParams::new(names).and_then(|own| own.signed_by(&key, &ca));
        std::fs::write(file("ca.pem"), ca.pem()).expect("written");
        std::fs::write(file("own.pem"), own.expect("a certificate").pem()).expect("written");
        std::fs::write(file("own.key"), key.serialize_pem()).expect("written");
        let (port, management, dns, dns_management) =
            (free_port(), free_port(), free_udp_port(), free_port());
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("own.pem"),
            "privateKey": file("own.key"),
            "httpPort": http_port,
            "tlsPort": tls_port,
        }});
        std::fs::write(file("config.json"), config.to_string()).expect("written");
        let log = folder.path().join("log");
        let dns_server = run(
            "pebble-challtestsrv",
            &[
                "-dns01",
                &format!("127.0.0.1:{dns}"),
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
                "-http01",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
                "-management",
                &format!("127.0.0.1:{dns_management}"),
            ],
            &log,
            slow,
        );
        let dns = format!("127.0.0.1:{dns}");
        let arguments = ["-config", &file("config.json"), "-dnsserver", &dns];
        let pebble = run("pebble", &arguments, &log, slow);
        let root = reqwest::Certificate::from_pem(ca.pem().as_bytes()).expect("a root");
        let client = reqwest::Client::builder()
            .add_root_certificate(root)
            .build();
        let started = Self {
            directory: format!("https://127.0.0.1:{port}/dir"),
            ca_file: file("ca.pem"),
            management: format!("https://127.0.0.1:{management}"),
            dns_management: format!("http://127.0.0.1:{dns_management}"),
            log,
            client: client.expect("a client"),
            _processes: vec![dns_server, pebble],
            _folder: folder,
        };
        eventually("pebble", async || {
            let directory = started.client.get(&started.directory).send().await;
            let dns = started.client.get(&started.dns_management).send().await;
            (directory.is_ok() && dns.is_ok()).then_some(())
        })
        .await;
        started
    }

    /// Sets the address that all names have; none if it is empty.
    pub(crate) async fn set_dns(&self, address: &str) {
        let body = json!({"ip": address}).to_string();
        let url = format!("{}/set-default-ipv4", self.dns_management);
        let answer = self.client.post(url).body(body).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }

    /// A client that trusts the certificates it issues, and finds `address` under `domain`.
    pub(crate) async fn trusting_client(
        &self,
        domain: &str,
        address: std::net::SocketAddr,
    ) -> reqwest::Client {
        let root = self
            .client
            .get(format!("{}/roots/0", self.management))
            .send()
            .await;
        let root = root.expect("an answer").bytes().await.expect("a root");
        let root = reqwest::Certificate::from_pem(&root).expect("a root");
        reqwest::Client::builder()
            .tls_certs_only([root])
            .resolve(domain, address)
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client")
    }

    /// Number of orders that were begun.
    pub(crate) fn orders(&self) -> usize {
        let log = std::fs::read_to_string(&self.log).expect("the log");
        log.lines()
            .filter(|line| line.contains("/order-plz"))
            .count()
    }
}
