use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::refusals::{OfAdmins, OfBodies, OfConflicts, OfMissing, OfParameters};

/// A status that an order can be set to, and that lists and streams can be narrowed to. Orders of other writers may have
/// any other text.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    Pending,
    Confirmed,
    PreparingOrder,
    ReadyForPickup,
    OnWay,
    OutForDelivery,
    Delivered,
    DeliveryAttemptFailed,
    Completed,
    Cancelled,
    Returned,
    /// Found in older orders.
    Preparing,
    /// Found in older orders.
    Delivering,
}

/// Statuses separated by commas, such as `PENDING,CONFIRMED`. Nothing between two commas is passed over.
pub(super) struct StatusFilter;

impl PartialSchema for StatusFilter {
    fn schema() -> RefOr<Schema> {
        // An array in the `form` style would not say which spaces and empty parts are taken.
        let status = format!(r"\s*({})?\s*", crate::orders::Status::ALL.join("|"));
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Statuses separated by commas; see `Status`."))
            .pattern(Some(format!("^{status}(,{status})*$")))
            .examples(["PENDING,CONFIRMED"])
            .into()
    }
}

impl ToSchema for StatusFilter {}

/// The position of a change: `<commit time in microseconds>-<percent-encoded document id>`. Clients keep it as it is.
#[derive(ToSchema)]
#[schema(value_type = String, format = "cursor", example = "1795441115179803-ORD1")]
pub(super) struct Cursor(String);

/// A whole order: every field of its document.
///
/// Only `id` is certain. Orders that were placed through this API have the other fields as described; other writers of the
/// store may have left them out or written them in another type, and any number of fields beside them.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    /// The document's id.
    #[schema(example = "ORD123")]
    id: String,
    /// The number that people use: text, such as `ORD123`.
    #[schema(required = false, nullable = false)]
    order_id: Value,
    /// The customer's id: text.
    #[schema(required = false)]
    user_id: Value,
    /// Where the order stands: text, see `Status`.
    #[schema(required = false)]
    status: Value,
    /// When the order was placed: an integer.
    #[schema(required = false)]
    timestamp: Value,
    /// The sum to be paid: a number.
    #[schema(required = false)]
    total_amount: Value,
    /// What is ordered: an array of objects with `quantity`, `name` or `productName`, `price` or `productPrice`.
    #[schema(required = false)]
    items: Value,
    /// Whether an admin has taken note of the order: true or false.
    #[schema(required = false)]
    acknowledged: Value,
    /// When: an integer.
    #[schema(required = false)]
    acknowledged_at: Value,
    /// Name of the admin: text.
    #[schema(required = false)]
    acknowledged_by: Value,
    /// The last 50 changes of the status: an array of `{status, at, by}`.
    #[schema(required = false)]
    status_history: Value,
    /// Name of the admin who has changed the order last: text.
    #[schema(required = false)]
    updated_by: Value,
}

/// An order as the desk shows it: the many shapes that writers use, read into one.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Card {
    /// The document's id.
    id: String,
    /// The number that people use.
    order_id: String,
    /// Cursor of the last change.
    #[schema(value_type = Cursor)]
    position: String,
    /// When the store has committed the order's creation.
    created_at: u64,
    /// When the store has committed the last change.
    updated_at: u64,
    /// When the order was placed; never ahead of the store's clock.
    timestamp: u64,
    /// Where the order stands; unknown values are shown as they are.
    status: String,
    /// Whether an admin has taken note of the order.
    acknowledged: bool,
    /// When.
    #[schema(required = true)]
    acknowledged_at: Option<u64>,
    /// Name of the admin.
    #[schema(required = true)]
    acknowledged_by: Option<String>,
    /// Name of the admin who has changed the order last.
    #[schema(required = true)]
    updated_by: Option<String>,
    /// Empty where it is not known, like the texts that follow.
    customer_name: String,
    phone: String,
    email: String,
    /// The sum to be paid, where it can be read.
    #[schema(required = true)]
    total: Option<f64>,
    /// How many entries the order has.
    item_count: u64,
    /// The first entries.
    items: Vec<CardItem>,
    /// What the customer wants the shop to know.
    notes: String,
    /// Where to bring it, as text.
    address: String,
    /// Where to bring it, on the map.
    #[schema(required = true)]
    location: Option<Location>,
}

/// One entry of an order.
#[derive(ToSchema)]
pub(super) struct CardItem {
    /// The product's name.
    name: String,
    /// How much of it; may be fractional.
    #[schema(required = true)]
    quantity: Option<f64>,
    /// The price of one, as it was written.
    price: String,
}

/// A point on the map, in degrees.
#[derive(ToSchema)]
pub(super) struct Location {
    #[schema(minimum = -90, maximum = 90)]
    latitude: f64,
    #[schema(minimum = -180, maximum = 180)]
    longitude: f64,
}

/// An order that was removed, in an answer to `since`.
#[derive(ToSchema)]
pub(super) struct RemovedOrder {
    id: String,
    /// Always true.
    removed: bool,
}

/// A page of orders, newest first.
#[derive(ToSchema)]
pub(super) struct OrderPage {
    orders: Vec<Order>,
    /// Send it as `before` to get the next page; null on the last one.
    #[schema(required = true, value_type = Option<Cursor>)]
    next: Option<String>,
}

/// What a poll gets.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recent {
    /// Whole orders, or cards with `view=desk`; removed ones only in an answer to `since`.
    orders: Vec<RecentOrder>,
    /// Send it as `since` to go on from here.
    #[schema(value_type = Cursor)]
    cursor: String,
    /// Present, and true, where `since` is older than the window: the orders are the whole window.
    #[schema(value_type = bool, required = false)]
    reset: Option<bool>,
    /// With `view=desk`: the server's time.
    #[schema(value_type = u64, required = false)]
    server_time: Option<u64>,
    /// With `view=desk`: the state of the store's watch.
    #[schema(value_type = Source, required = false)]
    source: Option<Source>,
    /// With `view=desk`: path of the files that the desk's page loads.
    #[schema(value_type = String, required = false)]
    assets: Option<String>,
    /// With `view=desk`: what the store bills; null where it costs nothing.
    usage: Option<Usage>,
}

/// A card, a removed order, or a whole order.
pub(super) struct RecentOrder;

/// Whether changes of the store reach this server.
#[derive(ToSchema)]
pub(super) struct Source {
    state: SourceState,
    /// Since when.
    since: u64,
    /// Why they don't, for people; empty while they do.
    message: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum SourceState {
    /// Changes arrive.
    Live,
    /// They don't, and the server tries again by itself.
    Away,
    /// They don't, and the operator has to do something.
    Failed,
}

/// Documents that the store has billed today, and how many are free.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    reads: u64,
    writes: u64,
    read_limit: u64,
    write_limit: u64,
}

/// One order.
#[derive(ToSchema)]
pub(super) struct OneOrder {
    order: Order,
}

/// A new status.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusChange {
    /// The new status.
    status: Status,
    /// Whether an admin has taken note of the order; who and when are kept with it.
    acknowledged: Option<bool>,
    /// The status that the order must still have.
    expected_status: Option<String>,
}

/// That an admin has taken note of the order, or has not.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Acknowledgement {
    /// Who and when are kept with the order.
    acknowledged: bool,
    /// The new status, if it changes as well.
    status: Option<Status>,
    /// The status that the order must still have.
    expected_status: Option<String>,
}

/// What to change: the status, whether an admin has taken note of the order, or both. Other fields are not looked at.
pub(super) struct Change;

/// Implements a schema as any of others. Derived enums would say "exactly one of", and a whole order may look like a card.
macro_rules! any_of {
    ($name:ident: $description:literal = $($kind:ident)|+) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                AnyOfBuilder::new()
                    .description(Some($description))
                    $(.item(Ref::from_schema_name($kind::name())))+
                    .into()
            }
        }

        impl ToSchema for $name {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $(
                    schemas.push(($kind::name().into_owned(), $kind::schema()));
                    $kind::schemas(schemas);
                )+
            }
        }
    };
}

any_of!(RecentOrder: "A card, a removed order, or a whole order." = Card | RemovedOrder | Order);
any_of!(ChangedOrder: "A card, or a whole order." = Card | Order);
any_of!(Change: "The status, whether an admin has taken note of the order, or both. Other fields are not looked at." = StatusChange | Acknowledgement);

/// The order after the change: whole, or as a card with `view=desk`.
#[derive(ToSchema)]
pub(super) struct Changed {
    /// Always true.
    success: bool,
    order: ChangedOrder,
}

/// A card, or a whole order.
pub(super) struct ChangedOrder;

/// The order is removed.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Removed {
    /// Always true.
    success: bool,
    order_id: String,
}

/// Counts over the window.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    /// Orders in the window.
    total_orders: u64,
    /// Sum of their amounts.
    total_revenue: f64,
    /// How many have which status.
    #[schema(example = json!({"PENDING": 3, "DELIVERED": 12}))]
    status_counts: BTreeMap<String, u64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only orders with one of these statuses.
    status: Option<StatusFilter>,
    /// Most orders of the page.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only orders after this place in the list: the `next` of the page before.
    #[param(value_type = Option<Cursor>)]
    before: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RecentQuery {
    /// Most orders of the answer: 10 if absent, or as many as there are with `since`. The window's size is the most.
    #[param(minimum = 1)]
    limit: Option<u32>,
    /// Only orders that have changed after this cursor, oldest change first.
    #[param(value_type = Option<Cursor>)]
    since: Option<String>,
    /// Only orders with one of these statuses.
    status: Option<StatusFilter>,
    /// `desk`: orders as cards, and the state of the server beside them.
    view: Option<View>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum View {
    Desk,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Conditional {
    /// The `ETag` of an earlier answer: 304 where nothing has changed since.
    #[param(rename = "If-None-Match", nullable = false)]
    if_none_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OrderPath {
    /// The order's id, percent-encoded.
    #[param(
        min_length = 1,
        max_length = 1500,
        pattern = r"^(?!\.{1,2}$)(?!__[^/]*__$)[^/]+$",
        example = "ORD123"
    )]
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangeQuery {
    /// `desk`: the answer holds the order as a card.
    view: Option<View>,
}

/// List orders
///
/// From newest to oldest by the time of placing, page by page.
#[utoipa::path(
    get,
    path = "/api/admin/orders",
    operation_id = "listOrders",
    tag = "orders",
    params(ListQuery),
    responses((status = 200, description = "A page of orders.", body = OrderPage), OfParameters, OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn list() {}

/// Poll orders
///
/// The newest orders, or with `since` those that have changed. Answered from memory: polling costs the store nothing.
#[utoipa::path(
    get,
    path = "/api/admin/orders/recent",
    operation_id = "recentOrders",
    tag = "orders",
    params(RecentQuery, Conditional),
    responses(
        (
            status = 200,
            description = "The orders.",
            body = Recent,
            headers(("ETag" = String, description = "The answer's cursor, in quotes."))
        ),
        (status = 304, description = "Nothing has changed since the answer with this `ETag`."),
        OfParameters,
        OfAdmins,
    ),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn recent() {}

/// Get an order
#[utoipa::path(
    get,
    path = "/api/admin/orders/{id}",
    operation_id = "getOrder",
    tag = "orders",
    params(OrderPath),
    responses((status = 200, description = "The order.", body = OneOrder), OfParameters, OfMissing, OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn get() {}

/// Change an order
///
/// Sets the status, takes note of the order, or both. A change that changes nothing succeeds.
#[utoipa::path(
    put,
    path = "/api/admin/orders/{id}",
    operation_id = "changeOrder",
    tag = "orders",
    params(OrderPath, ChangeQuery),
    request_body = Change,
    responses(
        (status = 200, description = "The order after the change.", body = Changed),
        OfBodies,
        OfMissing,
        OfConflicts,
        OfAdmins,
    ),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn change() {}

/// Remove an order
///
/// The removal is recorded with its time and the admin's name.
#[utoipa::path(
    delete,
    path = "/api/admin/orders/{id}",
    operation_id = "removeOrder",
    tag = "orders",
    params(OrderPath),
    responses((status = 200, description = "The order is removed.", body = Removed), OfParameters, OfMissing, OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn remove() {}

/// Count orders
#[utoipa::path(
    get,
    path = "/api/admin/dashboard-stats",
    operation_id = "stats",
    tag = "orders",
    responses((status = 200, description = "Counts over the orders in memory.", body = Stats), OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn stats() {}

/// Sets what the server's settings decide: how many orders a poll may get.
pub(super) fn adapt(description: &mut utoipa::openapi::OpenApi, window: usize) {
    let operation = description
        .paths
        .paths
        .get_mut("/api/admin/orders/recent")
        .and_then(|path| path.get.as_mut());
    let parameters = operation.and_then(|operation| operation.parameters.as_mut());
    for parameter in parameters.into_iter().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "limit"
            && let Some(RefOr::T(Schema::Object(limit))) = &mut parameter.schema
        {
            limit.maximum = Some(window.into());
        }
    }
}
