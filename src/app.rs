//! Puts everything together, and takes it down again.
//!
//! The program is a function of its settings, a bound listener and the signal to stop. Whatever ends by itself ends the
//! process with an error.

mod sockets;
mod stores;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Protocol, Request};
use actix_server::{Server, ServerHandle};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App as ActixApp, Error, web};
use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_actix_web::TracingLogger;

use crate::auth::firebase::FirebaseVerifier;
use crate::auth::{Auth, FirstAdmin, OpenStreams, StreamLimits};
use crate::clock::Clock;
use crate::connection::Connection;
use crate::hub::{Hub, HubSettings, Relay};
use crate::routes::{self, AppState, Assets, SubmitLimits, SubmitSource, Templates};
use crate::settings::{AuthSettings, Settings, SubmitAuth};
use crate::store::OrderStore;
use crate::telemetry::{self, RouteMetrics};
use stores::Stores;

pub use stores::accounts;

/// How often open streams are checked against what their credentials are worth.
const RECHECK_INTERVAL: Duration = Duration::from_secs(15);
/// How long to wait before the first admin is tried again.
const ADMIN_RETRY: Duration = Duration::from_secs(5);
/// How long requests and streams may take to end, once the process is told to stop. Those that don't are cut.
const SHUTDOWN_PATIENCE_SECONDS: u64 = 2;

/// The service, listening and not yet running.
pub struct App {
    server: Server,
    address: SocketAddr,
    first_admin: Option<FirstAdmin>,
    store: Arc<dyn OrderStore>,
    hub: Arc<Hub>,
    auth: Arc<Auth>,
    deliveries: TaskTracker,
}

impl App {
    /// Opens the store, fills the hub and binds the address.
    pub async fn build(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let Stores {
            orders: store,
            accounts,
            is_local,
            register,
        } = Stores::open(&settings.store.kind, clock.clone())?;
        let hub = Hub::new(hub_settings(&settings), clock.clone());
        let begun = begin_watch(&*store, &hub);
        accounts.watch_accounts();

        let streams = OpenStreams::new(StreamLimits {
            connections: settings.stream.max_connections,
            per_admin: settings.stream.max_per_admin,
            per_address: settings.stream.max_per_address,
        });
        let submit_source = SubmitSource::new(Arc::clone(&accounts), clock.clone());
        let auth = Arc::new(Auth::new(accounts, &settings.auth, streams, clock.clone()));
        let first_admin = if is_local {
            begun
                .await
                .context("the store's watch has ended before it began")?;
            auth.ensure_first_admin(&settings.auth).await?
        } else {
            make_admin_when_possible(Arc::clone(&auth), settings.auth.clone());
            None
        };

        let host = SocketAddr::new(settings.server.host, settings.server.port);
        let listener = sockets::listen(host).with_context(|| format!("can't listen on {host}"))?;
        let address = listener.local_addr()?;
        sockets::raise_file_limit(settings.stream.max_connections);
        let metrics = RouteMetrics::default();
        let registry = telemetry::registry(|registry| {
            hub.metrics().register(registry);
            metrics.register(registry);
            register(registry);
        });
        let customers = match &settings.submit.auth {
            SubmitAuth::Open => None,
            SubmitAuth::Firebase(firebase) => {
                Some(FirebaseVerifier::new(firebase.clone(), clock.clone()))
            }
        };
        let deliveries = TaskTracker::new();
        let state = web::Data::new(AppState {
            store: Arc::clone(&store),
            hub: Arc::clone(&hub),
            auth: Arc::clone(&auth),
            customers,
            submit_limits: SubmitLimits::new(&settings.submit),
            submit_source,
            templates: Templates::load()?,
            assets: Assets::load(),
            settings,
            clock,
            metrics,
            registry,
            deliveries: deliveries.clone(),
        });
        Ok(Self {
            server: serve(listener, state)?,
            address,
            first_admin,
            store,
            hub,
            auth,
            deliveries,
        })
    }

    /// Where the service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first admin, if this start has made it.
    pub fn first_admin(&self) -> Option<&FirstAdmin> {
        self.first_admin.as_ref()
    }

    /// The store, for whoever places orders without HTTP.
    pub fn store(&self) -> Arc<dyn OrderStore> {
        Arc::clone(&self.store)
    }

    /// The hub, for whoever tells it of changes that no store has made.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Serves until `shutdown` is cancelled, which is a success, or until a part of the process ends by itself.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let handle = self.server.handle();
        let mut server = tokio::spawn(self.server);
        let recheck = recheck_streams(&self.auth, &self.hub);
        let result = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            error = self.store.ended() => Err(error),
            error = self.hub.failed() => Err(error),
            ended = &mut server => return Err(anyhow::anyhow!("the HTTP server has ended by itself: {ended:?}")),
            never = recheck => match never {},
        };
        stop(&handle, &self.hub, &self.deliveries).await;
        server
            .await
            .context("the HTTP server has panicked")?
            .context("the HTTP server has failed")?;
        result
    }
}

/// Lets the store's watch fill the hub; the answer comes with the first that it tells.
fn begin_watch(store: &dyn OrderStore, hub: &Arc<Hub>) -> oneshot::Receiver<()> {
    let (begin, begun) = oneshot::channel();
    let (sink, mut begin) = (Arc::clone(hub), Some(begin));
    let window = hub.settings().window;
    store.watch(
        window,
        Box::new(move |event| {
            sink.take(event);
            if let Some(begin) = begin.take() {
                // Only a store that is part of the process is waited for.
                let _ = begin.send(());
            }
        }),
    );
    begun
}

/// Makes the admin of the settings in a store that may be away, if it has none. No password is made up there: nobody may be
/// watching when it would be printed.
fn make_admin_when_possible(auth: Arc<Auth>, settings: AuthSettings) {
    if settings.admin_email.is_none() || settings.admin_password.is_none() {
        return;
    }
    tokio::spawn(async move {
        while let Err(error) = auth.ensure_first_admin(&settings).await {
            tracing::debug!(%error, "the first admin can't be made yet");
            tokio::time::sleep(ADMIN_RETRY).await;
        }
    });
}

fn hub_settings(settings: &Settings) -> HubSettings {
    HubSettings {
        window: settings.store.window,
        heartbeat: settings.stream.heartbeat,
        retry: settings.stream.retry,
        max_age: settings.stream.max_age,
    }
}

fn serve(listener: TcpListener, state: web::Data<AppState>) -> anyhow::Result<Server> {
    let settings = &state.settings;
    let limits = sockets::SocketLimits {
        write_timeout: settings.stream.write_timeout,
        send_buffer: settings.stream.send_buffer,
    };
    let (workers, request_timeout) = (settings.server.workers, settings.server.request_timeout);
    if settings.auth.insecure_cookies {
        tracing::warn!(
            "auth.insecure_cookies is set: sessions can be stolen by anybody who sees the network's traffic"
        );
    }
    let server = Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_PATIENCE_SECONDS);
    let stopping = server.graceful_shutdown_signal();
    // What actix's HttpServer does as well, but with connections that can be taken over.
    let server = server.listen("orderbell", listener, move || {
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(Duration::from_secs(30))
            .client_request_timeout(request_timeout)
            .client_disconnect_timeout(Duration::from_secs(2))
            // A client that has closed its side is dropped at once.
            .h1_allow_half_closed(false)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.takeover());
            })
            .finish(map_config(service(state.clone()), |()| {
                AppConfig::default()
            }));
        fn_service(move |socket: TcpStream| async move {
            limits.apply(&socket);
            let client = socket.peer_addr().ok();
            Ok((Connection::new(socket), Protocol::Http1, client))
        })
        .and_then(http)
    });
    Ok(server.context("can't serve on the listener")?.run())
}

/// One worker thread's requests.
fn service(
    state: web::Data<AppState>,
) -> impl ServiceFactory<
    Request,
    Config = AppConfig,
    Response = ServiceResponse<impl MessageBody>,
    Error = Error,
    InitError = (),
> {
    let has_https = state.settings.has_public_https();
    let origins = state.settings.server.allowed_origins.clone();
    ActixApp::new()
        .app_data(Relay::start(Arc::clone(&state.hub)))
        .app_data(state)
        .wrap(from_fn(routes::translate_errors))
        .wrap(routes::default_headers(has_https))
        .wrap(TracingLogger::<telemetry::RequestSpan>::new())
        .configure(|config| routes::configure(config, &origins))
        .into_factory()
}

/// Streams say `bye`, requests come to their end, and what is left is cut.
async fn stop(server: &ServerHandle, hub: &Hub, deliveries: &TaskTracker) {
    tracing::info!("stopping");
    hub.close();
    deliveries.close();
    let patience = Duration::from_secs(SHUTDOWN_PATIENCE_SECONDS);
    if tokio::time::timeout(patience, deliveries.wait())
        .await
        .is_err()
    {
        tracing::info!(
            streams = deliveries.len(),
            "cutting streams whose clients don't read"
        );
    }
    // The workers go, and what they run goes with them.
    server.stop(true).await;
}

async fn recheck_streams(auth: &Auth, hub: &Hub) -> std::convert::Infallible {
    let mut interval = tokio::time::interval(RECHECK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        telemetry::report_malformed_requests();
        if auth.recheck_streams().await {
            hub.check_subscribers();
        }
    }
}
