use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::auth::firebase::{FirebaseSettings, GOOGLE_KEYS_URL};
use crate::firestore::{Access, FirestoreSettings};
use crate::orders::WindowLimits;
use crate::zone::Zone;

use super::fields::Fields;
use super::{
    AllowedOrigins, AuthSettings, LogSettings, PublicUrl, SecureCookies, ServerSettings, Settings,
    SettingsError, ShopSettings, StoreKind, StoreSettings, StreamSettings, SubmitAuth,
    SubmitSettings,
};

/// The shape of the files, before ranges are checked.
#[derive(Deserialize)]
pub(super) struct Raw {
    server: RawServer,
    store: RawStore,
    embedded: RawEmbedded,
    firestore: RawFirestore,
    stream: RawStream,
    auth: RawAuth,
    submit: RawSubmit,
    shop: RawShop,
    log: RawLog,
}

#[derive(Deserialize)]
struct RawServer {
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

#[derive(Deserialize)]
struct RawStore {
    kind: String,
    window: u64,
    max_open: u64,
    window_mib: u64,
}

#[derive(Deserialize)]
struct RawFirestore {
    project_id: String,
    database_id: String,
    collection: String,
}

#[derive(Deserialize)]
struct RawEmbedded {
    path: String,
}

#[derive(Deserialize)]
struct RawStream {
    heartbeat_seconds: u64,
    retry_ms: u64,
    gzip: bool,
    max_connections: u64,
    max_per_admin: u64,
    max_per_address: u64,
    max_age_minutes: u64,
    write_timeout_seconds: u64,
    send_buffer_kib: u64,
}

#[derive(Deserialize)]
struct RawAuth {
    admin_email: String,
    admin_password: SecretString,
    admin_token: SecretString,
    accept_admin_ids: String,
    failures_per_minute: u64,
    session_hours: u64,
    session_key: SecretString,
    secure_cookies: String,
    insecure_cookies: bool,
}

#[derive(Deserialize)]
struct RawSubmit {
    auth: String,
    firebase_project_id: String,
    firebase_keys_url: String,
    firebase_emulator_tokens: bool,
    max_items: u64,
    max_kib: u64,
    per_minute: u64,
    burst: u64,
    total_per_minute: u64,
}

#[derive(Deserialize)]
struct RawShop {
    name: String,
    currency: String,
    time_zone: String,
}

#[derive(Deserialize)]
struct RawLog {
    format: String,
    level: String,
}

/// Turns raw values into settings.
pub(super) struct Check<'a> {
    fields: &'a Fields,
    google: &'a Google,
}

/// What Google's tools and hosts say by environment variables of their own.
pub(super) struct Google {
    emulator: Option<String>,
    service_account: Option<SecretString>,
}

impl Google {
    pub(super) fn of(environment: &BTreeMap<String, String>) -> Self {
        let set = |name| {
            environment
                .get(name)
                .filter(|value: &&String| !value.is_empty())
                .cloned()
        };
        Self {
            emulator: set("FIRESTORE_EMULATOR_HOST"),
            service_account: set("FIREBASE_SERVICE_ACCOUNT_BASE64").map(Into::into),
        }
    }
}

impl<'a> Check<'a> {
    pub(super) fn new(fields: &'a Fields, google: &'a Google) -> Self {
        Self { fields, google }
    }

    pub(super) fn settings(&self, raw: Raw) -> Result<Settings, SettingsError> {
        Ok(Settings {
            server: self.server(&raw.server)?,
            store: self.store(&raw.store, &raw.embedded, &raw.firestore)?,
            stream: self.stream(&raw.stream)?,
            submit: self.submit(&raw)?,
            auth: self.auth(raw.auth, &raw.store.kind)?,
            shop: self.shop(raw.shop)?,
            log: self.log(raw.log)?,
        })
    }

    fn server(&self, raw: &RawServer) -> Result<ServerSettings, SettingsError> {
        let host = match raw.host.as_str() {
            "localhost" => "127.0.0.1",
            host => host,
        };
        Ok(ServerSettings {
            host: host.parse().map_err(|_| {
                self.fields.bad(
                    "server.host",
                    format_args!("must be an IP address, not {host:?}"),
                )
            })?,
            port: self.fields.range("server.port", raw.port, 0..=65_535)?,
            workers: match self.fields.range("server.workers", raw.workers, 0..=256)? {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                workers => workers,
            },
            public_url: self.public_url(&raw.public_url)?,
            allowed_origins: self.allowed_origins(&raw.allowed_origins)?,
            max_per_address: self.fields.range(
                "server.max_per_address",
                raw.max_per_address,
                1..=1_000_000,
            )?,
            trusted_proxies: self.networks("server.trusted_proxies", &raw.trusted_proxies)?,
            request_timeout: self.fields.seconds(
                "server.request_timeout_seconds",
                raw.request_timeout_seconds,
                1..=120,
            )?,
            max_body: self.fields.range::<usize>(
                "server.max_body_kib",
                raw.max_body_kib,
                1..=1_024,
            )? << 10,
        })
    }

    fn public_url(&self, text: &str) -> Result<Option<PublicUrl>, SettingsError> {
        if text.is_empty() {
            return Ok(None);
        }
        match origin(text) {
            Some(url) => Ok(Some(PublicUrl(url))),
            None => Err(self.fields.bad(
                "server.public_url",
                format_args!(
                    "must be an address such as \"https://desk.example.com\", without a path, not {text:?}"
                ),
            )),
        }
    }

    fn allowed_origins(&self, text: &str) -> Result<AllowedOrigins, SettingsError> {
        let parts: Vec<&str> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        match parts.as_slice() {
            [] => return Ok(AllowedOrigins::None),
            ["*"] => return Ok(AllowedOrigins::Any),
            _ => {}
        }
        let origins = parts.into_iter().map(|part| {
            origin(part)
                .map(|url| url.origin().ascii_serialization())
                .ok_or_else(|| {
                    self.fields.bad(
                        "server.allowed_origins",
                        format_args!(
                            "has {part:?}, which is no origin such as \"https://shop.example.com\""
                        ),
                    )
                })
        });
        Ok(AllowedOrigins::These(origins.collect::<Result<_, _>>()?))
    }

    fn networks(&self, key: &str, text: &str) -> Result<Vec<IpNet>, SettingsError> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                part.parse()
                    .or_else(|_| part.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| {
                        self.fields.bad(
                            key,
                            format_args!("has {part:?}, which is neither an address nor a network"),
                        )
                    })
            })
            .collect()
    }

    fn submit(&self, raw: &Raw) -> Result<SubmitSettings, SettingsError> {
        let RawSubmit {
            auth,
            firebase_project_id,
            firebase_keys_url,
            ..
        } = &raw.submit;
        let auth = match auth.as_str() {
            "open" => SubmitAuth::Open,
            "firebase" => {
                let project = [firebase_project_id, &raw.firestore.project_id]
                    .into_iter()
                    .find(|id| !id.is_empty());
                let emulator_tokens = raw.submit.firebase_emulator_tokens;
                if emulator_tokens && !self.server(&raw.server)?.host.is_loopback() {
                    return Err(self.fields.bad(
                        "submit.firebase_emulator_tokens",
                        "is only for development: it needs server.host = \"127.0.0.1\"",
                    ));
                }
                SubmitAuth::Firebase(FirebaseSettings {
                    project_id: project.cloned().ok_or_else(|| {
                        self.fields.bad(
                            "submit.firebase_project_id",
                            "must be set, or firestore.project_id",
                        )
                    })?,
                    keys_url: Some(firebase_keys_url.clone())
                        .filter(|url| !url.is_empty())
                        .unwrap_or_else(|| GOOGLE_KEYS_URL.to_owned()),
                    emulator_tokens,
                })
            }
            other => {
                return Err(self.fields.bad(
                    "submit.auth",
                    format_args!("must be \"open\" or \"firebase\", not {other:?}"),
                ));
            }
        };
        Ok(SubmitSettings {
            auth,
            max_items: self
                .fields
                .range("submit.max_items", raw.submit.max_items, 1..=5_000)?,
            max_body: self.fields.range::<usize>(
                "submit.max_kib",
                raw.submit.max_kib,
                1..=1_024,
            )? << 10,
            per_minute: self.fields.range(
                "submit.per_minute",
                raw.submit.per_minute,
                1..=1_000_000,
            )?,
            burst: self
                .fields
                .range("submit.burst", raw.submit.burst, 1..=1_000_000)?,
            total_per_minute: self.fields.range(
                "submit.total_per_minute",
                raw.submit.total_per_minute,
                1..=1_000_000,
            )?,
        })
    }

    fn store(
        &self,
        raw: &RawStore,
        embedded: &RawEmbedded,
        firestore: &RawFirestore,
    ) -> Result<StoreSettings, SettingsError> {
        let kind = match raw.kind.as_str() {
            "embedded" if embedded.path.is_empty() => {
                return Err(self.fields.bad("embedded.path", "must not be empty"));
            }
            "embedded" => StoreKind::Embedded(PathBuf::from(&embedded.path)),
            "firestore" => StoreKind::Firestore(self.firestore(firestore)?),
            other => {
                return Err(self.fields.bad(
                    "store.kind",
                    format_args!("must be \"embedded\" or \"firestore\", not {other:?}"),
                ));
            }
        };
        Ok(StoreSettings {
            kind,
            window: WindowLimits {
                orders: self.fields.range("store.window", raw.window, 1..=10_000)?,
                open: self
                    .fields
                    .range("store.max_open", raw.max_open, 0..=10_000)?,
                bytes: self
                    .fields
                    .range::<usize>("store.window_mib", raw.window_mib, 1..=4_096)?
                    << 20,
            },
        })
    }

    fn firestore(&self, raw: &RawFirestore) -> Result<FirestoreSettings, SettingsError> {
        for (key, value) in [
            ("firestore.project_id", &raw.project_id),
            ("firestore.database_id", &raw.database_id),
            ("firestore.collection", &raw.collection),
        ] {
            if value.is_empty() || value.contains('/') {
                return Err(self.fields.bad(key, "must be set, without a slash"));
            }
        }
        let access = match (&self.google.emulator, &self.google.service_account) {
            (Some(host), _) => Access::Emulator(host.clone()),
            (None, Some(key)) => Access::ServiceAccount(service_account(key)?),
            (None, None) => Access::Default,
        };
        Ok(FirestoreSettings {
            database_id: raw.database_id.clone(),
            collection: raw.collection.clone(),
            ..FirestoreSettings::new(&raw.project_id, access)
        })
    }

    fn stream(&self, raw: &RawStream) -> Result<StreamSettings, SettingsError> {
        Ok(StreamSettings {
            heartbeat: self.fields.seconds(
                "stream.heartbeat_seconds",
                raw.heartbeat_seconds,
                1..=300,
            )?,
            retry: Duration::from_millis(self.fields.range(
                "stream.retry_ms",
                raw.retry_ms,
                1_000..=60_000,
            )?),
            gzip: raw.gzip,
            max_connections: self.fields.range(
                "stream.max_connections",
                raw.max_connections,
                1..=1_000_000,
            )?,
            max_per_admin: self.fields.range(
                "stream.max_per_admin",
                raw.max_per_admin,
                1..=1_000_000,
            )?,
            max_per_address: self.fields.range(
                "stream.max_per_address",
                raw.max_per_address,
                1..=1_000_000,
            )?,
            max_age: self.fields.seconds(
                "stream.max_age_minutes",
                raw.max_age_minutes,
                1..=1_440,
            )? * 60,
            write_timeout: self.fields.seconds(
                "stream.write_timeout_seconds",
                raw.write_timeout_seconds,
                5..=60,
            )?,
            send_buffer: self.fields.range::<usize>(
                "stream.send_buffer_kib",
                raw.send_buffer_kib,
                8..=1_024,
            )? << 10,
        })
    }

    fn auth(&self, raw: RawAuth, store: &str) -> Result<AuthSettings, SettingsError> {
        let hours: u64 = self
            .fields
            .range("auth.session_hours", raw.session_hours, 1..=168)?;
        if !raw.admin_email.is_empty() && !raw.admin_email.contains('@') {
            return Err(self
                .fields
                .bad("auth.admin_email", "must be an e-mail address"));
        }
        Ok(AuthSettings {
            admin_email: Some(raw.admin_email).filter(|email| !email.is_empty()),
            admin_password: self
                .fields
                .secret("auth.admin_password", raw.admin_password, 8)?,
            admin_token: self
                .fields
                .secret("auth.admin_token", raw.admin_token, 24)?,
            // Only there are clients that know nothing else.
            accept_admin_ids: self.fields.switch(
                "auth.accept_admin_ids",
                &raw.accept_admin_ids,
                store == "firestore",
            )?,
            failures_per_minute: self.fields.range(
                "auth.failures_per_minute",
                raw.failures_per_minute,
                1..=100_000,
            )?,
            session_idle: Duration::from_secs(hours * 3_600),
            session_key: self
                .fields
                .secret("auth.session_key", raw.session_key, 32)?,
            secure_cookies: match raw.secure_cookies.as_str() {
                "auto" => SecureCookies::Auto,
                "always" => SecureCookies::Always,
                "never" => SecureCookies::Never,
                other => {
                    return Err(self.fields.bad(
                        "auth.secure_cookies",
                        format_args!("must be \"auto\", \"always\" or \"never\", not {other:?}"),
                    ));
                }
            },
            insecure_cookies: raw.insecure_cookies,
        })
    }

    fn shop(&self, raw: RawShop) -> Result<ShopSettings, SettingsError> {
        if raw.name.trim().is_empty() || raw.name.chars().count() > 100 {
            return Err(self
                .fields
                .bad("shop.name", "must have 1 to 100 characters"));
        }
        if raw.currency.len() != 3 || !raw.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(self.fields.bad(
                "shop.currency",
                format_args!(
                    "must be an ISO 4217 code such as \"USD\", not {:?}",
                    raw.currency
                ),
            ));
        }
        Ok(ShopSettings {
            name: raw.name,
            currency: raw.currency,
            time_zone: self.time_zone(&raw.time_zone)?,
        })
    }

    fn time_zone(&self, name: &str) -> Result<Zone, SettingsError> {
        if matches!(name, "" | "auto") {
            return Ok(Zone::of_machine());
        }
        Zone::named(name).ok_or_else(|| {
            self.fields.bad(
                "shop.time_zone",
                format_args!(
                    "must be \"auto\" or an IANA name such as \"Africa/Algiers\", not {name:?}"
                ),
            )
        })
    }

    fn log(&self, raw: RawLog) -> Result<LogSettings, SettingsError> {
        let json = match raw.format.as_str() {
            "pretty" => false,
            "json" => true,
            other => {
                return Err(self.fields.bad(
                    "log.format",
                    format_args!("must be \"pretty\" or \"json\", not {other:?}"),
                ));
            }
        };
        if let Err(error) = raw.level.parse::<tracing_subscriber::filter::Targets>() {
            return Err(self.fields.bad(
                "log.level",
                format_args!("is no level and no filter: {error}"),
            ));
        }
        Ok(LogSettings {
            json,
            level: raw.level,
        })
    }
}

/// The address of a web site, without a path.
fn origin(text: &str) -> Option<url::Url> {
    let url = url::Url::parse(text).ok()?;
    let is_bare = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_bare.then_some(url)
}

/// The JSON text of a service account's key, as hosts keep it in one line.
fn service_account(base64: &SecretString) -> Result<SecretString, SettingsError> {
    use base64::Engine as _;
    let bad = |problem: &str| {
        SettingsError(format!(
            "the environment variable FIREBASE_SERVICE_ACCOUNT_BASE64 {problem}"
        ))
    };
    let compact: String = base64.expose_secret().split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .map_err(|_| bad("is not Base64"))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("is not text in Base64"))?;
    if !text.trim_start().starts_with('{') {
        return Err(bad("is not the JSON key of a service account in Base64"));
    }
    Ok(text.into())
}
