//! The list of orders, newest first, in pages.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::access::Admin;
use super::error::ApiError;
use super::list_filters::{Filters, Listing};
use super::order_rows::{OrderRows, Row};
use super::state::AppState;
use crate::hub::Item;
use crate::orders::{HeldOrder, ListQuery, Position, Search};

/// Maximum number of stored orders that one page searches by amount or text. The next page continues after them.
const SEARCHED: usize = 500;

/// Lists orders. Without a limit, the first page is everything in memory.
pub(super) async fn list(
    _: Admin,
    filters: web::Query<Filters>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let window = state.hub.settings().window;
    let Listing { mut query, search } = filters.read(window, &state.settings.shop.time_zone)?;
    if query.placed.is_empty() {
        return Ok(page(held_rows(&[], None, state)));
    }
    if query.limit >= window.orders
        && let Some((items, next)) = state.hub.list_held(&query, &search)
    {
        return Ok(page(held_rows(&items, next.as_ref(), state)));
    }
    query.limit = query.limit.min(window.orders);
    if let Some((items, next)) = state.hub.list(&query, &search) {
        return Ok(page(held_rows(&items, next.as_ref(), state)));
    }
    let permit = state.large_answer(&state.lists).await?;
    let (orders, next) = stored(query, &search, &state).await?;
    let rows = orders.into_iter().map(Row::of_order);
    Ok(page(
        OrderRows::new("{\"orders\":[", rows, end(next.as_ref()), state).with_permit(permit),
    ))
}

/// A page from the store, and the place where the next one begins; `None` at the end of the list.
async fn stored(
    mut query: ListQuery,
    search: &Search,
    state: &AppState,
) -> Result<(Vec<HeldOrder>, Option<Position>), ApiError> {
    let limit = query.limit;
    if !search.is_everything() {
        query.limit = SEARCHED;
    }
    let stored = state.store.list(&query).await?;
    let mut found = stored.orders;
    found.retain(|order| search.matches(order));
    if found.len() <= limit {
        return Ok((found, stored.next));
    }
    found.truncate(limit);
    let next = found
        .last()
        .map(|last| Position::new(last.placed_micros, &last.id));
    Ok((found, next))
}

fn page(rows: OrderRows) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(rows)
}

fn held_rows(
    items: &[Arc<Item>],
    next: Option<&Position>,
    state: web::Data<AppState>,
) -> OrderRows {
    let rows: Vec<Row> = items.iter().map(|item| Row::document(item)).collect();
    OrderRows::new("{\"orders\":[", rows, end(next), state)
}

/// The end of a page, with the place where the next one begins: by time of placing, not by last change.
fn end(next: Option<&Position>) -> String {
    format!("],\"next\":{}}}", json!(next))
}
