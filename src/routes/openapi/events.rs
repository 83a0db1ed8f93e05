use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::order_schemas::{Source, Status};

/// What a stream says of an order.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    /// The document's id.
    id: String,
    /// The number that people use.
    order_id: String,
    /// The sum to be paid; 0 where it can't be read.
    total_amount: f64,
    /// Where the order stands; see `Status`, other texts are possible.
    status: String,
    /// When the order was placed.
    timestamp: u64,
    /// The customer's name, or nothing.
    customer_name: String,
    /// How many entries the order has.
    item_count: u64,
}

/// One event of a stream, as a parser of server-sent events hands it over. `data` is JSON.
pub(super) struct StreamEvent;

/// Name, description, whether it has a cursor as its `id`, and the schema of its data.
fn events() -> [(Option<&'static str>, &'static str, bool, RefOr<Schema>); 9] {
    let summary = || Ref::from_schema_name("Summary").into();
    [
        (
            None,
            "The first event of every connection; its `id` is where the stream starts, once the store has been read.",
            true,
            object([("type", constant("connected"))]),
        ),
        (
            Some("new_order"),
            "An order was created after the reader's position.",
            true,
            summary(),
        ),
        (
            Some("order_update"),
            "An order that the reader may know has changed.",
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
            Some("reset"),
            "The reader's position is older than the window or can't be read: poll `/api/admin/orders/recent`, then go on.",
            false,
            object([("reason", text())]),
        ),
        (
            Some("batch"),
            "With `batch`: the events of some time; `id` is the last one's.",
            true,
            ArrayBuilder::new()
                .items(object([
                    ("event", text()),
                    ("id", text()),
                    ("data", Ref::from_schema_name("Summary").into()),
                ]))
                .into(),
        ),
        (
            Some("heartbeat"),
            "Nothing has happened for a while; a comment line `: heartbeat` comes with it.",
            true,
            object([("serverTime", integer())]),
        ),
        (
            Some("source"),
            "The store's watch has gone away or has come back.",
            false,
            Ref::from_schema_name("Source").into(),
        ),
        (
            Some("bye"),
            "The server goes down or the stream has reached its age: come back after `retry` milliseconds.",
            false,
            object([("reason", text()), ("retry", integer())]),
        ),
    ]
}

impl PartialSchema for StreamEvent {
    fn schema() -> RefOr<Schema> {
        events()
            .into_iter()
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
