use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::order_schemas::{Source, Status};

/// An order in the events of a stream.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    /// The document's id.
    id: String,
    /// The order's number as people use it.
    order_id: String,
    /// The amount to be paid; 0 if it can't be read.
    total_amount: f64,
    /// The order's status; see `Status`. Other texts are possible.
    status: String,
    /// When the order was placed.
    timestamp: u64,
    /// The customer's name; empty if unknown.
    customer_name: String,
    /// Number of the order's items.
    item_count: u64,
}

/// One event of a stream, as a parser of server-sent events hands it over. `data` is JSON.
pub(super) struct StreamEvent;

/// Name, description, whether it has a cursor as its `id`, and the schema of its data.
type EventKind = (Option<&'static str>, &'static str, bool, RefOr<Schema>);

/// Events about orders.
fn order_events() -> [EventKind; 4] {
    let summary = || RefOr::from(Ref::from_schema_name("Summary"));
    [
        (
            Some("new_order"),
            "An order was created after the reader's position.",
            true,
            summary(),
        ),
        (
            Some("order_update"),
            "An order that the reader may already have was changed.",
            true,
            summary(),
        ),
        (
            Some("order_removed"),
            "An order was removed.",
            true,
            object([("id", text()), ("orderId", text())]),
        ),
        (
            Some("batch"),
            "With `batch`: the events that were collected; `id` is that of the last one.",
            true,
            ArrayBuilder::new()
                .items(object([
                    ("event", text()),
                    ("id", text()),
                    ("data", summary()),
                ]))
                .into(),
        ),
    ]
}

/// Events about the connection itself.
fn connection_events() -> [EventKind; 5] {
    [
        (
            None,
            "The first event of every connection; its `id` is where the stream starts, once the store has been read.",
            true,
            object([("type", constant("connected"))]),
        ),
        (
            Some("reset"),
            "The reader's position is older than the window, or can't be read: poll `/api/admin/orders/recent`, then read on.",
            false,
            object([("reason", text())]),
        ),
        (
            Some("heartbeat"),
            "Sent after a time without other events, with a comment line `: heartbeat`.",
            true,
            object([("serverTime", integer())]),
        ),
        (
            Some("source"),
            "The connection to the store was lost or restored.",
            false,
            Ref::from_schema_name("Source").into(),
        ),
        (
            Some("bye"),
            "The server shuts down, or the stream has reached its maximum age: reconnect after `retry` milliseconds.",
            false,
            object([("reason", text()), ("retry", integer())]),
        ),
    ]
}

impl PartialSchema for StreamEvent {
    fn schema() -> RefOr<Schema> {
        connection_events()
            .into_iter()
            .chain(order_events())
            .fold(
                OneOfBuilder::new(),
                |events, (name, description, has_id, data)| {
                    let data = ObjectBuilder::new()
                        .schema_type(Type::String)
                        .content_media_type("application/json")
                        .content_schema(Some(data));
                    let mut event = ObjectBuilder::new()
                        .schema_type(Type::Object)
                        .title(name)
                        .description(Some(description))
                        .property("data", data)
                        .required("data");
                    if let Some(name) = name {
                        event = event.property("event", constant(name)).required("event");
                    }
                    if has_id {
                        event = event.property("id", text());
                    }
                    events.item(event)
                },
            )
            .into()
    }
}

impl ToSchema for StreamEvent {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Summary::name().into_owned(), Summary::schema()));
        schemas.push((Source::name().into_owned(), Source::schema()));
        schemas.push((Status::name().into_owned(), Status::schema()));
        Source::schemas(schemas);
    }
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn integer() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Integer).into()
}

fn constant(text: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([text]))
        .into()
}

fn object<const N: usize>(properties: [(&str, RefOr<Schema>); N]) -> RefOr<Schema> {
    properties
        .into_iter()
        .fold(
            ObjectBuilder::new().schema_type(Type::Object),
            |object, (name, schema)| object.property(name, schema).required(name),
        )
        .into()
}
