use std::time::Duration;

use actix_web::body::BodyLimitExceeded;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage as _, HttpRequest, web};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;
use super::state::AppState;
use crate::orders::{DraftError, FieldError};

/// Reads a JSON body within the limits of size and time.
pub(super) async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
) -> Result<T, ApiError> {
    let body = whole_json(request, payload, state, state.settings.server.max_body).await?;
    parse(&body).map_err(|error| ApiError::invalid(&error.field, error.message))
}

/// Reads the JSON body of a submit, within the limits of size and time.
pub(super) async fn order(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
) -> Result<Value, ApiError> {
    let body = whole_json(request, payload, state, state.settings.submit.max_body).await?;
    parse(&body).map_err(|error| DraftError(vec![error]).into())
}

async fn whole_json(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
    limit: usize,
) -> Result<Bytes, ApiError> {
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
    whole(request, payload, state, limit).await
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

/// Parses JSON. The error names the field where the text is invalid.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, FieldError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // If a text ends within an object, the missing field is called "?".
        let path = error.path().to_string();
        refused(path.trim_end_matches(['?', '.']), error.inner())
    })?;
    deserializer.end().map_err(|error| refused("", &error))?;
    Ok(parsed)
}

/// `path` is where the text is invalid; for a missing field, the object that lacks it.
fn refused(path: &str, error: &serde_json::Error) -> FieldError {
    let message = error.to_string();
    let missing = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'));
    let (field, message) = match (path, missing) {
        ("", Some((name, _))) => (name.to_owned(), "is missing".to_owned()),
        (path, Some((name, _))) => (format!("{path}.{name}"), "is missing".to_owned()),
        ("", None) => ("body".to_owned(), message),
        (path, None) => (path.to_owned(), message),
    };
    FieldError {
        field: field.chars().take(200).collect(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        name: String,
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        number: u32,
    }

    #[test]
    fn the_field_that_is_wrong_or_missing_is_named() {
        for (body, field, message) in [
            (r#"{"name":"x"}"#, "inner", "is missing"),
            (
                r#"{"name":"x","inner":[{}]}"#,
                "inner[0].number",
                "is missing",
            ),
            (
                r#"{"name":"x","inner":[{"number":"missing field `x`"}]}"#,
                "inner[0].number",
                "invalid type",
            ),
            (r#"{"name":7}"#, "name", "invalid type"),
            (r#"{"name":"x""#, "body", "EOF"),
            ("[]", "body", "invalid length"),
            (r#"{"name":"x","inner":[]} x"#, "body", "trailing"),
        ] {
            let error = parse::<Outer>(body.as_bytes()).expect_err(body);
            assert_eq!(error.field, field, "{body}");
            assert!(error.message.starts_with(message), "{body}: {error:?}");
        }
    }
}
