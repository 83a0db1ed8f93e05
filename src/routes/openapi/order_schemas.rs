use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

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

/// Statuses separated by commas, such as `PENDING,CONFIRMED`, in any case of letters. Nothing between two commas is passed over.
pub(super) struct StatusFilter;

impl PartialSchema for StatusFilter {
    fn schema() -> RefOr<Schema> {
        // An array in the `form` style would not say which spaces and empty parts are taken.
        let status = format!(
            r"\s*({})?\s*",
            crate::orders::Status::ALL.map(in_any_case).join("|")
        );
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "Statuses separated by commas, in any case of letters; see `Status`.",
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
    /// The last 50 statuses that were set through this API: an array of `{status, at, by}`. Other writers of the store may have
    /// set the status since.
    #[schema(required = false)]
    status_history: Value,
    /// Name of the admin who has changed the order last through this API: text.
    #[schema(required = false)]
    updated_by: Value,
    /// When the order will be ready: an integer.
    #[schema(required = false)]
    ready_at: Value,
    /// Why it was cancelled: text, see `CancelReason`.
    #[schema(required = false)]
    cancel_reason: Value,
    /// The same in the shop's words: text.
    #[schema(required = false)]
    cancel_note: Value,
    /// A note for the shop's staff: text.
    #[schema(required = false)]
    staff_note: Value,
    /// Who brings it: text.
    #[schema(required = false)]
    driver_id: Value,
    /// Who brings it: text.
    #[schema(required = false)]
    driver_name: Value,
    /// Indexes of the items that are ticked off: an array of integers.
    #[schema(required = false)]
    items_done: Value,
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
    /// Name of the admin who has set the status; null where that isn't certain.
    #[schema(required = true)]
    changed_by: Option<String>,
    /// Present, and true, where another writer of the store has set the status, or may have.
    #[schema(value_type = bool, required = false)]
    changed_elsewhere: Option<bool>,
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
    /// When the order will be ready.
    #[schema(value_type = u64, required = false)]
    ready_at: Option<u64>,
    /// Why it was cancelled; see `CancelReason`. Only of a cancelled order.
    #[schema(value_type = String, required = false)]
    cancel_reason: Option<String>,
    /// The same in the shop's words, at most 250 bytes of it.
    #[schema(value_type = String, required = false)]
    cancel_note: Option<String>,
    /// A note for the shop's staff, at most 250 bytes of it.
    #[schema(value_type = String, required = false)]
    staff_note: Option<String>,
    /// Who brings it.
    #[schema(value_type = String, required = false)]
    driver_name: Option<String>,
    /// Indexes of those of `items` that are ticked off, ascending.
    #[schema(value_type = Vec<u64>, required = false)]
    items_done: Option<Vec<u64>>,
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
    /// Send it as `before`, with the same filters, to get the next page. The list ends where it is null, and only there: a page
    /// before may be short or empty.
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
