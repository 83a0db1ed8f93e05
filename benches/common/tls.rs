//! TLS: a certificate for the servers under test, and the readers' side of it.

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use mio::net::TcpStream;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

/// Files of a certificate and its key.
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Writes a new one (ECDSA, P-256) into `folder`.
    pub(crate) fn write(folder: &Path) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        let files = Self {
            chain: folder.join("chain.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&files.chain, certificate.pem())?;
        fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }

    /// Settings of orderbell that serve it.
    pub(crate) fn environment(&self) -> [(String, String); 4] {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("MODE", "files".to_owned()),
            ("CERT_FILE", text(&self.chain)),
            ("KEY_FILE", text(&self.key)),
            ("REDIRECT_PORT", "0".to_owned()),
        ]
        .map(|(name, value)| (format!("ORDERBELL_TLS__{name}"), value))
    }
}

/// A reader's connection, over TLS or not.
pub(crate) struct Link {
    pub(crate) socket: TcpStream,
    session: Option<Box<ClientConnection>>,
}

/// TLS 1.3 with one cipher, the same for all servers. Whole handshakes, and no check of the certificate: the clients share the
/// machine with what is measured.
static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the cipher is of this version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
});

impl Link {
    pub(crate) fn connect(address: SocketAddr, has_tls: bool) -> anyhow::Result<Self> {
        let session = if has_tls {
            let name = ServerName::try_from("localhost")?;
            Some(Box::new(ClientConnection::new(CONFIG.clone(), name)?))
        } else {
            None
        };
        Ok(Self {
            socket: TcpStream::connect(address)?,
            session,
        })
    }

    /// Sends bytes once the connection is there; over TLS, behind the handshake.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.session {
            None => self.socket.write_all(bytes),
            Some(session) => {
                session.writer().write_all(bytes)?;
                flush(session, &mut self.socket)
            }
        }
    }

    /// Reads some bytes; an error of the kind `WouldBlock` where there are none.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return self.socket.read(buffer);
        };
        loop {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            if session.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            session
                .process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            flush(session, &mut self.socket)?;
        }
    }

    /// Whether a read that doesn't fill the buffer has read everything.
    pub(crate) fn reads_all(&self) -> bool {
        self.session.is_none()
    }
}

fn flush(session: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(socket)?;
    }
    Ok(())
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
