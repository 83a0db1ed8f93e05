use serde_json::Value;
use utoipa::openapi::schema::{
    ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::refusals::{OfBodies, OfSubmits};
use crate::settings::{SubmitAuth, SubmitSettings};

/// An order, and the customer who places it.
///
/// Other fields beside `userId` and `order` are stored with the order.
#[derive(ToSchema)]
pub(super) struct Submit {
    /// Id of the customer. Ignored if customers send ID tokens: the token names the customer then.
    #[schema(value_type = String, required = false, min_length = 1, max_length = 128, example = "u1")]
    #[serde(rename = "userId")]
    user_id: Option<String>,
    order: SubmitOrder,
}

/// What is ordered.
///
/// Unknown fields are stored as they are. Texts in them have at most 4,000 characters, in `phone` 60 and in `email` 254. The
/// server ignores these fields, since it sets them itself: `id`, `orderId`, `status`, `timestamp`, `userId`, `acknowledged`,
/// `acknowledgedAt`, `acknowledgedBy`, `statusHistory`, `historyCheckedAt`, `updatedBy`, `readyAt`, `cancelReason`,
/// `cancelNote`, `staffNote`, `driverId`, `driverName` and `itemsDone`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubmitOrder {
    /// What is ordered.
    #[schema(min_items = 1)]
    items: Vec<SubmitItem>,
    /// The amount to be paid.
    total_amount: Total,
    /// The customer's name.
    #[schema(max_length = 200)]
    customer_name: Option<String>,
    /// Address to deliver to, as text or in parts.
    delivery_address: Option<DeliveryAddress>,
    /// Place to deliver to, as a point on the map or as text.
    delivery_location: Option<DeliveryLocation>,
    /// Notes of the customer for the shop.
    #[schema(max_length = 2_000)]
    notes: Option<String>,
}

/// One item of an order. Unknown fields are stored as they are.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubmitItem {
    /// Quantity; may be fractional. 1 if absent.
    quantity: Option<Quantity>,
    /// The product's name; `productName` is another name for this field.
    #[schema(max_length = 200, example = "Apple")]
    name: Option<String>,
    /// The same as `name`, as the phone app sends it.
    #[schema(max_length = 200)]
    product_name: Option<String>,
    /// The product's id in the shop's own list.
    product_id: Option<ProductId>,
    /// The price of one unit; `productPrice` is another name for this field.
    price: Option<Price>,
    /// The same as `price`, as the phone app sends it.
    product_price: Option<Price>,
}

/// A price as a number, or as text with a currency.
pub(super) struct Price;

/// A sum as a number, or as text with a currency.
pub(super) struct Total;

/// A quantity as a number, or as numeric text.
pub(super) struct Quantity;

/// The id of a product as text or as a number.
pub(super) struct ProductId;

/// An address as text, or in parts.
pub(super) struct DeliveryAddress;

/// A point on the map, or an address.
pub(super) struct DeliveryLocation;

/// Any JSON. Objects and arrays are nested at most 20 levels deep, as deep as a store can hold them.
pub(super) struct FieldValue;

impl PartialSchema for Price {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(1e12));
        OneOfBuilder::new()
            .description(Some("A price as a number, or as text with a currency."))
            .item(number)
            .item(text(40))
            .examples([2.5.into(), Value::from("$2.50")])
            .into()
    }
}

impl ToSchema for Price {}

impl PartialSchema for Total {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(1e12));
        let pattern = r"^[^0-9.\-]*([0-9]{1,12}(\.[0-9]*)?|\.[0-9]+)[^0-9.\-]*$";
        OneOfBuilder::new()
            .description(Some("A sum as a number, or as text with a currency."))
            .item(number)
            .item(text(40).pattern(Some(pattern)))
            .examples([7.5.into(), Value::from("$7.50")])
            .into()
    }
}

impl ToSchema for Total {}

impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .exclusive_minimum(Some(0))
            .maximum(Some(1_000_000_000));
        let pattern = r"^ *(?=[0-9.]*[1-9])([0-9]{1,9}(\.[0-9]*)?|\.[0-9]+) *$";
        OneOfBuilder::new()
            .description(Some("A quantity as a number, or as numeric text."))
            .item(number)
            .item(text(40).pattern(Some(pattern)))
            .examples([3.into(), Value::from("3")])
            .into()
    }
}

impl ToSchema for Quantity {}

impl PartialSchema for ProductId {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .description(Some("The product's id in the shop's own list."))
            .item(ObjectBuilder::new().schema_type(Type::Number))
            .item(text(200))
            .into()
    }
}

impl ToSchema for ProductId {}

impl PartialSchema for DeliveryAddress {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .description(Some(
                "An address as text, or in parts such as `street` and `city`.",
            ))
            .item(open(ObjectBuilder::new().schema_type(Type::Object).build()))
            .item(text(500))
            .into()
    }
}

impl ToSchema for DeliveryAddress {}

impl PartialSchema for DeliveryLocation {
    fn schema() -> RefOr<Schema> {
        let degrees = |limit: f64| {
            ObjectBuilder::new()
                .schema_type(Type::Number)
                .minimum(Some(-limit))
                .maximum(Some(limit))
        };
        let place = ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("latitude", degrees(90.0))
            .property("longitude", degrees(180.0))
            .build();
        OneOfBuilder::new()
            .description(Some("A point on the map in degrees, or an address."))
            .item(open(place))
            .item(text(500))
            .into()
    }
}

impl ToSchema for DeliveryLocation {}

impl PartialSchema for FieldValue {
    fn schema() -> RefOr<Schema> {
        let itself = || Ref::from_schema_name("FieldValue");
        let plain = [Type::Null, Type::Boolean, Type::Number, Type::String]
            .into_iter()
            .collect::<SchemaType>();
        OneOfBuilder::new()
            .description(Some(
                "Any JSON. Objects and arrays are nested at most 20 levels deep; texts have at most 4,000 characters.",
            ))
            .item(ObjectBuilder::new().schema_type(plain).max_length(Some(4_000)))
            .item(ArrayBuilder::new().items(itself()))
            .item(open(ObjectBuilder::new().schema_type(Type::Object).build()))
            .into()
    }
}

impl ToSchema for FieldValue {}

fn text(max_length: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(max_length))
}

/// The same object with further fields of any name that a store can hold.
fn open(mut object: Object) -> Object {
    let names = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(FIELD_NAME))
        .max_length(Some(1_500));
    object.property_names = Some(Box::new(names.into()));
    object.additional_properties = Some(Box::new(Ref::from_schema_name("FieldValue").into()));
    object
}

/// Not empty, and not `__…__`.
const FIELD_NAME: &str = r"^(?!__[\s\S]*__$)[\s\S]+$";

/// The order is placed.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Placed {
    /// Always true.
    success: bool,
    /// The order's id.
    #[schema(example = "ORD123")]
    order_id: String,
    /// The order's number.
    #[schema(example = 123)]
    order_number: u64,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct SubmitHeaders {
    /// Makes it safe to repeat the request for 24 hours: the same key with the same body returns the first response, and places
    /// no second order. Printable ASCII characters.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        min_length = 1,
        max_length = 255,
        pattern = r"^[\t -~]*[!-~][\t -~]*$"
    )]
    idempotency_key: Option<String>,
}

/// Place an order
///
/// 200 means that the order is stored durably. After a 4xx or a 503 the order was not placed. After a 504 the outcome is unknown:
/// repeat the request with the same `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/order/submit",
    operation_id = "submitOrder",
    tag = "customers",
    params(SubmitHeaders),
    request_body = Submit,
    responses((status = 200, description = "The order is placed.", body = Placed), OfBodies, OfSubmits),
    security(("customer" = []))
)]
pub(super) fn submit() {}

/// What `userId` may be where the customer's token tells it.
fn unread() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some("Ignored: the ID token names the customer."))
        .into()
}

/// Sets what the server's settings decide: whether customers send tokens, and how much one may order.
pub(super) fn adapt(description: &mut utoipa::openapi::OpenApi, settings: &SubmitSettings) {
    let operation = description
        .paths
        .paths
        .get_mut("/api/order/submit")
        .and_then(|path| path.post.as_mut());
    let is_open = matches!(settings.auth, SubmitAuth::Open);
    if let Some(operation) = operation
        && is_open
    {
        operation.security = Some(Vec::new());
    }
    let schemas = description
        .components
        .as_mut()
        .map(|components| &mut components.schemas);
    let Some(schemas) = schemas else { return };
    for name in ["Submit", "SubmitOrder", "SubmitItem"] {
        if let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(name) {
            *object = open(std::mem::take(object));
        }
    }
    if let Some(RefOr::T(Schema::Object(submit))) = schemas.get_mut("Submit") {
        if is_open {
            submit.required.push("userId".to_owned());
        } else {
            submit.properties.insert("userId".to_owned(), unread());
        }
    }
    if let Some(RefOr::T(Schema::Object(order))) = schemas.get_mut("SubmitOrder")
        && let Some(RefOr::T(Schema::Array(items))) = order.properties.get_mut("items")
    {
        items.max_items = Some(settings.max_items);
    }
}
