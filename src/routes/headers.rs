//! Default headers of responses.

use std::time::Duration;

use actix_web::http::header::{self, HeaderName, HeaderValue, TryIntoHeaderValue as _};
use actix_web::middleware::DefaultHeaders;
use actix_web_lab::header::{CacheControl, CacheDirective, StrictTransportSecurity};

/// Pages load scripts, styles and data from this server only, and can't be framed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; media-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
     object-src 'none'; frame-ancestors 'none'";

/// How long browsers use HTTPS only after a visit (HSTS).
const HTTPS_ONLY_FOR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// The default headers, with HSTS if browsers reach the server over HTTPS.
pub(super) fn default_headers(has_https: bool) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let texts = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not "no-referrer", which makes browsers send `Origin: null` with forms: over plain HTTP only `Origin` identifies our
        // own pages.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ];
    let texts = texts.map(|(name, text)| (name, HeaderValue::from_static(text)));
    let no_store = CacheControl(vec![CacheDirective::NoStore])
        .try_into_value()
        .ok();
    let https = has_https
        .then(|| {
            StrictTransportSecurity::new(HTTPS_ONLY_FOR)
                .try_into_value()
                .ok()
        })
        .flatten();
    texts
        .into_iter()
        .chain(no_store.map(|value| (header::CACHE_CONTROL, value)))
        .chain(https.map(|value| (header::STRICT_TRANSPORT_SECURITY, value)))
}

/// Middleware that adds the default headers.
pub fn add_default_headers(has_https: bool) -> DefaultHeaders {
    default_headers(has_https).fold(DefaultHeaders::new(), DefaultHeaders::add)
}
