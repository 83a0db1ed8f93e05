//! Assembles the service, runs it, and shuts it down.
//!
//! The program is a function of its settings, a bound listener and a shutdown signal. If any part ends on its own, the process
//! ends with an error.

mod certificate_files;
mod https;
mod listeners;
mod serving;
mod stores;
mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use anyhow::Context as _;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::firebase::FirebaseVerifier;
use crate::auth::{Auth, AuthSettings, FirstAdmin, OpenStreams, StreamLimits};
use crate::certificates::Renewal;
use crate::clock::Clock;
use crate::http::HttpServer;
use crate::hub::{Hub, HubSettings};
use crate::routes::{self, AppState, Assets, RouteMetrics, SubmitLimits, SubmitSource, Templates};
use crate::settings::{PublicUrl, Settings, SubmitAuth};
use crate::store::OrderStore;
use crate::telemetry;
use certificate_files::CertificateFiles;
use https::Https;
use serving::{admission, serve};
use stores::Stores;
use tasks::{deliver_open_orders, end_of, follow, recheck_streams, renew, stop, stop_if_any};

pub use https::wanted;
pub use listeners::Listeners;
pub use stores::{accounts, secrets};

/// Pause before creating the first admin is tried again.
const ADMIN_RETRY: Duration = Duration::from_secs(5);
/// Time limit for requests and streams to end after the shutdown signal; later ones are cut off.
const SHUTDOWN_PATIENCE_SECONDS: u64 = 2;

/// The service, listening and not yet running.
pub struct App {
    server: HttpServer,
    address: SocketAddr,
    first_admin: Option<FirstAdmin>,
    store: Arc<dyn OrderStore>,
    hub: Arc<Hub>,
    auth: Arc<Auth>,
    stream_tasks: TaskTracker,
    /// The desk's address, if HTTPS is on.
    https_url: Option<String>,
    certificate_files: Option<CertificateFiles>,
    renewal: Option<Renewal>,
    /// Redirects to HTTPS, and their address.
    redirects: Option<(HttpServer, SocketAddr)>,
}

impl App {
    /// Opens the store, fills the hub and binds the address.
    pub async fn build(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        Self::build_on(Listeners::default(), settings, clock).await
    }

    /// The same, on sockets that are bound already.
    pub async fn build_on(
        mut listeners: Listeners,
        settings: Settings,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let Stores {
            orders: store,
            accounts,
            secrets,
            is_local,
            register,
        } = Stores::open(&settings.store.kind, clock.clone())?;
        let hub = Hub::new(hub_settings(&settings), clock.clone());
        let begun = begin_watch(&*store, &hub);
        accounts.watch_accounts();

        let auth = Arc::new(Auth::new(
            Arc::clone(&accounts),
            &settings.auth,
            open_streams(&settings),
            clock.clone(),
        ));
        let first_admin = first_admin(is_local.then_some(begun), &auth, &settings.auth).await?;

        let listener = listeners.take_desk(&settings)?;
        let address = listener.local_addr()?;
        let admission = admission(&settings);
        let https = Https::open(&settings, &clock, secrets, !is_local)?;
        let metrics = RouteMetrics::default();
        let registry = telemetry::registry(|registry| {
            hub.register(registry);
            auth.streams().register(registry);
            metrics.register(registry);
            admission.register(registry);
            if let Some(https) = &https {
                https.register(registry);
            }
            register(registry);
        });
        let stream_tasks = TaskTracker::new();
        let templates = Templates::load()?;
        let state = web::Data::new(AppState {
            store: Arc::clone(&store),
            hub: Arc::clone(&hub),
            auth: Arc::clone(&auth),
            customers: customers(&settings, &clock),
            submit_limits: SubmitLimits::new(&settings.submit),
            submit_source: SubmitSource::new(accounts, clock.clone()),
            assets: Assets::load(&templates),
            templates,
            settings,
            clock,
            metrics,
            registry,
            pages: Arc::new(Semaphore::new(routes::LARGE_ANSWERS)),
            lists: Arc::new(Semaphore::new(routes::LARGE_ANSWERS)),
            stream_tasks: stream_tasks.clone(),
        });
        let https_url = https.as_ref().map(|_| https_url(&state.settings, address));
        let redirects = match &https {
            Some(https) => https.redirects(&mut listeners, &state, address.port(), &admission)?,
            None => None,
        };
        let (tls, certificate_files, renewal) = match https {
            Some(https) => (Some(https.tls), https.files, https.renewal),
            None => (None, None, None),
        };
        Ok(Self {
            https_url,
            server: serve(listener, state, admission, tls)?,
            redirects,
            renewal,
            address,
            first_admin,
            store,
            hub,
            auth,
            stream_tasks,
            certificate_files,
        })
    }

    /// The address that the service listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The desk's address for this machine's browsers, with the scheme.
    pub fn url(&self) -> String {
        let plain = || format!("http://{}", self.address);
        self.https_url.clone().unwrap_or_else(plain)
    }

    /// The address of the plain listener beside HTTPS, if there is one.
    pub fn redirect_address(&self) -> Option<SocketAddr> {
        self.redirects.as_ref().map(|(_, address)| *address)
    }

    /// What requests and renews the certificate, if that is done by ACME.
    pub fn renewal(&self) -> Option<&Renewal> {
        self.renewal.as_ref()
    }

    /// The first admin, if it was created on this start.
    pub fn first_admin(&self) -> Option<&FirstAdmin> {
        self.first_admin.as_ref()
    }

    /// The store, for placing orders without HTTP.
    pub fn store(&self) -> Arc<dyn OrderStore> {
        Arc::clone(&self.store)
    }

    /// The hub, for reporting changes that no store has made.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Serves until `shutdown` is cancelled, which returns `Ok`, or until a part of the process ends on its own, which is an
    /// error.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let stop_server = self.server.stop();
        let mut server = tokio::spawn(self.server.run());
        let redirects = self.redirects.map(|(server, _)| server);
        let stop_redirects = stop_if_any(redirects.as_ref().map(HttpServer::stop));
        let mut redirects = redirects.map(|server| tokio::spawn(server.run()));
        let recheck = recheck_streams(&self.auth, &self.hub);
        let result = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            error = self.store.ended() => Err(error),
            error = self.hub.failed() => Err(error),
            ended = &mut server => return Err(anyhow::anyhow!("the HTTP server ended without a shutdown: {ended:?}")),
            ended = end_of(&mut redirects) => return Err(anyhow::anyhow!("the redirect listener ended without a shutdown: {ended:?}")),
            never = renew(self.renewal) => match never {},
            never = recheck => match never {},
            never = follow(self.certificate_files) => match never {},
            never = deliver_open_orders(&*self.store, &self.hub) => match never {},
        };
        let stop_server = stop(stop_server, &self.hub, &self.stream_tasks);
        tokio::join!(stop_server, stop_redirects);
        // Its worker holds the store, which may be opened again after the end.
        if let Some(redirects) = redirects {
            redirects
                .await
                .context("the redirect listener panicked")?
                .context("the redirect listener failed")?;
        }
        server
            .await
            .context("the HTTP server panicked")?
            .context("the HTTP server failed")?;
        result
    }
}

/// Starts the store's watch, which fills the hub. The receiver resolves at the first event.
fn begin_watch(store: &dyn OrderStore, hub: &Arc<Hub>) -> oneshot::Receiver<()> {
    let (begin, begun) = oneshot::channel();
    let (sink, mut begin) = (Arc::clone(hub), Some(begin));
    let window = hub.settings().window;
    store.watch(
        window,
        Box::new(move |event| {
            sink.take(event);
            if let Some(begin) = begin.take() {
                // Startup waits only for a store that is part of the process.
                let _ = begin.send(());
            }
        }),
    );
    begun
}

/// Waits until the local store, if `begun` is one's, has delivered its orders, and creates the first admin if it has none. In a
/// remote store the admin is created when the store is reachable.
async fn first_admin(
    begun: Option<oneshot::Receiver<()>>,
    auth: &Arc<Auth>,
    settings: &AuthSettings,
) -> anyhow::Result<Option<FirstAdmin>> {
    let Some(begun) = begun else {
        make_admin_when_possible(Arc::clone(auth), settings.clone());
        return Ok(None);
    };
    begun
        .await
        .context("the store's watch ended before it delivered the orders")?;
    Ok(auth.ensure_first_admin(settings).await?)
}

/// Creates the admin of the settings in a remote store that has none, as soon as it is reachable. Never generates a password,
/// since it could be printed when no one is watching.
fn make_admin_when_possible(auth: Arc<Auth>, settings: AuthSettings) {
    if settings.admin_email.is_none() || settings.admin_password.is_none() {
        return;
    }
    tokio::spawn(async move {
        while let Err(error) = auth.ensure_first_admin(&settings).await {
            tracing::debug!(%error, "can't create the first admin yet; trying again");
            tokio::time::sleep(ADMIN_RETRY).await;
        }
    });
}

/// The registry of open streams, with the limits of the settings.
fn open_streams(settings: &Settings) -> Arc<OpenStreams> {
    OpenStreams::new(StreamLimits {
        connections: settings.stream.max_connections,
        per_admin: settings.stream.max_per_admin,
        per_address: settings.stream.max_per_address,
    })
}

/// The verifier of customers' ID tokens, if the settings require tokens.
fn customers(settings: &Settings, clock: &Clock) -> Option<FirebaseVerifier> {
    match &settings.submit.auth {
        SubmitAuth::Open => None,
        SubmitAuth::Firebase(firebase) => {
            Some(FirebaseVerifier::new(firebase.clone(), clock.clone()))
        }
    }
}

/// The desk's address over HTTPS: a certificate is for names, so the configured one comes first.
fn https_url(settings: &Settings, address: SocketAddr) -> String {
    let public = settings.server.public_url.as_ref();
    let public = public.filter(|public| public.is_https());
    public.map_or_else(|| format!("https://{address}"), PublicUrl::origin)
}

fn hub_settings(settings: &Settings) -> HubSettings {
    HubSettings {
        window: settings.store.window,
        heartbeat: settings.stream.heartbeat,
        retry: settings.stream.retry,
        max_age: settings.stream.max_age,
    }
}
