use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Value, json};

use crate::auth::AuthError;
use crate::orders::{DraftError, FieldError};
use crate::store::StoreError;

/// An error response: a message for the caller, and a cause for the log.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub(super) struct ApiError(Box<Problem>);

#[derive(Debug)]
struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Vec<FieldError>,
    retry_after: Option<Duration>,
    /// The current order, if it was changed in the meantime.
    order: Option<Value>,
    cause: Option<anyhow::Error>,
}

/// Attached to the response, so that the middleware counts and logs it once.
pub(super) struct Reported {
    pub(super) code: &'static str,
    pub(super) cause: Option<String>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
            order: None,
            cause: None,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Problem)) -> Self {
        change(&mut self.0);
        self
    }

    /// 400 that names the field, header or parameter.
    pub(super) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(
            StatusCode::BAD_REQUEST,
            "INVALID_REQUEST",
            format!("{field}: {message}"),
        )
        .with(|problem| {
            problem.details.push(FieldError {
                field: field.to_owned(),
                message,
            });
        })
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            format!("there is no such {what}"),
        )
    }

    pub(super) fn forbidden(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(super) fn too_many(code: &'static str, message: &str, retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
            .with(|problem| problem.retry_after = Some(retry_after))
    }

    pub(super) fn unavailable(code: &'static str, message: &str, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .with(|problem| problem.retry_after = Some(retry_after))
    }

    pub(super) fn conflict(order: Value) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "STATUS_CONFLICT",
            "the order no longer has the expected status: `order` has its current state",
        )
        .with(|problem| problem.order = Some(order))
    }

    pub(super) fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "the server failed to handle the request: its log has the cause",
        )
        .with(|problem| problem.cause = Some(cause.into()))
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.0.status);
        if let Some(retry_after) = self.0.retry_after {
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            response.insert_header((header::RETRY_AFTER, seconds.max(1)));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.extensions_mut().insert(Reported {
            code: self.0.code,
            cause: self.0.cause.as_ref().map(|cause| format!("{cause:#}")),
        });
        let mut body = json!({
            "status": "error",
            "message": self.0.message,
            "statusCode": self.0.status.as_u16(),
            "code": self.0.code,
            "details": self.0.details,
        });
        if let Some(order) = &self.0.order {
            body["order"] = order.clone();
        }
        response.json(body)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found("order"),
            StoreError::Conflict(order) => Self::conflict(order.whole()),
            StoreError::Invalid(error) => Self::invalid(&error.field, error.message),
            StoreError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "KEY_REUSED",
                "this Idempotency-Key was used for another order: send a new order with a new key",
            ),
            StoreError::Exists => Self::new(StatusCode::CONFLICT, "EXISTS", error.to_string()),
            StoreError::Unavailable {
                reason,
                retry_after,
            } => Self::unavailable(
                "STORE_UNAVAILABLE",
                "the store is not available: try again later",
                retry_after,
            )
            .with(|problem| problem.cause = Some(anyhow::anyhow!(reason))),
            StoreError::OutcomeUnknown { reason } => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "OUTCOME_UNKNOWN",
                "the store did not answer in time, so the outcome is unknown: repeat a submit with the same Idempotency-Key",
            )
            .with(|problem| problem.cause = Some(anyhow::anyhow!(reason))),
            StoreError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::Missing => Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message),
            AuthError::Unknown => {
                Self::new(StatusCode::UNAUTHORIZED, "INVALID_CREDENTIALS", message)
            }
            AuthError::WrongPassword => {
                Self::new(StatusCode::UNAUTHORIZED, "WRONG_PASSWORD", message)
            }
            AuthError::Disabled => Self::forbidden("ACCOUNT_DISABLED", &message),
            AuthError::Throttled(wait) => Self::too_many("TOO_MANY_ATTEMPTS", &message, wait),
            AuthError::Busy(wait) => Self::unavailable("BUSY", &message, wait),
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<DraftError> for ApiError {
    fn from(error: DraftError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_ORDER", error.to_string())
            .with(|problem| problem.details = error.0)
    }
}

/// The response for unknown addresses.
pub(super) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found("address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_store_have_a_status_and_a_code() {
        let retry_after = Duration::from_millis(1_500);
        let unavailable = StoreError::Unavailable {
            reason: "secret".to_owned(),
            retry_after,
        };
        let unknown = StoreError::OutcomeUnknown {
            reason: "secret".to_owned(),
        };
        for (error, status, code, header) in [
            (StoreError::NotFound, 404, "NOT_FOUND", None),
            (StoreError::KeyReused, 422, "KEY_REUSED", None),
            (unavailable, 503, "STORE_UNAVAILABLE", Some("2")),
            (unknown, 504, "OUTCOME_UNKNOWN", None),
            (anyhow::anyhow!("secret").into(), 500, "INTERNAL", None),
        ] {
            let error = ApiError::from(error);
            assert_eq!((error.0.status.as_u16(), error.0.code), (status, code));
            assert!(!error.to_string().contains("secret"), "{code}");
            let answer = error.error_response();
            let found = answer.headers().get(header::RETRY_AFTER);
            assert_eq!(
                found.and_then(|value| value.to_str().ok()),
                header,
                "{code}"
            );
        }
    }
}
