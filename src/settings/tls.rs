//! `tls.*`: HTTPS, and where the certificate comes from.

use std::path::PathBuf;

use serde::Deserialize;

use super::fields::{Fields, SettingsError, parts};

/// Maximum number of names in one certificate; Let's Encrypt's own limit.
const MAX_DOMAINS: usize = 100;

/// `tls.*`
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// Whether the listener speaks HTTPS, and where its certificate comes from.
    pub mode: TlsMode,
    /// The desk's names, in lower case; at least one with [`TlsMode::Acme`].
    pub domains: Vec<String>,
    /// Port of the plain HTTP listener that redirects to HTTPS, if there is one.
    pub redirect_port: Option<u16>,
    /// Handshakes that clients of unknown addresses may have under way.
    pub max_handshakes: usize,
}

impl TlsSettings {
    /// Whether the listener speaks HTTPS.
    pub fn is_on(&self) -> bool {
        !matches!(self.mode, TlsMode::Off)
    }
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsMode {
    /// The listener speaks plain HTTP.
    Off,
    /// From two PEM files, read again when they change.
    Files {
        /// The certificate and its chain.
        cert_file: PathBuf,
        /// The private key.
        key_file: PathBuf,
    },
    /// From an ACME authority.
    Acme(AcmeSettings),
}

/// The ACME authority, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeSettings {
    /// Address for messages of the authority.
    pub email: Option<String>,
    /// The authority's directory; an `https` address.
    pub directory_url: String,
    /// PEM file with the root certificate of the authority's own HTTPS; `None` trusts the usual ones.
    pub directory_ca_file: Option<PathBuf>,
}

/// `tls.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawTls {
    mode: String,
    cert_file: String,
    key_file: String,
    domains: String,
    email: String,
    directory_url: String,
    directory_ca_file: String,
    redirect_port: u64,
    max_handshakes: u64,
}

impl RawTls {
    /// `port` is the port of the HTTPS listener.
    pub(super) fn check(&self, fields: &Fields, port: u16) -> Result<TlsSettings, SettingsError> {
        let domains = domains(fields, &self.domains)?;
        let mode = match self.mode.as_str() {
            "off" => TlsMode::Off,
            "files" => TlsMode::Files {
                cert_file: needed_file(fields, "tls.cert_file", &self.cert_file)?,
                key_file: needed_file(fields, "tls.key_file", &self.key_file)?,
            },
            "acme" if domains.is_empty() => {
                return Err(fields.bad(
                    "tls.domains",
                    "must name the desk's domain, since tls.mode is \"acme\"",
                ));
            }
            "acme" => TlsMode::Acme(self.acme(fields)?),
            other => {
                return Err(fields.bad(
                    "tls.mode",
                    format_args!("must be \"off\", \"files\" or \"acme\", not {other:?}"),
                ));
            }
        };
        let redirect_port = fields.range("tls.redirect_port", self.redirect_port, 0..=65_535)?;
        if mode != TlsMode::Off && redirect_port != 0 && redirect_port == port {
            return Err(fields.bad(
                "tls.redirect_port",
                format_args!("must differ from server.port, which is {port} too"),
            ));
        }
        Ok(TlsSettings {
            mode,
            domains,
            redirect_port: (redirect_port != 0).then_some(redirect_port),
            max_handshakes: fields.range("tls.max_handshakes", self.max_handshakes, 1..=100_000)?,
        })
    }

    fn acme(&self, fields: &Fields) -> Result<AcmeSettings, SettingsError> {
        let email = Some(self.email.trim()).filter(|email| !email.is_empty());
        if let Some(email) = email
            && !is_email(email)
        {
            return Err(fields.bad(
                "tls.email",
                format_args!("must be an e-mail address, not {email:?}"),
            ));
        }
        let url = url::Url::parse(&self.directory_url);
        let url = url.ok();
        let Some(url) = url.filter(|url| url.scheme() == "https" && url.has_host()) else {
            return Err(fields.bad(
                "tls.directory_url",
                format_args!(
                    "must be an address that begins with https://, not {:?}",
                    self.directory_url
                ),
            ));
        };
        Ok(AcmeSettings {
            email: email.map(str::to_owned),
            // As it was parsed: `Url::parse` accepts blanks around it, which nothing else does.
            directory_url: url.to_string(),
            directory_ca_file: Some(&self.directory_ca_file)
                .filter(|file| !file.is_empty())
                .map(PathBuf::from),
        })
    }
}

fn needed_file(fields: &Fields, key: &str, text: &str) -> Result<PathBuf, SettingsError> {
    if text.is_empty() {
        return Err(fields.bad(key, "must be set, since tls.mode is \"files\""));
    }
    Ok(PathBuf::from(text))
}

fn domains(fields: &Fields, text: &str) -> Result<Vec<String>, SettingsError> {
    let mut domains: Vec<String> = Vec::new();
    for part in parts(text) {
        let domain = domain(part).ok_or_else(|| {
            fields.bad(
                "tls.domains",
                format_args!(
                    "has {part:?}, which is no domain such as \"desk.example.com\" (no address, no port, no \"*\")"
                ),
            )
        })?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    if domains.len() > MAX_DOMAINS {
        return Err(fields.bad(
            "tls.domains",
            format_args!("must have at most {MAX_DOMAINS} names"),
        ));
    }
    Ok(domains)
}

/// A DNS name of two labels or more, in lower case and Punycode.
fn domain(text: &str) -> Option<String> {
    let Ok(url::Host::Domain(domain)) = url::Host::parse(text) else {
        return None;
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_name = domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label);
    is_name.then_some(domain)
}

fn is_email(text: &str) -> bool {
    let has_parts = text
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && domain(host).is_some());
    has_parts && text.len() <= 254 && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::TlsMode;
    use crate::settings::tests::{environment, file, refused};
    use crate::settings::{DomainOptions, PublicUrl, Settings};

    #[test]
    fn https_needs_files_or_a_domain() {
        let files = ("ORDERBELL_TLS__MODE", "files");
        let cert = ("ORDERBELL_TLS__CERT_FILE", "cert.pem");
        let key = ("ORDERBELL_TLS__KEY_FILE", "key.pem");
        assert!(refused(&[files, key]).contains("`tls.cert_file`"));
        assert!(refused(&[files, cert]).contains("`tls.key_file`"));
        let settings = Settings::load(None, &environment(&[files, cert, key])).expect("accepted");
        assert!(settings.secure_cookies() && settings.has_public_https());

        let acme = ("ORDERBELL_TLS__MODE", "acme");
        let domains = ("ORDERBELL_TLS__DOMAINS", "desk.example.com");
        assert!(refused(&[acme]).contains("`tls.domains`"));
        for (name, value, key) in [
            ("ORDERBELL_TLS__EMAIL", "me", "tls.email"),
            ("ORDERBELL_TLS__EMAIL", "me@a b.example", "tls.email"),
            (
                "ORDERBELL_TLS__DIRECTORY_URL",
                "http://ca.example/",
                "tls.directory_url",
            ),
            ("ORDERBELL_TLS__REDIRECT_PORT", "8080", "tls.redirect_port"),
        ] {
            let error = refused(&[acme, domains, (name, value)]);
            assert!(
                error.contains(&format!("`{key}`")) && error.contains(name),
                "{error}"
            );
        }
        let settings = Settings::load(None, &environment(&[acme, domains])).expect("accepted");
        let public_url = settings.server.public_url.expect("the domain's");
        assert_eq!(public_url.origin(), "https://desk.example.com:8080");
    }

    #[test]
    fn the_directory_is_stored_as_it_was_parsed() {
        let settings = Settings::load(
            None,
            &environment(&[
                ("ORDERBELL_TLS__MODE", "acme"),
                ("ORDERBELL_TLS__DOMAINS", "desk.example.com"),
                ("ORDERBELL_TLS__DIRECTORY_URL", " https://CA.example/a b "),
            ]),
        );
        let mode = settings.expect("accepted").tls.mode;
        assert!(
            matches!(&mode, TlsMode::Acme(acme) if acme.directory_url == "https://ca.example/a%20b"),
            "{mode:?}"
        );
    }

    #[test]
    fn the_option_domain_makes_a_public_https_server_and_settings_win_over_its_defaults() {
        let options = DomainOptions {
            domains: vec![
                "Desk.Example.com".to_owned(),
                "b\u{fc}ro.example.com".to_owned(),
            ],
            email: Some("me@example.com".to_owned()),
        };
        let load = |file: Option<&Path>, variables: &[(&str, &str)]| {
            Settings::load_for_domains(file, &environment(variables), &options).expect("accepted")
        };
        let settings = load(None, &[("ORDERBELL_TLS__DOMAINS", "other.example.com")]);
        assert_eq!(settings.server.host.to_string(), "::");
        assert_eq!(settings.server.port, 443);
        assert_eq!(
            settings.tls.domains,
            ["desk.example.com", "xn--bro-hoa.example.com"]
        );
        assert_eq!(settings.tls.redirect_port, Some(80));
        assert!(
            matches!(&settings.tls.mode, TlsMode::Acme(acme) if acme.email.as_deref() == Some("me@example.com"))
        );
        let origin =
            |settings: &Settings| settings.server.public_url.as_ref().map(PublicUrl::origin);
        assert_eq!(
            origin(&settings).as_deref(),
            Some("https://desk.example.com")
        );

        let settings = load(
            None,
            &[
                ("ORDERBELL_SERVER__PORT", "8443"),
                ("ORDERBELL_SERVER__HOST", "127.0.0.1"),
            ],
        );
        assert_eq!(
            (
                settings.server.host.to_string().as_str(),
                settings.server.port
            ),
            ("127.0.0.1", 8443)
        );
        assert_eq!(
            origin(&settings).as_deref(),
            Some("https://desk.example.com:8443")
        );
        let file = file("[server]\npublic_url = \"https://shop.example.com\"\nport = 8080\n");
        let settings = load(Some(file.path()), &[]);
        assert_eq!(
            (origin(&settings).as_deref(), settings.server.port),
            (Some("https://shop.example.com"), 8080)
        );

        let bad = DomainOptions {
            domains: vec!["nonsense".to_owned()],
            email: None,
        };
        let error = Settings::load_for_domains(None, &BTreeMap::new(), &bad).expect_err("refused");
        assert!(
            error
                .to_string()
                .contains("`tls.domains` in the option --domain"),
            "{error}"
        );
    }
}
