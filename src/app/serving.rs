//! The HTTP server of the desk: its limits, its routes and its middleware.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App as ActixApp, Error, web};
use actix_web_lab::middleware::CatchPanic;
use anyhow::Context as _;
use tracing_actix_web::TracingLogger;

use crate::http::{
    self, Admission, AdmissionLimits, Deadlines, HttpServer, ServerSettings, SocketLimits, Tls,
};
use crate::hub::Relay;
use crate::routes::{self, AppState};
use crate::settings::Settings;
use crate::telemetry;

use super::SHUTDOWN_PATIENCE_SECONDS;

/// Number of connections in addition to those of streams.
const OTHER_CONNECTIONS: usize = 2_048;
/// How long a connection may stay open without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Limits of connections: streams plus room for other requests, within the limit of open files.
pub(super) fn admission(settings: &Settings) -> Arc<Admission> {
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

pub(super) fn serve(
    listener: TcpListener,
    state: web::Data<AppState>,
    admission: Arc<Admission>,
    tls: Option<Tls>,
) -> anyhow::Result<HttpServer> {
    let settings = &state.settings;
    if settings.cookies.insecure {
        tracing::warn!(
            "auth.insecure_cookies is set: a session can be stolen by reading the network's traffic; use HTTPS instead"
        );
    }
    let server = server_settings(settings);
    http::serve(listener, server, admission, tls, move || {
        application(&state)
    })
    .context("can't serve on the listener")
}

pub(super) fn server_settings(settings: &Settings) -> ServerSettings {
    ServerSettings {
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
    }
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
