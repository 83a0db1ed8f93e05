//! `server.*`: the listener, and proxies in front of it.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::fields::{Fields, SettingsError, parts};

/// `server.*`
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes any free one.
    pub port: u16,
    /// The desk's address for browsers, if set.
    pub public_url: Option<PublicUrl>,
    /// Origins whose pages may submit orders.
    pub allowed_origins: AllowedOrigins,
    /// Maximum number of connections per address.
    pub max_per_address: usize,
    /// Number of worker threads, at least one.
    pub workers: usize,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Time limit for a request's head, and again for its body.
    pub request_timeout: Duration,
    /// Maximum length of a body, in bytes.
    pub max_body: usize,
}

/// The desk's address for browsers: a scheme, a host and an optional port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(url::Url);

impl PublicUrl {
    /// Whether browsers reach the desk over HTTPS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address of the desk under this domain name.
    pub(super) fn of_domain(domain: &str, port: u16) -> Option<Self> {
        let url = url::Url::parse(&format!("https://{domain}:{port}/")).ok()?;
        Some(Self(url))
    }

    /// The host, without the port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port, also where it is the scheme's own.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// The value of the header `Origin`: no path, no default port.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

/// Origins (of other web sites) whose pages may submit orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// None.
    #[default]
    None,
    /// All.
    Any,
    /// These, in the form of the header `Origin`.
    These(Vec<String>),
}

/// `server.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawServer {
    host: String,
    port: u64,
    workers: u64,
    public_url: String,
    allowed_origins: String,
    max_per_address: u64,
    trusted_proxies: String,
    request_timeout_seconds: u64,
    max_body_kib: u64,
}

impl RawServer {
    pub(super) fn check(&self, fields: &Fields) -> Result<ServerSettings, SettingsError> {
        Ok(ServerSettings {
            host: host(fields, &self.host)?,
            port: fields.range("server.port", self.port, 0..=65_535)?,
            workers: match fields.range("server.workers", self.workers, 0..=256)? {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                workers => workers,
            },
            public_url: public_url(fields, &self.public_url)?,
            allowed_origins: allowed_origins(fields, &self.allowed_origins)?,
            max_per_address: fields.range(
                "server.max_per_address",
                self.max_per_address,
                1..=1_000_000,
            )?,
            trusted_proxies: trusted_proxies(fields, &self.trusted_proxies)?,
            request_timeout: fields.seconds(
                "server.request_timeout_seconds",
                self.request_timeout_seconds,
                1..=120,
            )?,
            max_body: fields.range::<usize>("server.max_body_kib", self.max_body_kib, 1..=1_024)?
                << 10,
        })
    }
}

fn host(fields: &Fields, text: &str) -> Result<IpAddr, SettingsError> {
    let host = match text {
        "localhost" => "127.0.0.1",
        host => host,
    };
    host.parse().map_err(|_| {
        fields.bad(
            "server.host",
            format_args!("must be an IP address, not {host:?}"),
        )
    })
}

fn public_url(fields: &Fields, text: &str) -> Result<Option<PublicUrl>, SettingsError> {
    if text.is_empty() {
        return Ok(None);
    }
    match web_site(text) {
        Some(url) => Ok(Some(PublicUrl(url))),
        None => Err(fields.bad(
            "server.public_url",
            format_args!(
                "must be an http or https address without a path, such as \"https://desk.example.com\", not {text:?}"
            ),
        )),
    }
}

fn allowed_origins(fields: &Fields, text: &str) -> Result<AllowedOrigins, SettingsError> {
    let parts: Vec<&str> = parts(text).collect();
    match parts.as_slice() {
        [] => return Ok(AllowedOrigins::None),
        ["*"] => return Ok(AllowedOrigins::Any),
        _ => {}
    }
    let origins = parts.into_iter().map(|part| {
        web_site(part)
            .map(|url| url.origin().ascii_serialization())
            .ok_or_else(|| {
                fields.bad(
                    "server.allowed_origins",
                    format_args!(
                        "has {part:?}, which is not an origin; an origin looks like \"https://shop.example.com\""
                    ),
                )
            })
    });
    Ok(AllowedOrigins::These(origins.collect::<Result<_, _>>()?))
}

fn trusted_proxies(fields: &Fields, text: &str) -> Result<Vec<IpNet>, SettingsError> {
    parts(text)
        .map(|part| {
            part.parse()
                .or_else(|_| part.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| {
                    fields.bad(
                        "server.trusted_proxies",
                        format_args!("has {part:?}, which is neither an IP address nor a network such as \"10.0.0.0/8\""),
                    )
                })
        })
        .collect()
}

/// Parses the URL of a web site: `http` or `https`, a host and an optional port, nothing else.
fn web_site(text: &str) -> Option<url::Url> {
    let url = url::Url::parse(text).ok()?;
    let is_bare = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_bare.then_some(url)
}
