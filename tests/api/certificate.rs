//! Certificates, made for this run by an authority that the tests' clients trust.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, as PEM.
    pub(crate) root: String,
}

pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        // Programs that aren't ours tell the two certificates apart by their names.
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            root,
        }
    }

    /// A certificate of this machine and its key, as PEM.
    pub(crate) fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &self.issuer))
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// What a client in this process connects with.
    pub(crate) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.root.as_bytes()).expect("a certificate");
        roots.add(root).expect("a root");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

/// Files of a certificate, its key, and the authority's own certificate.
pub(crate) struct Files {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) root: PathBuf,
}

impl Files {
    /// Writes a new certificate into `folder`.
    pub(crate) fn write(folder: &Path) -> Self {
        let files = Self {
            chain: folder.join("fullchain.pem"),
            key: folder.join("privkey.pem"),
            root: folder.join("root.pem"),
        };
        std::fs::write(&files.root, &AUTHORITY.root).expect("a file");
        files.renew();
        files
    }

    /// Replaces certificate and key.
    pub(crate) fn renew(&self) {
        let (chain, key) = AUTHORITY.issue();
        std::fs::write(&self.chain, chain).expect("a file");
        std::fs::write(&self.key, key).expect("a file");
    }

    /// Settings that serve them.
    pub(crate) fn settings(&self) -> [(&'static str, String); 4] {
        let text = |path: &Path| path.to_str().expect("a path of UTF-8").to_owned();
        [
            ("ORDERBELL_TLS__MODE", "files".to_owned()),
            ("ORDERBELL_TLS__CERT_FILE", text(&self.chain)),
            ("ORDERBELL_TLS__KEY_FILE", text(&self.key)),
            ("ORDERBELL_TLS__REDIRECT_PORT", "0".to_owned()),
        ]
    }
}
