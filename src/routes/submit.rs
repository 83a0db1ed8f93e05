use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::error::ApiError;
use super::{AppState, access, body};
use crate::auth::firebase::{FirebaseError, UserId};
use crate::orders::{DraftLimits, OrderDraft};

/// What a customer is told to wait while Google's keys can't be fetched.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Places an order. 200 means that it is durable.
pub(super) async fn submit(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let started = Instant::now();
    let customer = customer(&request, &state).await?;
    let mut key = idempotency_key(&request)?;
    let body: Value = body::json(&request, payload, &state).await?;
    let limits = DraftLimits {
        max_items: state.settings.submit.max_items,
    };
    let mut draft = OrderDraft::parse(body, limits)?;
    if let Some(customer) = customer {
        draft = draft.for_user(customer.as_str());
        // Customers that are told apart don't share their keys.
        key = key.map(|key| format!("{}/{key}", customer.as_str()));
    }
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

/// The customer that the request's ID token names, where customers have to say who they are.
async fn customer(request: &HttpRequest, state: &AppState) -> Result<Option<UserId>, ApiError> {
    let Some(verifier) = &state.customers else {
        return Ok(None);
    };
    let token = access::bearer_secret(request)?;
    verifier
        .verify(token)
        .await
        .map(Some)
        .map_err(|error| match error {
            FirebaseError::Invalid(_) => {
                ApiError::new(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", error.to_string())
            }
            FirebaseError::Unavailable(_) => ApiError::unavailable(
                "TOKEN_KEYS_UNAVAILABLE",
                "ID tokens can't be checked now, try again later",
                RETRY_AFTER,
            ),
        })
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
