use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::http::header;
use actix_web::rt::spawn;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use serde::Deserialize;

use super::access::{BearerAdmin, CookieAdmin, client_address, client_name};
use super::assets::takes_gzip;
use super::error::ApiError;
use super::recent;
use super::state::AppState;
use crate::auth::{OpenStream, Principal, StreamKind, StreamRefusal};
use crate::clock::Clock;
use crate::http::{self, StreamConnection, StreamSource};
use crate::hub::{Listener, Options, Relay, Start, Subscriber};

/// `Retry-After` of a refused stream.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Allowed range of the batch interval, in milliseconds.
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
    let options = options(request, query, state)?;
    let address = client_address(request, &state.settings.server.trusted_proxies);
    let place = state
        .auth
        .streams()
        .open(
            admin,
            kind,
            screen_name(request, query),
            address,
            state.clock.millis(),
        )
        .map_err(refused)?;
    let response = head(options.gzip);
    let events = Events {
        subscriber: Subscriber::new(relay.clone(), start(request, query), options),
        place,
        clock: state.clock.clone(),
    };
    let (streams, version) = (state.stream_tasks.clone(), request.version());
    http::detached(request, response, move |socket| {
        let stream = StreamConnection::new(socket, events, version);
        let listener: Weak<dyn Listener> = Rc::downgrade(&stream) as _;
        stream.source().subscriber.listen(listener);
        // The task ends with the stream.
        drop(spawn(streams.track_future(stream.run())));
    })
    .map_err(ApiError::internal)
}

/// The name that admins see for this stream.
fn screen_name(request: &HttpRequest, query: &Query) -> String {
    let given = query.name.as_deref().unwrap_or_default();
    let name: String = given.chars().filter(|c| !c.is_control()).take(60).collect();
    if name.is_empty() {
        client_name(request)
    } else {
        name
    }
}

fn refused(refusal: StreamRefusal) -> ApiError {
    const CODE: &str = "TOO_MANY_STREAMS";
    match refusal {
        StreamRefusal::TooManyFromThere => ApiError::too_many(
            CODE,
            "too many streams are open from this address: close one",
            RETRY_AFTER,
        ),
        StreamRefusal::Full => ApiError::unavailable(
            CODE,
            "too many streams are open on this server: try again later",
            RETRY_AFTER,
        ),
        StreamRefusal::TooManyOfOne => ApiError::too_many(
            CODE,
            "too many streams are open for this admin or token: close one",
            RETRY_AFTER,
        ),
    }
}

/// Status and headers of a stream.
fn head(gzip: bool) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        // Names the charset, which is always UTF-8, for clients that assume Latin-1 otherwise.
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header((header::VARY, "accept-encoding"))
        .insert_header(("x-accel-buffering", "no"));
    if gzip {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    response
}

/// A subscriber's events, until its credential ends.
struct Events {
    subscriber: Subscriber,
    place: OpenStream,
    clock: Clock,
}

impl StreamSource for Events {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let chunk = if self.place.is_ended() {
            self.subscriber.end()
        } else {
            ready!(self.subscriber.poll_chunk(cx))
        };
        if chunk.is_some() {
            self.place.delivered(self.clock.millis());
        }
        Poll::Ready(chunk)
    }

    fn is_revoked(&mut self) -> bool {
        self.place.is_ended()
    }
}

impl Listener for StreamConnection<Events> {
    fn notify(&self) {
        Self::notify(self);
    }
}

/// Parses the batch interval.
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

/// The stream's options, from the request and the settings.
fn options(request: &HttpRequest, query: &Query, state: &AppState) -> Result<Options, ApiError> {
    Ok(Options {
        filter: recent::filter(query.status.as_deref())?,
        batch: query.batch.as_deref().map(batch).transpose()?,
        gzip: state.settings.stream.gzip && takes_gzip(request),
    })
}

/// Where the stream starts. The header of a reconnecting client takes precedence over the query, which is from its first
/// connection.
///
/// An invalid cursor leads to a `reset`, never to an error: a browser's EventSource stops for good on any status but 200.
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

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
