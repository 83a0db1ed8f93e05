//! Typed settings, and the layers they are read from.
//!
//! The built-in file `config/default.toml` lists all keys with their defaults and explanations. Later layers may only set keys
//! that it has, so that a misspelt one is an error.
//!
//! Each section has a file of its own with its type, its unparsed form (`Raw…`), and its checks.

mod auth;
mod embedded;
mod fields;
mod firestore;
mod layers;
mod log;
mod server;
mod shop;
mod store;
mod stream;
mod submit;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use auth::RawAuth;
pub use auth::{CookieSettings, SecureCookies};
use embedded::RawEmbedded;
use fields::Fields;
pub use fields::SettingsError;
use firestore::{GoogleVariables, RawFirestore};
use layers::Layers;
pub use log::LogSettings;
use log::RawLog;
use server::RawServer;
pub use server::{AllowedOrigins, PublicUrl, ServerSettings};
use shop::RawShop;
pub use shop::ShopSettings;
use store::RawStore;
pub use store::{StoreKind, StoreSettings};
use stream::RawStream;
pub use stream::StreamSettings;
use submit::RawSubmit;
pub use submit::{SubmitAuth, SubmitSettings};
use tls::RawTls;
pub use tls::{AcmeSettings, TlsMode, TlsSettings};

use crate::auth::AuthSettings;

/// The validated settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The listener.
    pub server: ServerSettings,
    /// HTTPS.
    pub tls: TlsSettings,
    /// The store and its window.
    pub store: StoreSettings,
    /// The streams.
    pub stream: StreamSettings,
    /// Admins, tokens and sessions.
    pub auth: AuthSettings,
    /// The cookies of sessions.
    pub cookies: CookieSettings,
    /// Limits and authentication of customers' orders.
    pub submit: SubmitSettings,
    /// The shop, as shown on pages.
    pub shop: ShopSettings,
    /// Logging.
    pub log: LogSettings,
}

/// All sections, unparsed.
#[derive(Deserialize)]
struct Raw {
    server: RawServer,
    tls: RawTls,
    store: RawStore,
    embedded: RawEmbedded,
    firestore: RawFirestore,
    stream: RawStream,
    auth: RawAuth,
    submit: RawSubmit,
    shop: RawShop,
    log: RawLog,
}

impl Raw {
    fn check(self, fields: &Fields, google: &GoogleVariables) -> Result<Settings, SettingsError> {
        let mut server = self.server.check(fields)?;
        let tls = self.tls.check(fields, server.port)?;
        if matches!(tls.mode, TlsMode::Acme(_)) && server.public_url.is_none() && server.port != 0 {
            server.public_url = PublicUrl::of_domain(&tls.domains[0], server.port);
        }
        let store = self.store.check(
            fields,
            || self.embedded.check(fields),
            || self.firestore.check(fields, google),
        )?;
        let stream = self.stream.check(fields)?;
        let project = &self.firestore.project_id;
        let is_local = server.host.is_loopback();
        let submit = self.submit.check(fields, project, is_local)?;
        // Only clients of existing Firestore projects have no credential other than an admin's id.
        let auto_admin_ids = matches!(store.kind, StoreKind::Firestore(_));
        let (auth, cookies) = self.auth.check(fields, auto_admin_ids)?;
        Ok(Settings {
            server,
            tls,
            store,
            stream,
            auth,
            cookies,
            submit,
            shop: self.shop.check(fields)?,
            log: self.log.check(fields)?,
        })
    }
}

impl Settings {
    /// Reads all layers: the built-in defaults, `config/default.toml` beside the program, `file`, and the environment.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, SettingsError> {
        Self::load_for_domains(file, environment, &DomainOptions::default())
    }

    /// The same, with the options `--domain` and `--email`: they override all layers, and change a few defaults.
    pub fn load_for_domains(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        options: &DomainOptions,
    ) -> Result<Self, SettingsError> {
        let mut layers = Layers::new()?;
        if let Some(beside) = beside_the_program() {
            layers.add_file(&beside)?;
        }
        if !options.domains.is_empty() {
            // The file beside the program is often a copy of the defaults, which sets nothing.
            layers.add_defaults("--domain", &[("server.host", "::"), ("server.port", "443")])?;
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
        if !options.domains.is_empty() {
            layers.add_option("--domain", "tls.mode", "acme")?;
            layers.add_option("--domain", "tls.domains", &options.domains.join(","))?;
        }
        if let Some(email) = &options.email {
            layers.add_option("--email", "tls.email", email)?;
        }
        let (raw, fields): (Raw, _) = layers.finish()?;
        raw.check(&fields, &GoogleVariables::of(environment))
    }

    /// Whether session cookies are `Secure` and named `__Host-…`.
    pub fn secure_cookies(&self) -> bool {
        match self.cookies.secure {
            SecureCookies::Always => true,
            SecureCookies::Never => false,
            SecureCookies::Auto => {
                !self.cookies.insecure
                    && (!self.server.host.is_loopback() || self.has_public_https())
            }
        }
    }

    /// Whether to send HSTS: true if the listener speaks HTTPS, or if the settings say that browsers reach the desk over it.
    pub fn has_public_https(&self) -> bool {
        let public_url = self.server.public_url.as_ref();
        self.tls.is_on() || public_url.is_some_and(PublicUrl::is_https)
    }

    /// The environment of this process. Skips variables that aren't Unicode, which can't be settings.
    pub fn environment() -> BTreeMap<String, String> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }
}

/// The options `--domain` and `--email` of the command line.
#[derive(Debug, Clone, Default)]
pub struct DomainOptions {
    /// Names of the desk. If there are any, `tls.mode` is `acme` and the defaults of `server.port`, `server.host` and
    /// `server.public_url` are those of a public HTTPS server.
    pub domains: Vec<String>,
    /// `tls.email`.
    pub email: Option<String>,
}

fn beside_the_program() -> Option<PathBuf> {
    let file = std::env::current_exe()
        .ok()?
        .parent()?
        .join("config/default.toml");
    file.exists().then_some(file)
}
