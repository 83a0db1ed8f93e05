use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::{Method, StatusCode, Uri, header};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError, web};
use serde_json::{Value, json};

use super::{AppState, headers::default_headers};
use crate::auth::AuthError;
use crate::orders::{DraftError, FieldError};
use crate::store::StoreError;
use crate::telemetry::Refusal;

/// An answer that refuses: what the caller is told, and what only the log is told.
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
    /// The order as it is now, where somebody else has changed it.
    order: Option<Value>,
    cause: Option<anyhow::Error>,
}

/// Kept with the answer, so that the middleware can count and log it once.
struct Reported {
    code: &'static str,
    cause: Option<String>,
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
            "the order has changed meanwhile",
        )
        .with(|problem| problem.order = Some(order))
    }

    pub(super) fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "something went wrong in the server",
        )
        .with(|problem| problem.cause = Some(cause.into()))
    }

    /// What the caller is told, for a page that shows it.
    pub(super) fn message(&self) -> &str {
        &self.0.message
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
                "this Idempotency-Key was used for another order: a new order needs a new key",
            ),
            StoreError::Exists => Self::new(StatusCode::CONFLICT, "EXISTS", error.to_string()),
            StoreError::Unavailable {
                reason,
                retry_after,
            } => Self::unavailable(
                "STORE_UNAVAILABLE",
                "the store can't take this now, try again later",
                retry_after,
            )
            .with(|problem| problem.cause = Some(anyhow::anyhow!(reason))),
            StoreError::OutcomeUnknown { reason } => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "OUTCOME_UNKNOWN",
                "the store did not say in time whether this was done; a submit can be repeated with the same Idempotency-Key",
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

/// The answer where no address matches.
pub(super) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found("address"))
}

/// Counts and logs refusals once, and puts those that no handler has worded into words: JSON under `/api`, a page elsewhere.
pub async fn translate_errors<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> actix_web::Result<ServiceResponse<EitherBody<B, BoxBody>>> {
    let refused = Refused {
        is_api: request.path().starts_with("/api"),
        method: request.method().clone(),
        uri: request.uri().clone(),
        state: request.app_data::<web::Data<AppState>>().cloned(),
    };
    let mut response = match next.call(request).await {
        Ok(response) => response,
        // Of a middleware, or of a handler that has panicked. The request is gone, and with it the middleware that adds headers.
        Err(error) => {
            let mut worded = error.error_response();
            if refused.is_worded(&worded) {
                refused.report(worded.status(), reported(&mut worded).as_ref());
            } else {
                worded = refused.word(worded);
            }
            default_headers(refused.has_https()).for_each(|(name, value)| {
                worded.headers_mut().append(name, value);
            });
            return Err(InternalError::from_response(error, worded).into());
        }
    };
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return Ok(response.map_into_left_body());
    }
    if refused.is_worded(response.response()) {
        refused.report(status, reported(response.response_mut()).as_ref());
        return Ok(response.map_into_left_body());
    }
    let (request, original) = response.into_parts();
    let worded = refused.word(original);
    Ok(ServiceResponse::new(request, worded).map_into_right_body())
}

/// What was told about an answer by whoever has made it.
fn reported<B>(response: &mut HttpResponse<B>) -> Option<Reported> {
    response.extensions_mut().remove::<Reported>()
}

/// A request that may be refused.
struct Refused {
    is_api: bool,
    method: Method,
    uri: Uri,
    state: Option<web::Data<AppState>>,
}

impl Refused {
    fn has_https(&self) -> bool {
        self.state
            .as_ref()
            .is_some_and(|state| state.settings.has_public_https())
    }

    /// Whether the answer says already what clients of its address can read.
    fn is_worded<B>(&self, response: &HttpResponse<B>) -> bool {
        let is_reported = response.extensions().get::<Reported>().is_some();
        if self.is_api {
            is_reported
        } else {
            !is_reported && response.headers().contains_key(header::CONTENT_TYPE)
        }
    }

    /// The same refusal in words, counted and logged.
    fn word<B>(&self, mut original: HttpResponse<B>) -> HttpResponse {
        let status = original.status();
        let reported = reported(&mut original);
        self.report(status, reported.as_ref());
        let mut worded = if !self.is_api {
            self.page(status, reported.as_ref())
        } else if status == StatusCode::NOT_FOUND {
            ApiError::not_found("address").error_response()
        } else if status == StatusCode::INTERNAL_SERVER_ERROR {
            ApiError::internal(anyhow::anyhow!("a handler has failed")).error_response()
        } else {
            let reason = status.canonical_reason().unwrap_or("error");
            ApiError::new(status, "HTTP_ERROR", reason).error_response()
        };
        for name in [
            header::ALLOW,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            // Scripts of other origins can read the answer only with these.
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            header::VARY,
        ] {
            if let Some(value) = original.headers().get(&name) {
                worded.headers_mut().insert(name, value.clone());
            }
        }
        worded
    }

    fn page(&self, status: StatusCode, reported: Option<&Reported>) -> HttpResponse {
        let message = match (status, reported.map(|reported| reported.code)) {
            (StatusCode::NOT_FOUND, _) => "There is nothing at this address.",
            (StatusCode::TOO_MANY_REQUESTS, _) => {
                "That was too often. Wait a little and try again."
            }
            (StatusCode::FORBIDDEN, _) => "This is not allowed.",
            (StatusCode::SERVICE_UNAVAILABLE, _) => {
                "The shop's data can't be reached right now. Try again in a moment."
            }
            (status, _) if status.is_server_error() => "Something went wrong in the server.",
            _ => "The request could not be understood.",
        };
        match &self.state {
            Some(state) => super::pages::error_page(state, status, message),
            None => HttpResponse::new(status),
        }
    }

    fn report(&self, status: StatusCode, reported: Option<&Reported>) {
        let code = match reported {
            Some(reported) => reported.code,
            None if status == StatusCode::NOT_FOUND => "NOT_FOUND",
            None if status == StatusCode::INTERNAL_SERVER_ERROR => "INTERNAL",
            None => "HTTP_ERROR",
        };
        if let Some(state) = &self.state {
            state
                .metrics
                .refusals
                .get_or_create(&Refusal { reason: code })
                .inc();
        }
        let cause = reported
            .and_then(|reported| reported.cause.as_deref())
            .unwrap_or_default();
        // A limit that is reached is no fault of the server, and a client that reaches it again and again would fill the log.
        let is_limit = status == StatusCode::SERVICE_UNAVAILABLE && cause.is_empty();
        let (status, method, path) = (status.as_u16(), &self.method, self.uri.path());
        if status >= 500 && !is_limit {
            tracing::error!(status, code, cause, %method, path, "refused");
        } else {
            tracing::debug!(status, code, %method, path, "refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service, try_call_service};
    use actix_web::{App, rt::System};
    use actix_web_lab::middleware::CatchPanic;

    use super::*;

    /// A handler that fails as no handler should.
    async fn panics() -> HttpResponse {
        panic!("on purpose")
    }

    #[test]
    fn a_handler_that_panics_answers_in_json() {
        System::new().block_on(async {
            let app = App::new()
                .wrap(CatchPanic::default())
                .wrap(from_fn(translate_errors))
                .route("/api/panics", web::get().to(panics));
            let app = init_service(app).await;
            let request = TestRequest::with_uri("/api/panics").to_request();
            let error = try_call_service(&app, request)
                .await
                .map(|_| ())
                .expect_err("no response of a handler");
            let response = error.error_response();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let header = |name| {
                response
                    .headers()
                    .get(name)
                    .and_then(|value| value.to_str().ok())
            };
            assert_eq!(header("cache-control"), Some("no-store"));
            assert_eq!(header("x-content-type-options"), Some("nosniff"));
            let body = to_bytes(response.into_body()).await.expect("a body");
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(body["code"], "INTERNAL");
            assert_eq!(body["statusCode"], 500);
        });
    }

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
            assert!(!error.message().contains("secret"), "{code}");
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
