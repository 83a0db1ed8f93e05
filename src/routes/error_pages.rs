//! Counts, logs and formats all error responses.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::{Method, StatusCode, Uri, header};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError as _, web};
use serde::Serialize;

use super::error::{ApiError, Reported};
use super::headers::default_headers;
use super::language;
use super::route_metrics::Refusal;
use super::state::AppState;
use crate::languages::Language;

/// Middleware that counts and logs each refusal once, and gives those without a message one: JSON under `/api`, a page
/// elsewhere.
pub async fn translate_errors<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> actix_web::Result<ServiceResponse<EitherBody<B, BoxBody>>> {
    let is_api = request.path().starts_with("/api");
    let state = request.app_data::<web::Data<AppState>>().cloned();
    let language = match &state {
        Some(state) if !is_api => language::of_request(&request, state),
        _ => Language::default(),
    };
    let refused = Refused {
        is_api,
        language,
        method: request.method().clone(),
        uri: request.uri().clone(),
        state,
    };
    let mut response = match next.call(request).await {
        Ok(response) => response,
        // From a middleware, or a handler that has panicked. The request is gone, and with it the middleware that adds headers.
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

/// Takes the [`Reported`] that the response's creator has attached.
fn reported<B>(response: &mut HttpResponse<B>) -> Option<Reported> {
    response.extensions_mut().remove::<Reported>()
}

/// A request that may be refused.
struct Refused {
    is_api: bool,
    /// The language of the page that says what went wrong.
    language: Language,
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

    /// Whether the response is already in the form that clients of its address read.
    fn is_worded<B>(&self, response: &HttpResponse<B>) -> bool {
        let is_reported = response.extensions().get::<Reported>().is_some();
        if self.is_api {
            is_reported
        } else {
            !is_reported && response.headers().contains_key(header::CONTENT_TYPE)
        }
    }

    /// Replaces the body by a message, and counts and logs the refusal.
    fn word<B>(&self, mut original: HttpResponse<B>) -> HttpResponse {
        let status = original.status();
        let reported = reported(&mut original);
        self.report(status, reported.as_ref());
        let mut worded = if !self.is_api {
            self.page(status)
        } else if status == StatusCode::NOT_FOUND {
            ApiError::not_found("address").error_response()
        } else if status == StatusCode::INTERNAL_SERVER_ERROR {
            ApiError::internal(anyhow::anyhow!("a handler failed without a cause")).error_response()
        } else {
            let reason = status.canonical_reason().unwrap_or("error");
            ApiError::new(status, "HTTP_ERROR", reason).error_response()
        };
        for name in [
            header::ALLOW,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            // Scripts of other origins need these to read the response.
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            if let Some(value) = original.headers().get(&name) {
                worded.headers_mut().insert(name, value.clone());
            }
        }
        if let Some(value) = original.headers().get(header::VARY) {
            worded.headers_mut().append(header::VARY, value.clone());
        }
        worded
    }

    fn page(&self, status: StatusCode) -> HttpResponse {
        let problem = match status {
            StatusCode::NOT_FOUND => "missing",
            StatusCode::TOO_MANY_REQUESTS => "limit",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            status if status.is_server_error() => "server",
            _ => "request",
        };
        match &self.state {
            Some(state) => error_page(state, status, &self.language, problem),
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
        // Not logged for limits, which are no fault of the server: a client that keeps reaching one would fill the log.
        let is_limit = status == StatusCode::SERVICE_UNAVAILABLE && cause.is_empty();
        let (status, method, path) = (status.as_u16(), &self.method, self.uri.path());
        if status >= 500 && !is_limit {
            tracing::error!(status, code, cause, %method, path, "request refused");
        } else {
            tracing::debug!(status, code, %method, path, "request refused");
        }
    }
}

/// Context of `error.html`.
#[derive(Debug, Serialize)]
struct ErrorPage<'a> {
    shop_name: &'a str,
    assets: &'a str,
    status: u16,
    /// The texts are `problem.…`, and with `.title` the heading.
    problem: &'a str,
}

/// A page that says what went wrong.
fn error_page(
    state: &AppState,
    status: StatusCode,
    language: &Language,
    problem: &str,
) -> HttpResponse {
    let page = ErrorPage {
        shop_name: &state.settings.shop.name,
        assets: &state.assets.prefix(),
        status: status.as_u16(),
        problem,
    };
    state.templates.page(status, language, "error.html", &page)
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service, try_call_service};
    use actix_web::{App, rt::System};
    use actix_web_lab::middleware::CatchPanic;
    use serde_json::Value;

    use super::*;

    /// A handler that panics.
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
    fn the_page_of_an_error_keeps_text_as_text() -> anyhow::Result<()> {
        let templates = crate::routes::Templates::load()?;
        for language in Language::all() {
            for problem in [
                "missing",
                "limit",
                "forbidden",
                "unavailable",
                "server",
                "request",
            ] {
                let error = ErrorPage {
                    shop_name: "Corner <Shop>",
                    assets: "/static/x",
                    status: 404,
                    problem,
                };
                let text = templates.render(language, "error.html", &error)?;
                assert!(text.contains("404") && !text.contains("<Shop>"));
            }
        }
        Ok(())
    }
}
