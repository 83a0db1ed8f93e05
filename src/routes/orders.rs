use std::num::IntErrorKind;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Admin;
use super::error::ApiError;
use super::order_rows::{OrderRows, Row};
use super::{AppState, body, recent};
use crate::hub::Item;
use crate::orders::{Card, HeldOrder, Order, OrderId, OrderPatch, Position, Status};
use crate::store::{ListQuery, StoreError};

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

/// Orders from newest to oldest, page by page. Without a limit, the first page is all that memory holds.
pub(super) async fn list(
    _: Admin,
    query: web::Query<List>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let statuses = Status::parse_list(query.status.as_deref().unwrap_or_default())
        .map_err(|error| ApiError::invalid("status", error.to_string()))?;
    let window = state.hub.settings().window;
    let limit = query
        .limit
        .as_deref()
        .map(page_limit)
        .transpose()?
        .map(|limit| limit.min(window.orders));
    let before = query
        .before
        .as_deref()
        .map(str::parse::<Position>)
        .transpose();
    let mut query = ListQuery {
        statuses: statuses.iter().map(ToString::to_string).collect(),
        limit: limit.unwrap_or(window.orders + window.open),
        before: before.map_err(|error| ApiError::invalid("before", error.to_string()))?,
    };
    if query.limit >= window.orders
        && let Some((items, next)) = state.hub.list_held(&query)
    {
        return Ok(page(held_rows(&items, next_page(next.as_ref()), state)));
    }
    let limit = query.limit.min(window.orders);
    query.limit = limit;
    if let Some((items, more)) = state.hub.list(&query) {
        let last = items.last().and_then(|item| item.order());
        let next = last.filter(|_| more).map(|order| place(order));
        return Ok(page(held_rows(&items, next_page(next.as_ref()), state)));
    }
    let permit = state.large_answer(&state.lists).await?;
    query.limit += 1;
    let mut orders = state.store.list(&query).await?;
    let more = orders.len() > limit;
    orders.truncate(limit);
    let next = next_page(orders.last().filter(|_| more).map(place).as_ref());
    let rows = orders.into_iter().map(Row::of_order);
    Ok(page(
        OrderRows::new("{\"orders\":[", rows, next, state).with_permit(permit),
    ))
}

fn page(rows: OrderRows) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(rows)
}

fn held_rows(items: &[Arc<Item>], next: String, state: web::Data<AppState>) -> OrderRows {
    let rows: Vec<Row> = items.iter().map(|item| Row::document(item)).collect();
    OrderRows::new("{\"orders\":[", rows, next, state)
}

/// Where an order stands in the list: by the time of placing, not by the last change.
fn place(order: &HeldOrder) -> Position {
    Position::new(order.placed_micros, &order.id)
}

/// The end of a page, with the place where the next one begins.
fn next_page(next: Option<&Position>) -> String {
    format!("],\"next\":{}}}", json!(next))
}

/// A number from 1 on. More than a page can hold is no error: a page has at most the window's size.
fn page_limit(text: &str) -> Result<usize, ApiError> {
    match text.parse() {
        Ok(limit) if limit >= 1 => Ok(limit),
        Err(error) if matches!(error.kind(), IntErrorKind::PosOverflow) => Ok(usize::MAX),
        _ => Err(ApiError::invalid("limit", "must be a number from 1 on")),
    }
}

/// One order, whole.
pub(super) async fn get(
    _: Admin,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let id = order_id(&id)?;
    // The store is asked only for what memory doesn't hold: looking at orders costs no reads.
    let held = state.hub.get(&id).and_then(|item| item.document());
    let document = match held {
        Some(document) => document,
        None => state
            .store
            .get(&id)
            .await?
            .ok_or(StoreError::NotFound)?
            .whole_json(),
    };
    let body = [&b"{\"order\":"[..], &document, b"}"].concat();
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(body))
}

/// Changes an order: its status, whether it is acknowledged, and what else admins write.
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
    let body = body::json(&request, payload, &state).await?;
    let patch = OrderPatch::parse(body, &id)
        .map_err(|error| ApiError::invalid(&error.field, error.message))?;
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
    if desk { card(order) } else { order.whole() }
}

/// The order as the desk shows it, at the position of its last change.
fn card(order: &Order) -> Value {
    let mut card = json!(Card::from(order));
    card["position"] = json!(order.position());
    card
}
