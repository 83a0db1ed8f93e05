use utoipa::openapi::schema::{
    AllOfBuilder, AnyOfBuilder, ArrayBuilder, ObjectBuilder, Schema, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::order_schemas::Status;

/// Why an order was cancelled.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum CancelReason {
    OutOfStock,
    TooBusy,
    Closed,
    TooFar,
    Other,
}

/// The fields of a change. An unknown field is refused with its name. `id` and `orderId` are accepted if they are the order's.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeFields {
    /// The new status. Removes `cancelReason` and `cancelNote` of the previous status.
    status: Option<Status>,
    /// Whether an admin has acknowledged the order; the admin and the time are stored.
    acknowledged: Option<bool>,
    /// The status that the order must have; otherwise the change is refused with a 409.
    expected_status: Option<String>,
    /// When the order will be ready, in milliseconds since 1970. Null removes it.
    #[schema(minimum = 946_684_800_000_u64, maximum = 4_102_444_799_999_u64)]
    ready_at: Option<u64>,
    /// Why the order was cancelled. Only for a cancelled order, or together with the status `CANCELLED`. Null removes it.
    cancel_reason: Option<CancelReason>,
    /// Why the order was cancelled, in the shop's words; under the same condition. Null or empty text removes it.
    #[schema(max_length = 1_000)]
    cancel_note: Option<String>,
    /// A note for the shop's staff. Null or empty text removes it.
    #[schema(max_length = 1_000)]
    staff_note: Option<String>,
    /// Id of the driver. Null or empty text removes it.
    #[schema(max_length = 128)]
    driver_id: Option<String>,
    /// Name of the driver. Null or empty text removes it.
    #[schema(max_length = 200)]
    driver_name: Option<String>,
    /// Indexes of the items that are ticked off, from 0 to the number of `items` minus 1; stored in ascending order. Null or an
    /// empty array removes it.
    items_done: Option<ItemIndexes>,
}

/// Indexes of items, each at most once.
pub(super) struct ItemIndexes;

impl PartialSchema for ItemIndexes {
    fn schema() -> RefOr<Schema> {
        let index = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0));
        ArrayBuilder::new()
            .items(index)
            .unique_items(true)
            .description(Some("Indexes of items, each at most once."))
            .into()
    }
}

impl ToSchema for ItemIndexes {}

/// What to change: at least one field beside `expectedStatus`.
pub(super) struct Change;

impl PartialSchema for Change {
    fn schema() -> RefOr<Schema> {
        let has = |name: &str| ObjectBuilder::new().required(name);
        let mut any = AnyOfBuilder::new()
            .item(has("status").property("status", Ref::from_schema_name("Status")))
            .item(has("acknowledged").property(
                "acknowledged",
                ObjectBuilder::new().schema_type(Type::Boolean),
            ));
        for name in [
            "readyAt",
            "cancelReason",
            "cancelNote",
            "staffNote",
            "driverId",
            "driverName",
            "itemsDone",
        ] {
            any = any.item(has(name));
        }
        AllOfBuilder::new()
            .description(Some(
                "What to change: at least one field beside `expectedStatus`.",
            ))
            .item(Ref::from_schema_name("ChangeFields"))
            .item(Schema::AnyOf(any.build()))
            .into()
    }
}

impl ToSchema for Change {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((
            ChangeFields::name().into_owned(),
            <ChangeFields as PartialSchema>::schema(),
        ));
        <ChangeFields as ToSchema>::schemas(schemas);
    }
}
