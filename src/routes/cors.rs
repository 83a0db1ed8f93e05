//! Submits from pages of other origins (CORS). No other route allows cross-origin reads, and cookies are never allowed.

use actix_cors::Cors;
use actix_web::http::{Method, header};
use actix_web::middleware::Condition;

use crate::settings::AllowedOrigins;

/// How long browsers cache a preflight response, in seconds.
const MAX_AGE: usize = 3_600;

/// Allows pages of `origins` to submit. Adds no header if there are none.
pub(super) fn submit(origins: &AllowedOrigins) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods([Method::POST])
        .allowed_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([header::RETRY_AFTER])
        .max_age(MAX_AGE);
    match origins {
        AllowedOrigins::None => Condition::new(false, cors),
        AllowedOrigins::Any => Condition::new(true, cors.allow_any_origin().send_wildcard()),
        AllowedOrigins::These(origins) => Condition::new(
            true,
            origins
                .iter()
                .fold(cors, |cors, origin| cors.allowed_origin(origin)),
        ),
    }
}
