use utoipa::IntoParams;

use super::events::StreamEvent;
use super::order_schemas::StatusFilter;
use super::refusals::{OfAdmins, OfParameters};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// Go on after this cursor. `Last-Event-ID` wins where both are there. A cursor that can't be read is answered with a
    /// `reset` event, because browsers give up for good on any status but 200.
    since: Option<String>,
    /// Only orders that come into one of these statuses, are in it, or leave it.
    status: Option<StatusFilter>,
    /// Gather events for so many milliseconds and send them as one `batch`.
    #[param(minimum = 50, maximum = 60_000)]
    batch: Option<u32>,
    /// What the client calls itself, shown to the admins; the first 60 characters are kept.
    name: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct StreamHeaders {
    /// The `id` of the last event that was seen.
    #[param(rename = "Last-Event-ID", nullable = false)]
    last_event_id: Option<String>,
}

/// Follow orders with a token
///
/// Server-sent events, without an end. After a cut, send the last `id` as `Last-Event-ID` to miss nothing. The answer is
/// compressed for clients that accept gzip; every event can be read as soon as it arrives.
#[utoipa::path(
    get,
    path = "/api/admin/stream/orders",
    operation_id = "streamOrders",
    tag = "streams",
    params(StreamQuery, StreamHeaders),
    responses(
        (status = 200, description = "Events, as they happen.", content(("text/event-stream", item_schema = StreamEvent))),
        OfParameters,
        OfAdmins,
    ),
    security(("bearer" = []))
)]
pub(super) fn bearer_stream() {}

/// Follow orders with a session
///
/// The same stream for browsers, whose `EventSource` can't send a token.
#[utoipa::path(
    get,
    path = "/api/stream-orders",
    operation_id = "streamOrdersOfSession",
    tag = "streams",
    params(StreamQuery, StreamHeaders),
    responses(
        (status = 200, description = "Events, as they happen.", content(("text/event-stream", item_schema = StreamEvent))),
        OfParameters,
        OfAdmins,
    ),
    security(("session" = []))
)]
pub(super) fn session_stream() {}
