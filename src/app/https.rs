//! HTTPS: where its certificate comes from, and what its handshakes may cost.

use crate::clock::Clock;
use crate::http::{Certificates, HandshakeLimits, Tls};
use crate::settings::{Settings, TlsMode};

use super::certificate_files::CertificateFiles;

/// HTTPS on the listener.
pub(super) struct Https {
    pub(super) tls: Tls,
    /// The certificate in files, if that is where it comes from.
    pub(super) files: Option<CertificateFiles>,
}

impl Https {
    /// `None` if the settings ask for plain HTTP.
    pub(super) fn open(
        settings: &Settings,
        certificates: &Certificates,
        clock: &Clock,
    ) -> anyhow::Result<Option<Self>> {
        let files = match &settings.tls.mode {
            TlsMode::Off => return Ok(None),
            TlsMode::Files {
                cert_file,
                key_file,
            } => Some(CertificateFiles::open(
                cert_file,
                key_file,
                certificates.clone(),
                clock.clone(),
            )?),
            TlsMode::Acme(_) => None,
        };
        let limits = HandshakeLimits {
            patience: settings.server.request_timeout,
            strangers: settings.tls.max_handshakes,
        };
        let tls = Tls::new(certificates, limits)?;
        Ok(Some(Self { tls, files }))
    }
}
