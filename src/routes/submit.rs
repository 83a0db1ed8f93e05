use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::error::ApiError;
use super::{AppState, body};
use crate::orders::{DraftLimits, OrderDraft};

/// Places an order. 200 means that it is durable.
pub(super) async fn submit(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let started = Instant::now();
    let key = idempotency_key(&request)?;
    let body: Value = body::json(&request, payload, &state).await?;
    let limits = DraftLimits {
        max_items: state.settings.submit.max_items,
    };
    let draft = OrderDraft::parse(body, limits)?;
    let placed = state.store.submit(draft, key).await?;
    state
        .metrics
        .submit_seconds
        .observe(started.elapsed().as_secs_f64());
    tracing::info!(order = %placed.order_id, "order placed");
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "orderId": placed.order_id,
        "orderNumber": placed.number,
    })))
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    const NAME: &str = "Idempotency-Key";
    let Some(value) = request.headers().get(NAME) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::invalid(
            NAME,
            "must have 1 to 255 visible ASCII characters",
        )),
    }
}
