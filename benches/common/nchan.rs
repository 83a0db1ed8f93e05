//! nginx with nchan, as Debian packages it: `apt-get install nginx-light libnginx-mod-nchan`. It runs as a child of the
//! benchmark in a temporary folder; the system's own service is left alone.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::child::Child;
use super::event;
use super::http::{Connection, post};
use super::meter::Meter;
use super::server::{Publishing, Server, request};
use super::tls::Certificate;

const NGINX: &str = "/usr/sbin/nginx";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// How the events of a burst are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publisher {
    /// All at once, as the hub gets them.
    AtOnce,
    /// Each after the answer to the one before.
    OneByOne,
}

pub(crate) struct Nchan {
    child: Child,
    address: SocketAddr,
    /// Of the publisher; another one if the streams are encrypted.
    publishing: SocketAddr,
    publisher: Publisher,
    number: u64,
    _folder: tempfile::TempDir,
}

impl Nchan {
    pub(crate) fn is_installed() -> bool {
        Path::new(NGINX).exists() && Path::new(MODULE).exists()
    }

    pub(crate) fn start(
        publisher: Publisher,
        first_message: &str,
        has_tls: bool,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        let (streams, tls) = if has_tls {
            let certificate = Certificate::write(folder.path())?;
            let streams = free_address()?;
            (streams, tls_configuration(streams, &certificate))
        } else {
            (address, String::new())
        };
        let settings = folder.path().join("nginx.conf");
        fs::write(
            &settings,
            configuration(address, folder.path(), first_message, &tls),
        )?;
        let mut command = Command::new(NGINX);
        command.arg("-p").arg(folder.path()).arg("-c").arg(settings);
        // Its first words go to standard error before it has read where its log is.
        command.stderr(fs::File::create(folder.path().join("start.log"))?);
        let child = Child::start(&mut command)?;
        wait_for(address)?;
        Ok(Self {
            child,
            address: streams,
            publishing: address,
            publisher,
            number: 0,
            _folder: folder,
        })
    }

    fn request(&mut self) -> String {
        self.number += 1;
        let header = "X-EventSource-Event: new_order\r\n";
        post("/publish", header, &event::data(self.number))
    }
}

impl Server for Nchan {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn stream_request(&self, headers: &str) -> String {
        request("/stream", None, headers)
    }

    fn meter(&self) -> anyhow::Result<Meter> {
        Meter::of(self.child.id())
    }

    fn publish(&mut self, publishing: Publishing) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.publishing)?;
        if publishing.every_micros == 0 && self.publisher == Publisher::AtOnce {
            let requests = (0..publishing.count)
                .map(|_| self.request())
                .collect::<String>();
            let mut writer = connection.writer()?;
            let writing = thread::spawn(move || writer.write_all(requests.as_bytes()));
            for _ in 0..publishing.count {
                accepted(connection.answer()?)?;
            }
            writing
                .join()
                .map_err(|_| anyhow::anyhow!("the publisher has panicked"))??;
            return Ok(());
        }
        let started = Instant::now();
        for index in 0..publishing.count {
            publishing.wait(started, index);
            let request = self.request();
            accepted(connection.ask(&request)?)?;
        }
        Ok(())
    }
}

impl Drop for Nchan {
    fn drop(&mut self) {
        // nginx's workers end with their master only when it is asked, not when it is killed.
        if let Ok(id) = i32::try_from(self.child.id()) {
            let id = nix::unistd::Pid::from_raw(id);
            let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
            while self.child.line().is_ok() {}
        }
    }
}

fn accepted(status: u16) -> anyhow::Result<()> {
    ensure!(matches!(status, 201 | 202), "nchan answers {status}");
    Ok(())
}

/// A port that was free just now.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn wait_for(address: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..200 {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(25));
    }
    Err(anyhow::anyhow!("nginx doesn't listen")).context("see its start.log")
}

/// As an operator would set it up for streams: TLS 1.3, small records, session tickets as they are by default.
fn tls_configuration(address: SocketAddr, certificate: &Certificate) -> String {
    format!(
        "listen {address} ssl backlog=4096;
    ssl_certificate {};
    ssl_certificate_key {};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_buffer_size 4k;",
        certificate.chain.display(),
        certificate.key.display()
    )
}

fn configuration(address: SocketAddr, folder: &Path, first_message: &str, tls: &str) -> String {
    let folder = folder.display();
    format!(
        "load_module {MODULE};
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  nchan_shared_memory_size 256m;
  server {{
    listen {address} backlog=4096;
    {tls}
    location = /stream {{
      nchan_subscriber eventsource;
      nchan_channel_id orders;
      nchan_subscriber_first_message {first_message};
    }}
    location = /publish {{
      nchan_publisher http;
      nchan_channel_id orders;
      nchan_message_buffer_length 2000;
      nchan_message_timeout 10m;
    }}
  }}
}}
"
    )
}
