use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::{Version, header};
use actix_web::rt::{net::TcpStream, spawn};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;

use super::access::{BearerAdmin, CookieAdmin, client_address, client_name};
use super::assets::takes_gzip;
use super::delivery::Delivery;
use super::error::ApiError;
use super::{AppState, recent};
use crate::auth::{Principal, StreamKind, StreamRefusal};
use crate::http::{ConnectionHandle, Place};
use crate::hub::{Options, Relay, Start, Subscriber};

/// What a refused stream is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long events may be gathered, in milliseconds.
const BATCH_MILLIS: std::ops::RangeInclusive<u64> = 50..=60_000;

#[derive(Deserialize)]
pub(super) struct Query {
    since: Option<String>,
    status: Option<String>,
    batch: Option<String>,
    name: Option<String>,
}

/// The stream for clients with a bearer token.
pub(super) async fn admin(
    BearerAdmin(admin): BearerAdmin,
    request: HttpRequest,
    query: web::Query<Query>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    open(admin, StreamKind::Api, &request, &query, &state)
}

/// The same stream for dashboards.
pub(super) async fn dashboard(
    CookieAdmin(admin): CookieAdmin,
    request: HttpRequest,
    query: web::Query<Query>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    open(admin, StreamKind::Dashboard, &request, &query, &state)
}

fn open(
    admin: Principal,
    kind: StreamKind,
    request: &HttpRequest,
    query: &Query,
    state: &AppState,
) -> Result<HttpResponse, ApiError> {
    let relay = request
        .app_data::<Relay>()
        .ok_or_else(|| ApiError::internal(anyhow::anyhow!("this thread has no relay")))?;
    let connection = request.conn_data::<ConnectionHandle>().ok_or_else(|| {
        ApiError::internal(anyhow::anyhow!(
            "this connection's socket can't be detached"
        ))
    })?;
    let options = options(request, query, state)?;
    let name = query.name.as_ref().map(|name| {
        name.chars()
            .filter(|c| !c.is_control())
            .take(60)
            .collect::<String>()
    });
    let place = state
        .auth
        .streams()
        .open(
            admin,
            kind,
            name.filter(|name| !name.is_empty())
                .unwrap_or_else(|| client_name(request)),
            client_address(request, &state.settings.server.trusted_proxies),
            state.clock.millis(),
        )
        .map_err(|refusal| match refusal {
            StreamRefusal::TooManyFromThere => ApiError::too_many(
                "TOO_MANY_STREAMS",
                "your address has as many streams as it may have",
                RETRY_AFTER,
            ),
            StreamRefusal::Full => ApiError::unavailable(
                "TOO_MANY_STREAMS",
                "the server has as many streams as it may have",
                RETRY_AFTER,
            ),
            StreamRefusal::TooManyOfOne => ApiError::too_many(
                "TOO_MANY_STREAMS",
                "you have as many streams as you may have",
                RETRY_AFTER,
            ),
        })?;
    let gzip = options.gzip;
    let subscriber = Subscriber::new(relay.clone(), start(request, query), options);
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        // The connection ends with the stream, which clients that keep connections have to know.
        .force_close()
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header((header::VARY, "accept-encoding"))
        .insert_header(("x-accel-buffering", "no"));
    if gzip {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    let (clock, deliveries) = (state.clock.clone(), state.deliveries.clone());
    let is_chunked = request.version() >= Version::HTTP_11;
    let begin = Box::new(move |socket, connection| {
        let delivery = Delivery::new(socket, connection, subscriber, place, clock, is_chunked);
        // Nobody waits for the task: it ends with the stream.
        drop(spawn(deliveries.track_future(delivery)));
    });
    let mut response = response.body(StreamBody {
        connection: connection.clone(),
        begin: Some(begin),
    });
    // actix promises chunks to clients that don't know them.
    response.head_mut().no_chunking(!is_chunked);
    Ok(response)
}

/// How long events are gathered.
fn batch(text: &str) -> Result<Duration, ApiError> {
    let millis = text
        .parse()
        .ok()
        .filter(|millis| BATCH_MILLIS.contains(millis));
    millis.map(Duration::from_millis).ok_or_else(|| {
        let range = format!(
            "must be a number of milliseconds from {} to {}",
            BATCH_MILLIS.start(),
            BATCH_MILLIS.end()
        );
        ApiError::invalid("batch", range)
    })
}

/// What the reader wishes, of what it can be given.
fn options(request: &HttpRequest, query: &Query, state: &AppState) -> Result<Options, ApiError> {
    Ok(Options {
        filter: recent::filter(query.status.as_deref())?,
        batch: query.batch.as_deref().map(batch).transpose()?,
        gzip: state.settings.stream.gzip && takes_gzip(request),
    })
}

/// Where the stream starts. A reconnecting client's header wins over the address, which is that of its first connection.
///
/// A position that can't be read ends in a `reset`, never in an error: a browser's EventSource gives up for good on any
/// status but 200.
fn start(request: &HttpRequest, query: &Query) -> Start {
    let header = request
        .headers()
        .get("last-event-id")
        .filter(|value| !value.is_empty());
    let text = match header {
        Some(value) => value.to_str().ok(),
        None => match query.since.as_deref() {
            None | Some("") => return Start::Now,
            since => since,
        },
    };
    text.and_then(|text| text.parse().ok())
        .map_or(Start::Unreadable, Start::After)
}

/// A stream's body, which makes the delivery take the connection over once the head has gone out.
struct StreamBody {
    connection: ConnectionHandle,
    begin: Option<Box<dyn FnOnce(TcpStream, Place)>>,
}

impl MessageBody for StreamBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if let Some(begin) = self.begin.take() {
            self.connection.detach(begin);
        }
        // actix drops the body with the connection that it has lost.
        Poll::Pending
    }
}

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
