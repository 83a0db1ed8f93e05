//! Bearer tokens of requests.

use actix_web::HttpRequest;
use actix_web::http::header;

use crate::auth::AuthError;

/// The token of the header `Authorization: Bearer TOKEN`, or `Authorization: TOKEN` as sent by older programs. Ignores other
/// schemes, such as the password of a proxy, which browsers send along.
pub(super) fn bearer_secret(request: &HttpRequest) -> Result<&str, AuthError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    values
        .find_map(|value| bearer_token(value.to_str().ok()?.trim()))
        .ok_or(AuthError::Missing)
}

fn bearer_token(value: &str) -> Option<&str> {
    let is_bearer = |scheme: &str| scheme.eq_ignore_ascii_case("bearer");
    match value.split_once(char::is_whitespace) {
        Some((scheme, token)) => is_bearer(scheme).then_some(token.trim()),
        None => (!value.is_empty() && !is_bearer(value)).then_some(value),
    }
}
