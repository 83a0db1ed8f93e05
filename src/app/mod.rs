//! Assembles the service, runs it, and shuts it down.
//!
//! The program is a function of its settings, a bound listener and a shutdown signal. If any part ends on its own, the process
//! ends with an error.

mod stores;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App as ActixApp, Error, web};
use actix_web_lab::middleware::CatchPanic;
use anyhow::Context as _;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_actix_web::TracingLogger;

use crate::auth::firebase::FirebaseVerifier;
use crate::auth::{Auth, AuthSettings, FirstAdmin, OpenStreams, StreamLimits};
use crate::clock::Clock;
use crate::http::{
    self, Admission, AdmissionLimits, Deadlines, HttpServer, ServerSettings, SocketLimits,
};
use crate::hub::{Hub, HubSettings, Relay};
use crate::routes::{self, AppState, Assets, RouteMetrics, SubmitLimits, SubmitSource, Templates};
use crate::settings::{Settings, SubmitAuth};
use crate::store::OrderStore;
use crate::telemetry;
use stores::Stores;

pub use stores::accounts;

/// How often the credentials of open streams are re-checked.
const RECHECK_INTERVAL: Duration = Duration::from_secs(15);
/// How often to check for room for open orders that were left out.
const OPEN_ORDERS_INTERVAL: Duration = Duration::from_secs(5);
/// How often they are requested again if nothing has changed: the store may have failed to deliver.
const OPEN_ORDERS_AGAIN: Duration = Duration::from_secs(900);
/// Minimum time between warnings about open orders left out.
const HIDDEN_ORDERS_WARNING: Duration = Duration::from_secs(600);
/// Pause before creating the first admin is tried again.
const ADMIN_RETRY: Duration = Duration::from_secs(5);
/// Number of connections in addition to those of streams.
const OTHER_CONNECTIONS: usize = 2_048;
/// How long a connection may stay open without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
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

        let auth = Arc::new(Auth::new(
            Arc::clone(&accounts),
            &settings.auth,
            open_streams(&settings),
            clock.clone(),
        ));
        let first_admin = if is_local {
            first_admin(begun, &auth, &settings.auth).await?
        } else {
            make_admin_when_possible(Arc::clone(&auth), settings.auth.clone());
            None
        };

        let (listener, address) = listen(&settings)?;
        let admission = admission(&settings);
        let metrics = RouteMetrics::default();
        let registry = telemetry::registry(|registry| {
            hub.register(registry);
            auth.streams().register(registry);
            metrics.register(registry);
            admission.register(registry);
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
        Ok(Self {
            server: serve(listener, state, admission)?,
            address,
            first_admin,
            store,
            hub,
            auth,
            stream_tasks,
        })
    }

    /// The address that the service listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        let recheck = recheck_streams(&self.auth, &self.hub);
        let result = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            error = self.store.ended() => Err(error),
            error = self.hub.failed() => Err(error),
            ended = &mut server => return Err(anyhow::anyhow!("the HTTP server ended without a shutdown: {ended:?}")),
            never = recheck => match never {},
            never = deliver_open_orders(&*self.store, &self.hub) => match never {},
        };
        stop(stop_server, &self.hub, &self.stream_tasks).await;
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

/// Waits until the local store has delivered its orders, and creates the first admin if the store has none.
async fn first_admin(
    begun: oneshot::Receiver<()>,
    auth: &Auth,
    settings: &AuthSettings,
) -> anyhow::Result<Option<FirstAdmin>> {
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

/// Binds the address of the settings. Returns the actual one: the system chooses the port if the settings have port 0.
fn listen(settings: &Settings) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let host = SocketAddr::new(settings.server.host, settings.server.port);
    let listener = http::listen(host).with_context(|| format!("can't listen on {host}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
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

fn hub_settings(settings: &Settings) -> HubSettings {
    HubSettings {
        window: settings.store.window,
        heartbeat: settings.stream.heartbeat,
        retry: settings.stream.retry,
        max_age: settings.stream.max_age,
    }
}

/// Limits of connections: streams plus room for other requests, within the limit of open files.
fn admission(settings: &Settings) -> Arc<Admission> {
    let wanted = settings.stream.max_connections + OTHER_CONNECTIONS;
    let limits = AdmissionLimits {
        total: http::raise_file_limit(wanted),
        per_address: settings.server.max_per_address,
    };
    let trusted = settings.server.trusted_proxies.clone();
    Admission::new(limits, move |address| {
        address.is_loopback() || trusted.iter().any(|network| network.contains(&address))
    })
}

fn serve(
    listener: TcpListener,
    state: web::Data<AppState>,
    admission: Arc<Admission>,
) -> anyhow::Result<HttpServer> {
    let settings = &state.settings;
    if settings.cookies.insecure {
        tracing::warn!(
            "auth.insecure_cookies is set: a session can be stolen by reading the network's traffic; use HTTPS instead"
        );
    }
    let server = ServerSettings {
        workers: settings.server.workers,
        deadlines: Deadlines {
            request: settings.server.request_timeout,
            idle: IDLE_TIMEOUT,
            write: settings.stream.write_timeout,
        },
        sockets: SocketLimits {
            write_timeout: settings.stream.write_timeout,
            send_buffer: settings.stream.send_buffer,
        },
        shutdown_seconds: SHUTDOWN_PATIENCE_SECONDS,
    };
    http::serve(listener, server, admission, move || application(&state))
        .context("can't serve on the listener")
}

/// Routes and middleware of one worker thread.
fn application(
    state: &web::Data<AppState>,
) -> ActixApp<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let has_https = state.settings.has_public_https();
    let origins = state.settings.server.allowed_origins.clone();
    ActixApp::new()
        .app_data(Relay::start(Arc::clone(&state.hub)))
        .app_data(state.clone())
        .wrap(CatchPanic::default())
        .wrap(from_fn(routes::translate_errors))
        .wrap(from_fn(routes::answer_head))
        .wrap(routes::add_default_headers(has_https))
        .wrap(TracingLogger::<telemetry::RequestSpan>::new())
        .configure(|config| routes::configure(config, &origins))
}

/// Sends `bye` on streams, lets requests end, and cuts off the rest.
async fn stop(server: impl Future<Output = ()>, hub: &Hub, streams: &TaskTracker) {
    tracing::info!("shutting down");
    hub.close();
    streams.close();
    let patience = Duration::from_secs(SHUTDOWN_PATIENCE_SECONDS);
    if tokio::time::timeout(patience, streams.wait())
        .await
        .is_err()
    {
        tracing::info!(
            streams = streams.len(),
            "disconnecting streams whose clients don't read"
        );
    }
    // Ends the workers and the tasks they run.
    server.await;
}

/// Requests the open orders that were left out once there is room.
async fn deliver_open_orders(store: &dyn OrderStore, hub: &Hub) -> std::convert::Infallible {
    let mut next_warning = Instant::now();
    let mut last = None;
    let mut asked_at = Instant::now();
    loop {
        tokio::time::sleep(OPEN_ORDERS_INTERVAL).await;
        let holding = hub.holding();
        // If nothing has changed since the last delivery, another one brings nothing new.
        let is_due = last != Some(holding) || asked_at.elapsed() > OPEN_ORDERS_AGAIN;
        if hub.wants_open_orders() && is_due {
            asked_at = Instant::now();
            store.deliver_open_orders();
        }
        last = Some(holding);
        if holding.hidden_open > 0 && Instant::now() >= next_warning {
            next_warning = Instant::now() + HIDDEN_ORDERS_WARNING;
            tracing::warn!(
                open = holding.open,
                hidden = holding.hidden_open,
                "some open orders are not on the desk, since there are more than store.max_open: close old ones, or raise it"
            );
        }
    }
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
