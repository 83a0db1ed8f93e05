use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A status that an order can be set to, and that lists and streams can be filtered by. Orders that other programs wrote may
/// have any other text.
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
    /// Only in older orders.
    Preparing,
    /// Only in older orders.
    Delivering,
}

/// Statuses separated by commas, such as `PENDING,CONFIRMED`. Upper and lower case are equal; empty parts are ignored.
pub(super) struct StatusFilter;

impl PartialSchema for StatusFilter {
    fn schema() -> RefOr<Schema> {
        // An array in the `form` style couldn't describe which spaces and empty parts are accepted.
        let status = format!(
            r"\s*({})?\s*",
            crate::orders::Status::ALL.map(in_any_case).join("|")
        );
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "Statuses separated by commas; see `Status`. Upper and lower case are equal.",
            ))
            .pattern(Some(format!("^{status}(,{status})*$")))
            .examples(["PENDING,CONFIRMED"])
            .into()
    }
}

impl ToSchema for StatusFilter {}

/// A regular expression for the name of a status; JSON Schema has no flag for the case of letters.
fn in_any_case(status: &str) -> String {
    let letter = |letter: char| match letter {
        'A'..='Z' => format!("[{letter}{}]", letter.to_ascii_lowercase()),
        other => other.to_string(),
    };
    status.chars().map(letter).collect()
}

/// The position of a change: `<commit time in microseconds>-<percent-encoded document id>`. Clients must not change it.
#[derive(ToSchema)]
#[schema(value_type = String, format = "cursor", example = "1795441115179803-ORD1")]
pub(super) struct Cursor(String);

/// A whole order: every field of its document.
///
/// Only `id` is always there. Orders that were placed through this API have the other fields as described. Orders that other
/// programs wrote may lack them, may have them in another type, and may have further fields.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    /// The document's id.
    #[schema(example = "ORD123")]
    id: String,
    /// The order's number as people use it: text, such as `ORD123`.
    #[schema(required = false, nullable = false)]
    order_id: Value,
    /// The customer's id: text.
    #[schema(required = false)]
    user_id: Value,
    /// The order's status: text, see `Status`.
    #[schema(required = false)]
    status: Value,
    /// When the order was placed: an integer.
    #[schema(required = false)]
    timestamp: Value,
    /// The amount to be paid: a number.
    #[schema(required = false)]
    total_amount: Value,
    /// What is ordered: an array of objects with `quantity`, `name` or `productName`, `price` or `productPrice`.
    #[schema(required = false)]
    items: Value,
    /// Whether an admin has acknowledged the order: true or false.
    #[schema(required = false)]
    acknowledged: Value,
    /// When it was acknowledged: an integer.
    #[schema(required = false)]
    acknowledged_at: Value,
    /// Name of the admin who acknowledged it: text.
    #[schema(required = false)]
    acknowledged_by: Value,
    /// The last 50 statuses that were set through this API: an array of `{status, at, by}`. Other programs may have
    /// set the status since.
    #[schema(required = false)]
    status_history: Value,
    /// Name of the admin who last changed the order through this API: text.
    #[schema(required = false)]
    updated_by: Value,
    /// When the order will be ready: an integer.
    #[schema(required = false)]
    ready_at: Value,
    /// Why the order was cancelled: text, see `CancelReason`.
    #[schema(required = false)]
    cancel_reason: Value,
    /// Why the order was cancelled, in the shop's words: text.
    #[schema(required = false)]
    cancel_note: Value,
    /// A note for the shop's staff: text.
    #[schema(required = false)]
    staff_note: Value,
    /// Id of the driver: text.
    #[schema(required = false)]
    driver_id: Value,
    /// Name of the driver: text.
    #[schema(required = false)]
    driver_name: Value,
    /// Indexes of the items that are ticked off: an array of integers.
    #[schema(required = false)]
    items_done: Value,
}

/// An order as the desk shows it, in one shape for all programs that write orders.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Card {
    /// The document's id.
    id: String,
    /// The order's number as people use it.
    order_id: String,
    /// Cursor of the last change.
    #[schema(value_type = Cursor)]
    position: String,
    /// When the store committed the order's creation.
    created_at: u64,
    /// When the store committed the last change.
    updated_at: u64,
    /// When the order was placed; never later than the store's clock.
    timestamp: u64,
    /// The order's status; may be a text that isn't in `Status`.
    status: String,
    /// Whether an admin has acknowledged the order.
    acknowledged: bool,
    /// When it was acknowledged.
    #[schema(required = true)]
    acknowledged_at: Option<u64>,
    /// Name of the admin who acknowledged it.
    #[schema(required = true)]
    acknowledged_by: Option<String>,
    /// Name of the admin who set the status; null if that isn't certain.
    #[schema(required = true)]
    changed_by: Option<String>,
    /// True if another program set the status, or may have set it; otherwise absent.
    #[schema(value_type = bool, required = false)]
    changed_elsewhere: Option<bool>,
    /// The customer's name. This and the next two texts are empty if unknown.
    customer_name: String,
    phone: String,
    email: String,
    /// The amount to be paid; null if it can't be read.
    #[schema(required = true)]
    total: Option<f64>,
    /// Number of the order's items.
    item_count: u64,
    /// The first items.
    items: Vec<CardItem>,
    /// Notes of the customer for the shop.
    notes: String,
    /// Address to deliver to, as text.
    address: String,
    /// Place to deliver to, as a point on the map.
    #[schema(required = true)]
    location: Option<Location>,
    /// When the order will be ready.
    #[schema(value_type = u64, required = false)]
    ready_at: Option<u64>,
    /// Why the order was cancelled; see `CancelReason`. Only in a cancelled order.
    #[schema(value_type = String, required = false)]
    cancel_reason: Option<String>,
    /// Why the order was cancelled, in the shop's words; the first 250 bytes.
    #[schema(value_type = String, required = false)]
    cancel_note: Option<String>,
    /// A note for the shop's staff; the first 250 bytes.
    #[schema(value_type = String, required = false)]
    staff_note: Option<String>,
    /// Name of the driver.
    #[schema(value_type = String, required = false)]
    driver_name: Option<String>,
    /// Indexes of the `items` that are ticked off, in ascending order.
    #[schema(value_type = Vec<u64>, required = false)]
    items_done: Option<Vec<u64>>,
}

/// One item of an order.
#[derive(ToSchema)]
pub(super) struct CardItem {
    /// The product's name.
    name: String,
    /// Quantity; may be fractional.
    #[schema(required = true)]
    quantity: Option<f64>,
    /// The price of one unit, as it was sent.
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

/// An order that was removed, in a response to `since`.
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
    /// Send it as `before`, with the same filters, to get the next page. The list has ended only when it is null: an earlier page
    /// may be short or empty.
    #[schema(required = true, value_type = Option<Cursor>)]
    next: Option<String>,
}

/// The response to a poll.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recent {
    /// Whole orders, or cards with `view=desk`; removed orders only in a response to `since`.
    orders: Vec<RecentOrder>,
    /// Send it as `since` to get later changes.
    #[schema(value_type = Cursor)]
    cursor: String,
    /// True if `since` is older than the window, and the response has the whole window; otherwise absent.
    #[schema(value_type = bool, required = false)]
    reset: Option<bool>,
    /// With `view=desk`: the server's time.
    #[schema(value_type = u64, required = false)]
    server_time: Option<u64>,
    /// With `view=desk`: the state of the store's watch.
    #[schema(value_type = Source, required = false)]
    source: Option<Source>,
    /// With `view=desk`: path of the scripts and styles of the desk. It changes with each version.
    #[schema(value_type = String, required = false)]
    assets: Option<String>,
    /// With `view=desk`: documents that the store has billed; null for a store without costs.
    usage: Option<Usage>,
}

/// A card, a removed order, or a whole order.
pub(super) struct RecentOrder;

/// Whether changes of the store reach this server.
#[derive(ToSchema)]
pub(super) struct Source {
    state: SourceState,
    /// When this state began.
    since: u64,
    /// Why changes don't arrive, as text for people; empty in the state `live`.
    message: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum SourceState {
    /// Changes arrive.
    Live,
    /// The store can't be reached; the server tries again.
    Away,
    /// Changes can't arrive until the operator fixes the cause.
    Failed,
}

/// Documents that the store has billed today, and the number of free ones.
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

/// The changed order: whole, or as a card with `view=desk`.
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
    /// Number of orders by status.
    #[schema(example = json!({"PENDING": 3, "DELIVERED": 12}))]
    status_counts: BTreeMap<String, u64>,
}
