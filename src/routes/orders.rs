use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::access::Admin;
use super::error::ApiError;
use super::state::AppState;
use super::{body, recent};
use crate::hub::Item;
use crate::orders::{Card, Order, OrderId, OrderPatch, SourceState};
use crate::store::StoreError;

/// Maximum time that the response to a change waits until lists show the change.
const SHOWN_PATIENCE: Duration = Duration::from_secs(1);
/// Interval of its checks.
const SHOWN_STEP: Duration = Duration::from_millis(5);

#[derive(Deserialize)]
pub(super) struct View {
    view: Option<String>,
}

/// Returns one order's whole document.
pub(super) async fn get(
    _: Admin,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let id = order_id(&id)?;
    // Reads the store only for documents not in memory: viewing orders costs no reads.
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

/// Changes an order: its status, acknowledgement, and the other fields that admins set.
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
    let patch =
        OrderPatch::parse(body).map_err(|error| ApiError::invalid(&error.field, error.message))?;
    match state.store.change(&id, patch, &admin.name).await {
        Ok(order) => {
            tracing::info!(order = ?id, status = order.status(), by = admin.name, "order changed");
            // The desk uses the response itself.
            if !desk {
                let is_new = |item: &Item| {
                    let held = item.order().map(|held| held.updated_micros);
                    held >= Some(order.updated_micros)
                };
                until_shown(&state, || {
                    state.hub.get(&id).is_none_or(|item| is_new(&item))
                })
                .await;
            }
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
    until_shown(&state, || state.hub.get(&id).is_none()).await;
    Ok(HttpResponse::Ok().json(json!({"success": true, "orderId": id})))
}

/// Waits until memory, which serves lists and polls, shows a change just made: Firestore's listener delivers it a moment later,
/// and a program that reads the list after its change must find it. The change is made in any case, so the wait is short.
async fn until_shown(state: &AppState, is_shown: impl Fn() -> bool) {
    let end = Instant::now() + SHOWN_PATIENCE;
    while !is_shown() && state.hub.source().state == SourceState::Live && Instant::now() < end {
        tokio::time::sleep(SHOWN_STEP).await;
    }
}

/// Statistics of the window.
pub(super) async fn stats(_: Admin, state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().json(state.hub.stats())
}

fn order_id(text: &str) -> Result<OrderId, ApiError> {
    OrderId::parse(text).map_err(|error| ApiError::invalid("id", error.to_string()))
}

fn shown(order: &Order, desk: bool) -> Value {
    if desk { card(order) } else { order.whole() }
}

/// The order's card, with the position of its last change.
fn card(order: &Order) -> Value {
    let mut card = json!(Card::from(order));
    card["position"] = json!(order.position());
    card
}
