use std::time::Duration;

use actix_web::body::BodyLimitExceeded;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage as _, HttpRequest, web};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::AppState;
use super::error::ApiError;
use crate::orders::{DraftError, FieldError};

/// Reads a JSON body within the limits of size and time.
pub(super) async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
) -> Result<T, ApiError> {
    json_within(request, payload, state, state.settings.server.max_body).await
}

/// Reads a JSON body of at most `limit` bytes, within the limit of time.
pub(super) async fn json_within<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
    limit: usize,
) -> Result<T, ApiError> {
    let mime = request.mime_type().ok().flatten();
    if !mime.is_some_and(|mime| {
        mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json")
    }) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "NOT_JSON",
            "the body must be application/json",
        ));
    }
    parse(&whole(request, payload, state, limit).await?)
}

/// Reads a form's body within the limits of size and time.
pub(super) async fn form<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
) -> Result<T, ApiError> {
    let limit = state.settings.server.max_body;
    let body = whole(request, payload, state, limit).await?;
    let text = str::from_utf8(&body).map_err(|_| ApiError::invalid("body", "is not UTF-8"))?;
    web::Query::from_query(text)
        .map(web::Query::into_inner)
        .map_err(|error| ApiError::invalid("body", error.to_string()))
}

async fn whole(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let timeout: Duration = state.settings.server.request_timeout;
    match tokio::time::timeout(timeout, payload.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(error))) => Err(ApiError::invalid(
            "body",
            format!("could not be read: {error}"),
        )),
        Ok(Err(BodyLimitExceeded { .. })) => Err(too_large(limit)),
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "BODY_TIMEOUT",
            format!("the body did not arrive within {} s", timeout.as_secs()),
        )),
    }
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "BODY_TOO_LARGE",
        format!("the body has more than {} KiB", limit >> 10),
    )
}

/// The error says at which field the text stops being what it should be.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // A text that ends within an object has no name for what is missing: "?".
        let path = error.path().to_string();
        let field = path.trim_end_matches(['?', '.']);
        invalid_json(if field.is_empty() { "body" } else { field }, error.inner())
    })?;
    deserializer
        .end()
        .map_err(|error| invalid_json("body", &error))?;
    Ok(parsed)
}

fn invalid_json(field: &str, error: &serde_json::Error) -> ApiError {
    let field: String = field.chars().take(200).collect();
    DraftError(vec![FieldError {
        field,
        message: error.to_string(),
    }])
    .into()
}
