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
    /// Most orders of the page; more than the window's size counts as that. If absent, the page has all orders in memory, or
    /// with `before` as many as the window.
    limit: Option<PageLimit>,
    /// Only orders after this place in the list: the `next` of the page before.
    before: Option<PageStart>,
    /// Only orders that were placed on this day of the shop or later, or at this millisecond or later.
    date_from: Option<DayOrTime>,
    /// Only orders that were placed on this day of the shop or earlier, or at this millisecond or earlier.
    date_to: Option<DayOrTime>,
    /// Only orders of this amount or more.
    min_amount: Option<AmountFilter>,
    /// Only orders of this amount or less.
    max_amount: Option<AmountFilter>,
    /// Only orders that have this text in their number, their id, the customer's name or phone number, or the name of an item.
    /// The case of letters doesn't count, nor how a phone number is punctuated.
    #[param(max_length = 100, example = "tomato")]
    q: Option<String>,
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
/// From newest to oldest by the time of placing, page by page. The list ends where `next` is null, and only there: a page before
/// may be short or empty. Where the store has to be searched for an amount or a text, a request looks through 500 orders.
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
/// Sets the status, takes note of the order, or sets what else admins write. Only the fields of the body are written, and those
/// that record who has changed the order. A change that changes nothing succeeds.
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

/// Count orders, under the name that existing clients use
///
/// The same answer as `/api/admin/dashboard-stats`.
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
