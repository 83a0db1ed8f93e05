//! The certificates that TLS listeners present.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Protocol of TLS-ALPN-01 (RFC 8737): such a connection only shows a certificate.
pub(super) const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// The certificates that TLS listeners present, shared by the listeners and by the code that renews certificates.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    held: Arc<RwLock<Held>>,
    /// Seconds since the Unix epoch; 0 before there is a certificate.
    expiry: Gauge,
}

#[derive(Debug, Default)]
struct Held {
    current: Option<CertifiedPair>,
    /// Certificates of TLS-ALPN-01, by domain in lower case.
    challenges: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// Holds no certificate: handshakes fail with an alert until [`set`](Self::set) is called.
    pub fn new() -> Self {
        Self::default()
    }

    /// Presents `pair` to clients of all names, from the next handshake on.
    pub fn set(&self, pair: CertifiedPair) {
        let expiry = pair.facts.not_after.duration_since(UNIX_EPOCH);
        self.expiry.set(expiry.map_or(0, |expiry| {
            i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX)
        }));
        self.write(|held| held.current = Some(pair));
    }

    /// Presents `pair` to clients that ask for `domain` and offer the protocol `acme-tls/1` alone.
    pub fn set_challenge(&self, domain: &str, pair: CertifiedPair) {
        let domain = domain.to_ascii_lowercase();
        self.write(|held| held.challenges.insert(domain, pair.key));
    }

    /// Ends [`set_challenge`](Self::set_challenge) for `domain`.
    pub fn clear_challenge(&self, domain: &str) {
        let domain = domain.to_ascii_lowercase();
        self.write(|held| held.challenges.remove(&domain));
    }

    /// What the current certificate says; `None` before [`set`](Self::set).
    pub fn current(&self) -> Option<CertificateFacts> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.current.as_ref().map(|pair| pair.facts.clone())
    }

    /// Registers the metric.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tls_certificate_expiry_timestamp_seconds",
            "When the certificate of HTTPS expires; 0 while there is none",
            self.expiry.clone(),
        );
    }

    fn write<T>(&self, change: impl FnOnce(&mut Held) -> T) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut held);
    }
}

/// How rustls asks for a certificate.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Certificates);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        let mut protocols = hello.alpn().into_iter().flatten();
        if protocols.next() == Some(ACME_PROTOCOL) && protocols.next().is_none() {
            return held.challenges.get(hello.server_name()?).cloned();
        }
        held.current.as_ref().map(|pair| Arc::clone(&pair.key))
    }
}

/// A certificate with its chain and its private key.
#[derive(Debug, Clone)]
pub struct CertifiedPair {
    key: Arc<CertifiedKey>,
    facts: CertificateFacts,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// DNS names and IP addresses that the certificate is for.
    pub names: Vec<String>,
    /// When it becomes valid.
    pub not_before: SystemTime,
    /// When it expires.
    pub not_after: SystemTime,
}

/// Why a certificate and its key can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The chain has no certificate.
    #[error(
        "the certificate file has no certificate (a block that begins with `-----BEGIN CERTIFICATE-----`)"
    )]
    NoCertificate,
    /// A certificate can't be parsed.
    #[error("a certificate in the certificate file can't be read: {0}")]
    UnreadableCertificate(String),
    /// There is no private key.
    #[error(
        "the key file has no private key (a block such as `-----BEGIN PRIVATE KEY-----`); a key with a passphrase can't be used"
    )]
    NoKey,
    /// The key is of a kind that TLS has no use for, or it is damaged.
    #[error(
        "the private key can't be used: it must be an RSA (2048 bits or more), ECDSA (P-256, P-384 or P-521) or Ed25519 key"
    )]
    UnreadableKey,
    /// The key belongs to another certificate.
    #[error("the private key does not match the first certificate in the certificate file")]
    KeyMismatch,
}

impl CertifiedPair {
    /// Reads a chain, the server's own certificate first, and its private key, both in PEM. An expired certificate is no error:
    /// see [`CertificateFacts::is_valid_at`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let pair = Self::for_challenge(chain, key)?;
        pair.key.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::KeyMismatch,
            error => CertificateError::UnreadableCertificate(error.to_string()),
        })?;
        Ok(pair)
    }

    /// The same for [`Certificates::set_challenge`], without the check that both belong together: it refuses the extension that
    /// answers TLS-ALPN-01, since that is critical and unknown to rustls.
    pub fn for_challenge(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| CertificateError::UnreadableCertificate(error.to_string()))?;
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        let facts = CertificateFacts::from_der(first)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey,
            _ => CertificateError::UnreadableKey,
        })?;
        let key = aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|_| CertificateError::UnreadableKey)?;
        Ok(Self {
            key: Arc::new(CertifiedKey::new(chain, key)),
            facts,
        })
    }

    /// What the certificate says.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }
}

impl CertificateFacts {
    /// Reads a certificate in DER.
    pub fn from_der(certificate: &[u8]) -> Result<Self, CertificateError> {
        let unreadable = |error: x509_cert::der::Error| {
            CertificateError::UnreadableCertificate(error.to_string())
        };
        let certificate = Certificate::from_der(certificate).map_err(unreadable)?;
        let contents = certificate.tbs_certificate();
        let names = contents
            .get_extension::<SubjectAltName>()
            .map_err(unreadable)?
            .map(|(_, names)| names.0.iter().filter_map(name).collect())
            .unwrap_or_default();
        let validity = contents.validity();
        Ok(Self {
            names,
            not_before: validity.not_before.to_system_time(),
            not_after: validity.not_after.to_system_time(),
        })
    }

    /// Whether clients accept the certificate at this time.
    pub fn is_valid_at(&self, time: SystemTime) -> bool {
        self.not_before <= time && time <= self.not_after
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
            let v6 = <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair(names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_certificate_tells_its_names() {
        let (chain, key) = pair(&["desk.example.com", "127.0.0.1", "::1"]);
        let pair = CertifiedPair::from_pem(chain.as_bytes(), key.as_bytes()).expect("a pair");
        assert_eq!(pair.facts().names, ["desk.example.com", "127.0.0.1", "::1"]);
        assert!(
            pair.facts().is_valid_at(
                SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000)
            )
        );
        let certificates = Certificates::new();
        assert_eq!(certificates.current(), None);
        certificates.set(pair.clone());
        assert_eq!(certificates.current().as_ref(), Some(pair.facts()));
    }

    #[test]
    fn what_is_wrong_with_a_pair_is_named() {
        let (chain, key) = pair(&["a.example"]);
        let (_, other_key) = pair(&["a.example"]);
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let odd_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let error = |chain: &str, key: &str| {
            CertifiedPair::from_pem(chain.as_bytes(), key.as_bytes()).expect_err("an error")
        };
        assert_eq!(error("", &key), CertificateError::NoCertificate);
        assert_eq!(error(&key, &key), CertificateError::NoCertificate);
        assert_eq!(error(&chain, ""), CertificateError::NoKey);
        assert_eq!(error(&chain, &chain), CertificateError::NoKey);
        assert_eq!(error(&chain, odd_key), CertificateError::UnreadableKey);
        assert_eq!(error(&chain, &other_key), CertificateError::KeyMismatch);
        assert!(matches!(
            error(damaged, &key),
            CertificateError::UnreadableCertificate(_)
        ));
    }
}
