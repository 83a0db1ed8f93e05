//! HTTPS: where its certificate comes from, what its handshakes may cost, and the plain listener beside it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use prometheus_client::registry::Registry;

use crate::certificates::redirect::{self, Redirect};
use crate::certificates::{Renewal, RenewalSettings, Wanted};
use crate::clock::Clock;
use crate::http::{
    self, Admission, Certificates, HandshakeLimits, HttpServer, ServerSettings, Tls,
};
use crate::routes::AppState;
use crate::settings::{AcmeSettings, PublicUrl, Settings, TlsMode};
use crate::store::SecretStore;

use super::certificate_files::CertificateFiles;
use super::listeners::Listeners;
use super::serving::server_settings;

/// HTTPS on the listener.
pub(super) struct Https {
    pub(super) tls: Tls,
    pub(super) certificates: Certificates,
    /// The certificate in files, if that is where it comes from.
    pub(super) files: Option<CertificateFiles>,
    /// Requests the certificate, if that is done by ACME.
    pub(super) renewal: Option<Renewal>,
}

impl Https {
    /// `None` if the settings ask for plain HTTP. `is_shared` says whether other instances may use the store.
    pub(super) fn open(
        settings: &Settings,
        clock: &Clock,
        store: Arc<dyn SecretStore>,
        is_shared: bool,
    ) -> anyhow::Result<Option<Self>> {
        let certificates = Certificates::new();
        let (mut files, mut renewal) = (None, None);
        match &settings.tls.mode {
            TlsMode::Off => return Ok(None),
            TlsMode::Files {
                cert_file,
                key_file,
            } => {
                files = Some(CertificateFiles::open(
                    cert_file,
                    key_file,
                    certificates.clone(),
                    clock.clone(),
                )?);
            }
            TlsMode::Acme(acme) => {
                let settings = RenewalSettings {
                    is_shared,
                    ..renewal_settings(acme, &settings.tls.domains)?
                };
                renewal = Some(Renewal::new(
                    settings,
                    store,
                    certificates.clone(),
                    clock.clone(),
                ));
            }
        }
        let limits = HandshakeLimits {
            patience: settings.server.request_timeout,
            strangers: settings.tls.max_handshakes,
        };
        let tls = Tls::new(&certificates, limits)?;
        Ok(Some(Self {
            tls,
            certificates,
            files,
            renewal,
        }))
    }

    /// Registers the metrics.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.certificates.register(registry);
        self.tls.register(registry);
        if let Some(renewal) = &self.renewal {
            renewal.register(registry);
        }
    }

    /// The server of redirects and its address; `None` without a plain listener.
    pub(super) fn redirects(
        &self,
        listeners: &mut Listeners,
        state: &AppState,
        https_port: u16,
        admission: &Arc<Admission>,
    ) -> anyhow::Result<Option<(HttpServer, SocketAddr)>> {
        let listener = listeners.take_redirect(&state.settings);
        if let Some(renewal) = &self.renewal {
            renewal.set_has_port_80(listener.is_some());
        }
        let Some(listener) = listener else {
            return Ok(None);
        };
        let address = listener.local_addr()?;
        let settings = &state.settings;
        let public = settings.server.public_url.as_ref();
        let public = public.filter(|url| url.is_https());
        let host = public.map(|url| url.host().trim_matches(['[', ']']).to_owned());
        let names = host.into_iter();
        let redirect = Arc::new(Redirect {
            names: names.chain(settings.tls.domains.iter().cloned()).collect(),
            https_port: public.map_or(https_port, PublicUrl::port),
            certificates: self.certificates.clone(),
            renewal: self.renewal.clone(),
            clock: state.clock.clone(),
        });
        let server = ServerSettings {
            workers: 1,
            ..server_settings(settings)
        };
        let application = move || redirect::application(Arc::clone(&redirect));
        let server = http::serve(listener, server, Arc::clone(admission), None, application)
            .context("can't serve redirects to HTTPS")?;
        Ok(Some((server, address)))
    }
}

/// What the renewal needs to know. Reads the file of `tls.directory_ca_file`.
fn renewal_settings(acme: &AcmeSettings, domains: &[String]) -> anyhow::Result<RenewalSettings> {
    let file = acme.directory_ca_file.as_ref();
    let directory_ca = file.map(|file| {
        std::fs::read(file)
            .with_context(|| format!("can't read {} (tls.directory_ca_file)", file.display()))
    });
    Ok(RenewalSettings {
        wanted: wanted(acme, domains),
        email: acme.email.clone(),
        directory_ca: directory_ca.transpose()?,
        is_shared: true,
    })
}

/// The certificate that the settings ask for.
pub fn wanted(acme: &AcmeSettings, domains: &[String]) -> Wanted {
    Wanted {
        domains: domains.to_vec(),
        directory_url: acme.directory_url.clone(),
    }
}
