//! TLS: its configuration, and the handshakes of new connections.

mod session;
mod strangers;
mod stream;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::admission::{Cut, Place};
use super::certificates::{ACME_PROTOCOL, Certificates, Resolver};
use session::Session;
use strangers::Strangers;
pub(super) use stream::TlsStream;

/// The only protocol of requests.
const HTTP: &[u8] = b"http/1.1";
/// First byte of a TLS connection: a record with a handshake message.
const HANDSHAKE_RECORD: u8 = 22;
/// Answer to a request that came without TLS.
const NEEDS_HTTPS: &str = "This port speaks HTTPS: the address has to begin with https://.\n";

/// Reads of 4 KiB of a request that came without TLS, before it is answered.
const REFUSED_READS: usize = 16;

/// What a TLS listener does, and what its handshakes may cost.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    limits: HandshakeLimits,
    /// Handshakes of clients of unknown addresses.
    strangers: Arc<Strangers>,
    metrics: Metrics,
}

/// Limits of handshakes.
#[derive(Debug, Clone, Copy)]
pub struct HandshakeLimits {
    /// How long a client may let the server wait during its handshake, in all.
    pub patience: Duration,
    /// Handshakes that clients of unknown addresses may have under way; a further one ends another.
    pub strangers: usize,
}

#[derive(Clone, Default)]
struct Metrics {
    open: Gauge,
    ended: Family<[(&'static str, &'static str); 1], Counter>,
}

/// How a handshake has ended, other than well.
#[derive(Debug)]
enum Failure {
    /// The client has sent something that is not TLS, or has refused something.
    Refused(io::Error),
    /// The client has let the server wait for too long.
    TimedOut,
    /// Others needed the place.
    Evicted,
    /// The client speaks HTTP without TLS.
    PlainHttp,
    /// The connection has shown a certificate to an ACME authority, which is all it is for.
    Challenge,
}

impl Failure {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Refused(_) => "failed",
            Self::TimedOut => "timed_out",
            Self::Evicted => "evicted",
            Self::PlainHttp => "plain_http",
            Self::Challenge => "challenge",
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

impl Tls {
    /// TLS 1.2 and 1.3 with these certificates, and with tickets that let clients resume their sessions.
    pub fn new(certificates: &Certificates, limits: HandshakeLimits) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(certificates.clone())));
        config.alpn_protocols = vec![HTTP.to_vec(), ACME_PROTOCOL.to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        // Tickets hold the sessions.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            config: Arc::new(config),
            limits,
            strangers: Arc::new(Strangers::new(limits.strangers)),
            metrics: Metrics::default(),
        })
    }

    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tls_handshakes_open",
            "TLS handshakes under way",
            self.metrics.open.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes that have ended, by outcome",
            self.metrics.ended.clone(),
        );
    }

    /// Makes the handshake with a new connection's client. While it lasts, the connection counts as one that waits for a request.
    pub(super) async fn accept(&self, socket: TcpStream, place: &Place) -> io::Result<TlsStream> {
        let _open = Open::new(&self.metrics.open);
        // Boxed, or the task of every plain connection would have room for a handshake.
        let handshake = Box::pin(self.handshake(socket, place));
        let result = unless_evicted(place, handshake).await;
        let outcome = result
            .as_ref()
            .map_or_else(Failure::outcome, |stream| stream.session().outcome());
        self.metrics
            .ended
            .get_or_create(&[("outcome", outcome)])
            .inc();
        result.map_err(|failure| match failure {
            Failure::Refused(error) => {
                tracing::debug!(%error, "a TLS handshake has failed");
                error
            }
            Failure::TimedOut => {
                place.count_cut(Cut::SlowHandshake);
                io::ErrorKind::TimedOut.into()
            }
            Failure::Evicted => {
                place.count_cut(Cut::Evicted);
                io::ErrorKind::ConnectionAborted.into()
            }
            Failure::PlainHttp | Failure::Challenge => io::ErrorKind::ConnectionAborted.into(),
        })
    }

    async fn handshake(&self, socket: TcpStream, place: &Place) -> Result<TlsStream, Failure> {
        let mut patience = Patience(self.limits.patience);
        let mut first = [0];
        if patience.spend(socket.peek(&mut first)).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if first[0] != HANDSHAKE_RECORD {
            return Err(refuse(socket, first[0]).await);
        }
        if place.is_known() {
            return self.exchange(socket, patience).await;
        }
        // Counted from the client's first byte on, so that clients that send nothing don't use the strangers' share.
        let under_way = self.strangers.begin(place.network());
        tokio::select! {
            biased;
            result = self.exchange(socket, patience) => result,
            () = under_way.displaced() => Err(Failure::Evicted),
        }
    }

    /// The handshake's messages.
    async fn exchange(
        &self,
        socket: TcpStream,
        mut patience: Patience,
    ) -> Result<TlsStream, Failure> {
        let mut turn = take_turn().await;
        let mut stream = TlsStream::new(socket, Session::new(Arc::clone(&self.config))?);
        loop {
            stream.step().await?;
            if !stream.session().is_handshaking() && stream.is_flushed() {
                break;
            }
            yield_now().await;
            drop(turn);
            patience
                .spend(poll_fn(|cx| stream.poll_handshake(cx)))
                .await?;
            turn = take_turn().await;
        }
        yield_now().await;
        if stream.session().protocol() == Some(ACME_PROTOCOL) {
            // The authority has seen the certificate in the handshake.
            poll_fn(|cx| stream.poll_shutdown(cx)).await?;
            return Err(Failure::Challenge);
        }
        Ok(stream)
    }
}

/// Waits for this thread's turn for one step of a handshake.
///
/// A step takes most of a millisecond (a signature, a key exchange). The thread does one each time that it has looked at its other
/// tasks, since the turn is held over [`yield_now`]. So a flood of handshakes doesn't hold up streams and requests.
async fn take_turn() -> Option<OwnedSemaphorePermit> {
    thread_local! {
        static TURN: Arc<Semaphore> = Arc::new(Semaphore::new(1));
    }
    TURN.with(Arc::clone).acquire_owned().await.ok()
}

/// What is left of the time that a client may let the server wait.
struct Patience(Duration);

impl Patience {
    async fn spend<T>(&mut self, wait: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
        let since = Instant::now();
        let result = timeout(self.0, wait).await;
        self.0 = self.0.saturating_sub(since.elapsed());
        Ok(result.map_err(|_| Failure::TimedOut)??)
    }
}

async fn unless_evicted<T>(
    place: &Place,
    handshake: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut handshake = pin!(handshake);
    poll_fn(|cx| {
        if place.poll_evicted(true, cx) {
            return Poll::Ready(Err(Failure::Evicted));
        }
        handshake.as_mut().poll(cx)
    })
    .await
}

/// Ends a connection that doesn't begin with a TLS handshake. Tells clients that speak HTTP what to do.
async fn refuse(socket: TcpStream, first: u8) -> Failure {
    if !first.is_ascii_uppercase() {
        return io::Error::new(io::ErrorKind::InvalidData, "the client doesn't speak TLS").into();
    }
    // With unread bytes, the kernel would reset the connection, and the client might not see the answer.
    for _ in 0..REFUSED_READS {
        if !matches!(socket.try_read(&mut [0; 4_096]), Ok(1..)) {
            break;
        }
    }
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{NEEDS_HTTPS}",
        NEEDS_HTTPS.len()
    );
    let _ = socket.try_write(answer.as_bytes());
    let mut socket = socket;
    let _ = socket.shutdown().await;
    Failure::PlainHttp
}

/// A handshake that is counted while it lasts.
struct Open<'a>(&'a Gauge);

impl<'a> Open<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
