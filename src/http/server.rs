//! The HTTP server: actix's parts, on connections whose sockets can be detached.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, Error};

use super::admission::Admission;
use super::connection::{Connection, track_exchange};
use super::exchange::Deadlines;
use super::sockets::SocketLimits;
use super::tls::Tls;
use super::transport::Transport;

/// How long the client may take to close its side after the last answer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What a server is like.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings {
    /// Threads that serve connections.
    pub workers: usize,
    /// How long connections may wait and take.
    pub deadlines: Deadlines,
    /// What the kernel does for a connection.
    pub sockets: SocketLimits,
    /// How long requests may take to end when the server is stopped, in seconds.
    pub shutdown_seconds: u64,
}

/// A server that listens. It serves when [`run`](Self::run) is polled.
pub struct HttpServer(Server);

/// Serves `app`, built once in each worker thread, on connections that `admission` takes, over TLS if `tls` is given.
///
/// actix-web's own `HttpServer` does the same with plain sockets.
pub fn serve<F, T, B>(
    listener: TcpListener,
    settings: ServerSettings,
    admission: Arc<Admission>,
    tls: Option<Tls>,
    app: F,
) -> io::Result<HttpServer>
where
    F: Fn() -> App<T> + Clone + Send + 'static,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let deadlines = settings.deadlines;
    let server = Server::build()
        .workers(settings.workers)
        // At a limit of its own a worker would accept no connection at all; `Admission` chooses which one has to end.
        .max_concurrent_connections(usize::MAX)
        .disable_signals()
        .shutdown_timeout(settings.shutdown_seconds);
    let stopping = server.graceful_shutdown_signal();
    let entrance = Entrance {
        admission,
        tls,
        deadlines,
        sockets: settings.sockets,
        stopping: stopping.clone(),
    };
    let server = server.listen("orderbell", listener, move || {
        let stopping = stopping.clone();
        let app = app().wrap(from_fn(track_exchange)).into_factory();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(deadlines.idle)
            .client_request_timeout(deadlines.request)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            // A client that has closed its side is dropped at once.
            .h1_allow_half_closed(false)
            .on_connect_ext(|connection: &Connection, data| {
                if let Some(handle) = connection.handle() {
                    data.insert(handle);
                }
            })
            .finish(map_config(app, |()| AppConfig::default()));
        let entrance = entrance.clone();
        fn_service(move |socket| entrance.clone().accept(socket)).and_then(http)
    });
    Ok(HttpServer(server?.run()))
}

/// Turns accepted sockets into connections.
#[derive(Clone)]
struct Entrance {
    admission: Arc<Admission>,
    tls: Option<Tls>,
    deadlines: Deadlines,
    sockets: SocketLimits,
    stopping: GracefulShutdownSignal,
}

impl Entrance {
    /// Finds a place for the client, and makes the TLS handshake.
    async fn accept(
        self,
        socket: TcpStream,
    ) -> Result<(Connection, Protocol, Option<SocketAddr>), DispatchError> {
        // A client that has gone already has no address any more.
        let client = socket.peer_addr().map_err(DispatchError::Io)?;
        let place = self
            .admission
            .admit(client.ip())
            .map_err(|_| DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))?;
        self.sockets.apply(&socket);
        let transport = match &self.tls {
            None => Transport::Plain(socket),
            Some(tls) => tokio::select! {
                accepted = tls.accept(socket, &place) => {
                    Transport::Tls(Box::new(accepted.map_err(DispatchError::Io)?))
                }
                () = self.stopping.notified() => {
                    return Err(DispatchError::Io(io::ErrorKind::ConnectionAborted.into()));
                }
            },
        };
        let connection = Connection::new(transport, place, self.deadlines);
        Ok((connection, Protocol::Http1, Some(client)))
    }
}

impl HttpServer {
    /// Stops the server: requests come to their end, what is left after the time for that is cut.
    pub fn stop(&self) -> impl Future<Output = ()> + Send + 'static {
        let handle = self.0.handle();
        async move { handle.stop(true).await }
    }

    /// Serves until the server is stopped.
    pub async fn run(self) -> io::Result<()> {
        self.0.await
    }
}
