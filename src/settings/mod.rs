//! Settings, typed, and where they come from.
//!
//! The file `config/default.toml` is built in: it is the list of all keys, their defaults and their explanation at once.
//! Later layers may only set keys that stand there, so that a misspelt one is an error and not a surprise.

mod check;
mod fields;
mod layers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

use check::{Check, Google, Raw};
pub use fields::SettingsError;
use layers::Layers;

use crate::auth::firebase::FirebaseSettings;
use crate::firestore::FirestoreSettings;
use crate::orders::WindowLimits;
use crate::zone::Zone;

/// What the operator has decided, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The listener.
    pub server: ServerSettings,
    /// The store and its window.
    pub store: StoreSettings,
    /// The streams.
    pub stream: StreamSettings,
    /// Who may.
    pub auth: AuthSettings,
    /// What customers may send.
    pub submit: SubmitSettings,
    /// The shop, as pages show it.
    pub shop: ShopSettings,
    /// Logs.
    pub log: LogSettings,
}

/// `server.*`
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes any.
    pub port: u16,
    /// How browsers reach the desk, where the operator has said so.
    pub public_url: Option<PublicUrl>,
    /// Origins whose pages may submit orders.
    pub allowed_origins: AllowedOrigins,
    /// Most connections of one address.
    pub max_per_address: usize,
    /// Worker threads.
    pub workers: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// For a request's head, and again for its body.
    pub request_timeout: Duration,
    /// Largest body in bytes.
    pub max_body: usize,
}

/// The address that browsers know the desk by: a scheme, a host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(pub(super) url::Url);

impl PublicUrl {
    /// Whether browsers reach the desk over HTTPS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// As browsers write it in the header `Origin`: no path, no default port.
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
    /// These, as browsers write them.
    These(Vec<String>),
}

/// `store.*` and what belongs to the kind of store.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Which store.
    pub kind: StoreKind,
    /// How many orders are held in memory.
    pub window: WindowLimits,
}

/// Which store orders are kept in.
#[derive(Debug, Clone)]
pub enum StoreKind {
    /// SQLite in this file.
    Embedded(PathBuf),
    /// Cloud Firestore.
    Firestore(FirestoreSettings),
}

/// `stream.*`
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// A stream without an event for so long carries a heartbeat.
    pub heartbeat: Duration,
    /// How long clients wait before they come back.
    pub retry: Duration,
    /// Streams are sent as gzip to clients that can read it.
    pub gzip: bool,
    /// Most open streams.
    pub max_connections: usize,
    /// Most open streams of one admin or token.
    pub max_per_admin: usize,
    /// Most open streams from one address.
    pub max_per_address: usize,
    /// A stream is asked to come back after so long.
    pub max_age: Duration,
    /// A reader that takes nothing for so long is cut off.
    pub write_timeout: Duration,
    /// What the kernel may hold for one reader, in bytes.
    pub send_buffer: usize,
}

/// `auth.*`
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// E-mail address of the first admin.
    pub admin_email: Option<String>,
    /// Password of the first admin.
    pub admin_password: Option<SecretString>,
    /// A bearer token for scripts.
    pub admin_token: Option<SecretString>,
    /// Accept admin ids as bearer tokens.
    pub accept_admin_ids: bool,
    /// Unknown credentials of one address that are looked up in a minute.
    pub failures_per_minute: u32,
    /// A session ends when it was not used for so long.
    pub session_idle: Duration,
    /// Secret that sessions are kept under.
    pub session_key: Option<SecretString>,
    /// Whether session cookies are `Secure`.
    pub secure_cookies: SecureCookies,
    /// Cookies without `Secure`, although the listener isn't on loopback.
    pub insecure_cookies: bool,
}

/// Whether session cookies are `Secure` and carry the prefix `__Host-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecureCookies {
    /// Wherever a browser may come from another machine, unless `auth.insecure_cookies` is set.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// `submit.*`
#[derive(Debug, Clone)]
pub struct SubmitSettings {
    /// Who may place orders.
    pub auth: SubmitAuth,
    /// Most entries of an order's items.
    pub max_items: usize,
    /// Largest body in bytes.
    pub max_body: usize,
    /// Submits of one address in a minute.
    pub per_minute: u32,
    /// How many of them may come at once.
    pub burst: u32,
    /// Submits of all addresses in a minute.
    pub total_per_minute: u32,
}

/// Who may place orders.
#[derive(Debug, Clone)]
pub enum SubmitAuth {
    /// Anybody.
    Open,
    /// Customers with a Firebase ID token.
    Firebase(FirebaseSettings),
}

/// `shop.*`
#[derive(Debug, Clone)]
pub struct ShopSettings {
    /// The shop's name.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Where days begin at midnight.
    pub time_zone: Zone,
}

/// `log.*`
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// JSON lines instead of text for people.
    pub json: bool,
    /// Filter directives.
    pub level: String,
}

impl Settings {
    /// Reads all layers: the built-in defaults, `config/default.toml` beside the program, `file`, and the environment.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, SettingsError> {
        let mut layers = Layers::new()?;
        if let Some(beside) = beside_the_program() {
            layers.add_file(&beside)?;
        }
        if let Some(file) = file {
            if !file.exists() {
                return Err(SettingsError(format!(
                    "the settings file {} does not exist",
                    file.display()
                )));
            }
            layers.add_file(file)?;
        }
        layers.add_environment(environment)?;
        let (raw, fields): (Raw, _) = layers.finish()?;
        Check::new(&fields, &Google::of(environment)).settings(raw)
    }

    /// Whether session cookies are `Secure` and named `__Host-…`.
    pub fn secure_cookies(&self) -> bool {
        match self.auth.secure_cookies {
            SecureCookies::Always => true,
            SecureCookies::Never => false,
            SecureCookies::Auto => {
                !self.auth.insecure_cookies
                    && (!self.server.host.is_loopback() || self.has_public_https())
            }
        }
    }

    /// Whether browsers are told to use HTTPS only (HSTS): they reach the desk over HTTPS, as far as the settings say.
    pub fn has_public_https(&self) -> bool {
        self.server
            .public_url
            .as_ref()
            .is_some_and(PublicUrl::is_https)
    }

    /// The environment of this process. Variables that aren't Unicode can't be settings and are left out.
    pub fn environment() -> BTreeMap<String, String> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }
}

fn beside_the_program() -> Option<PathBuf> {
    let file = std::env::current_exe()
        .ok()?
        .parent()?
        .join("config/default.toml");
    file.exists().then_some(file)
}
