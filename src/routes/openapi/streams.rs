use utoipa::IntoParams;

use super::events::StreamEvent;
use super::order_schemas::StatusFilter;
use super::refusals::{OfAdmins, OfParameters};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// Resume after this cursor. If `Last-Event-ID` is sent as well, `since` is ignored. A cursor that can't be read gets a
    /// `reset` event and not an error, because browsers never reconnect after a status other than 200.
    since: Option<String>,
    /// Only orders that have one of these statuses, get one, or lose one.
    status: Option<StatusFilter>,
    /// Collect events for this many milliseconds, and send them as one `batch`.
    #[param(minimum = 50, maximum = 60_000)]
    batch: Option<u32>,
    /// Name of the client, shown to admins. The first 60 characters count.
    name: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct StreamHeaders {
    /// The `id` of the last event that the client received.
    #[param(rename = "Last-Event-ID", nullable = false)]
    last_event_id: Option<String>,
}

/// Follow orders with a token
///
/// An endless stream of server-sent events. After a lost connection, send the last `id` as `Last-Event-ID`: no change is missed
/// then. The stream is compressed for clients that accept gzip; each event can still be read as soon as it arrives.
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
