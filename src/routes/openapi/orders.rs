use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::{IntoParams, ToSchema};

use super::change_schemas::Change;
use super::list_schemas::{AmountFilter, DayOrTime, PageLimit, PageStart};
use super::order_schemas::{
    Changed, Cursor, OneOrder, OrderPage, Recent, Removed, Stats, StatusFilter,
};
use super::refusals::{OfAdmins, OfBodies, OfConflicts, OfMissing, OfParameters};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only orders with one of these statuses.
    status: Option<StatusFilter>,
    /// Maximum number of orders on the page; the size of the window is the upper limit. If absent, the page has all orders in
    /// memory, or with `before` as many as the window.
    limit: Option<PageLimit>,
    /// Only orders after this place in the list: the `next` of the previous page.
    before: Option<PageStart>,
    /// Only orders that were placed on this day of the shop or later, or at this millisecond or later.
    date_from: Option<DayOrTime>,
    /// Only orders that were placed on this day of the shop or earlier, or at this millisecond or earlier.
    date_to: Option<DayOrTime>,
    /// Only orders of this amount or more.
    min_amount: Option<AmountFilter>,
    /// Only orders of this amount or less.
    max_amount: Option<AmountFilter>,
    /// Only orders that contain this text in their number, their id, the customer's name or phone number, or the name of an item.
    /// Upper and lower case are equal, and only the digits of a phone number are compared.
    #[param(max_length = 100, example = "tomato")]
    q: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RecentQuery {
    /// Maximum number of orders in the response. If absent: 10, or all of them with `since`. At most the size of the window.
    #[param(minimum = 1)]
    limit: Option<u32>,
    /// Only orders that have changed after this cursor, oldest change first.
    #[param(value_type = Option<Cursor>)]
    since: Option<String>,
    /// Only orders with one of these statuses.
    status: Option<StatusFilter>,
    /// `desk`: the response has cards instead of whole orders, and the state of the server.
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
    /// The `ETag` of an earlier response. If nothing has changed since, the answer is a 304.
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
    /// `desk`: the response has the order as a card.
    view: Option<View>,
}

/// List orders
///
/// From newest to oldest by the time of placing, page by page. The list has ended only when `next` is null: an earlier page may
/// be short or empty. A search for an amount or a text in the store reads at most 500 orders for each page.
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
/// The newest orders, or with `since` the orders that have changed. Served from memory, so polling causes no load on the store.
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
            headers(("ETag" = String, description = "The response's cursor, in quotes."))
        ),
        (status = 304, description = "Nothing has changed since the response with this `ETag`."),
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
/// Sets the status, acknowledges the order, or sets other fields of admins. Writes only the fields in the body, and those that
/// record who changed the order. A change to the values that the order already has succeeds.
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
/// The time and the admin's name are recorded.
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

/// Count orders (older address)
///
/// The same response as `/api/admin/dashboard-stats`, for existing clients.
#[utoipa::path(
    get,
    path = "/api/admin/analytics",
    operation_id = "analytics",
    tag = "orders",
    responses((status = 200, description = "Counts over the orders in memory.", body = Stats), OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn analytics() {}

/// Sets what the server's settings decide: how many orders a poll may get. A list clamps its limit, so that any number will do.
pub(super) fn adapt(description: &mut utoipa::openapi::OpenApi, window: usize) {
    if let Some(limit) = limit_of(description, "/api/admin/orders/recent") {
        limit.maximum = Some(window.into());
    }
    if let Some(limit) = limit_of(description, "/api/admin/orders") {
        // That of 32-bit numbers, which end earlier.
        limit.format = None;
    }
}

/// The schema of the parameter `limit`.
fn limit_of<'a>(
    description: &'a mut utoipa::openapi::OpenApi,
    path: &str,
) -> Option<&'a mut Object> {
    let operation = description.paths.paths.get_mut(path)?.get.as_mut()?;
    let mut parameters = operation.parameters.as_mut()?.iter_mut();
    parameters.find_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.name == "limit" => match &mut parameter.schema {
            Some(RefOr::T(Schema::Object(limit))) => Some(limit),
            _ => None,
        },
        _ => None,
    })
}
