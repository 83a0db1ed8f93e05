use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Admin;
use super::error::ApiError;
use super::{AppState, body, recent};
use crate::orders::{Card, Order, OrderId, OrderPatch, Position, Status};
use crate::store::{ListQuery, StoreError};

/// Orders of a page when the caller doesn't say how many.
const DEFAULT_PAGE: usize = 50;
/// Most orders of a page.
const MAX_PAGE: usize = 500;

#[derive(Deserialize)]
pub(super) struct List {
    status: Option<String>,
    limit: Option<String>,
    before: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct View {
    view: Option<String>,
}

/// Orders from newest to oldest, page by page.
pub(super) async fn list(
    _: Admin,
    query: web::Query<List>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let statuses = Status::parse_list(query.status.as_deref().unwrap_or_default())
        .map_err(|error| ApiError::invalid("status", error.to_string()))?;
    let limit = query
        .limit
        .as_deref()
        .map_or(Ok(DEFAULT_PAGE), |text| recent::limit(text, MAX_PAGE))?;
    let before = query
        .before
        .as_deref()
        .map(str::parse::<Position>)
        .transpose();
    let mut query = ListQuery {
        statuses: statuses.iter().map(ToString::to_string).collect(),
        limit,
        before: before.map_err(|error| ApiError::invalid("before", error.to_string()))?,
    };
    let (orders, more): (Vec<Order>, bool) = match state.hub.list(&query) {
        Some((items, more)) => (
            items
                .iter()
                .filter_map(|item| item.order().map(|order| (**order).clone()))
                .collect(),
            more,
        ),
        None => {
            query.limit += 1;
            let mut orders = state.store.list(&query).await?;
            let more = orders.len() > limit;
            orders.truncate(limit);
            (orders, more)
        }
    };
    let next = orders
        .last()
        .filter(|_| more)
        .map(|last| place_in_list(last).to_string());
    let orders: Vec<Value> = orders.iter().map(Order::whole).collect();
    Ok(HttpResponse::Ok().json(json!({"orders": orders, "next": next})))
}

/// Where an order stands in the list: by the time of placing, not by its last change.
fn place_in_list(order: &Order) -> Position {
    Position::new(order.placed_micros(), &order.id)
}

/// One order, whole.
pub(super) async fn get(
    _: Admin,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let id = order_id(&id)?;
    // The store is asked only for what the window doesn't hold: looking at orders costs no reads.
    let order = match state.hub.get(&id).and_then(|item| item.order().cloned()) {
        Some(order) => order.whole(),
        None => state
            .store
            .get(&id)
            .await?
            .ok_or(StoreError::NotFound)?
            .whole(),
    };
    Ok(HttpResponse::Ok().json(json!({"order": order})))
}

/// Changes an order's status, or takes note of it.
pub(super) async fn change(
    Admin(admin): Admin,
    id: web::Path<String>,
    view: web::Query<View>,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let desk = recent::is_desk(view.view.as_deref())?;
    let id = order_id(&id)?;
    let patch = patch(body::json(&request, payload, &state).await?)?;
    match state.store.change(&id, patch, &admin.name).await {
        Ok(order) => {
            tracing::info!(order = ?id, status = order.status(), by = admin.name, "order changed");
            Ok(HttpResponse::Ok().json(json!({"success": true, "order": shown(&order, desk)})))
        }
        Err(StoreError::Conflict(order)) => Err(ApiError::conflict(shown(&order, desk))),
        Err(error) => Err(error.into()),
    }
}

/// Removes an order.
pub(super) async fn remove(
    Admin(admin): Admin,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let id = order_id(&id)?;
    state.store.remove(&id, &admin.name).await?;
    tracing::info!(order = ?id, by = admin.name, "order removed");
    Ok(HttpResponse::Ok().json(json!({"success": true, "orderId": id})))
}

/// Counts over the window.
pub(super) async fn stats(_: Admin, state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().json(state.hub.stats())
}

fn order_id(text: &str) -> Result<OrderId, ApiError> {
    OrderId::parse(text).map_err(|error| ApiError::invalid("id", error.to_string()))
}

fn shown(order: &Order, desk: bool) -> Value {
    if desk {
        json!(Card::from(order))
    } else {
        order.whole()
    }
}

/// Reads `{status?, acknowledged?, expectedStatus?}`; other fields are passed over, as they are today.
fn patch(body: Value) -> Result<OrderPatch, ApiError> {
    let Value::Object(body) = body else {
        return Err(ApiError::invalid("body", "must be a JSON object"));
    };
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(ApiError::invalid(name, "must be text")),
    };
    let patch = OrderPatch {
        status: text("status")?
            .map(str::parse::<Status>)
            .transpose()
            .map_err(|error| ApiError::invalid("status", error.to_string()))?,
        acknowledged: match body.get("acknowledged") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(acknowledged)) => Some(*acknowledged),
            Some(_) => return Err(ApiError::invalid("acknowledged", "must be true or false")),
        },
        expected_status: text("expectedStatus")?.map(str::to_owned),
    };
    if patch.status.is_none() && patch.acknowledged.is_none() {
        return Err(ApiError::invalid(
            "status",
            "is missing: say `status`, `acknowledged` or both",
        ));
    }
    Ok(patch)
}
