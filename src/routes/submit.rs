use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::bearer::bearer_secret;
use super::error::ApiError;
use super::state::AppState;
use super::{access, body};
use crate::auth::firebase::{FirebaseError, UserId};
use crate::orders::{DraftLimits, OrderDraft};
use crate::store::IdempotencyKey;

/// `Retry-After` while Google's keys can't be fetched.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Places an order. 200 means that it is durable.
pub(super) async fn submit(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let started = Instant::now();
    // Before reading or looking up anything.
    let client = access::client(&request, &state.settings.server.trusted_proxies);
    state.submit_limits.check(&client)?;
    let customer = customer(&request, &state).await?;
    let body = body::order(&request, payload, &state).await?;
    let key = idempotency_key(&request, customer.as_ref(), &body)?;
    let limits = DraftLimits {
        max_items: state.settings.submit.max_items,
    };
    let mut draft = match &customer {
        Some(customer) => OrderDraft::parse_for(customer.as_str(), body, limits)?,
        None => OrderDraft::parse(body, limits)?,
    };
    if let Some(source) = state.submit_source.of(&client).await {
        draft = draft.from_source(&source);
    }
    let placed = state.store.submit(draft, key).await?;
    state
        .metrics
        .submit_seconds
        .observe(started.elapsed().as_secs_f64());
    tracing::info!(order = ?placed.order_id, "order placed");
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "orderId": placed.order_id,
        "orderNumber": placed.number,
    })))
}

/// The customer in the request's ID token, if the settings require one.
async fn customer(request: &HttpRequest, state: &AppState) -> Result<Option<UserId>, ApiError> {
    let Some(verifier) = &state.customers else {
        return Ok(None);
    };
    let token = bearer_secret(request)?;
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
                "ID tokens can't be checked right now: try again later",
                RETRY_AFTER,
            ),
        })
}

/// The request's idempotency key, bound to the customer (the body's, if no token names one) and to the body.
fn idempotency_key(
    request: &HttpRequest,
    customer: Option<&UserId>,
    body: &Value,
) -> Result<Option<IdempotencyKey>, ApiError> {
    const NAME: &str = "Idempotency-Key";
    let Some(value) = request.headers().get(NAME) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => {
            let user = customer.map_or_else(|| body["userId"].as_str(), |user| Some(user.as_str()));
            Ok(Some(IdempotencyKey::new(
                key,
                user.unwrap_or_default(),
                body,
            )))
        }
        _ => Err(ApiError::invalid(
            NAME,
            "must have 1 to 255 visible ASCII characters",
        )),
    }
}
