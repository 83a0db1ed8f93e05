//! Browser cookies: the session's, and the one that identifies a device.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header::{self, HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};

use super::state::AppState;

/// Maximum number of device cookies of one request that are examined.
const MAX_DEVICES_TRIED: usize = 64;

/// Name of the session cookie. With the prefix, browsers refuse it over plain HTTP and from other hosts.
pub(super) fn session_cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-desk" } else { "desk" }
}

/// Name of the device cookie.
pub(super) fn device_cookie_name(secure: bool) -> &'static str {
    if secure {
        "__Host-desk-device"
    } else {
        "desk-device"
    }
}

/// Device cookies of the request: from an earlier sign-in, and perhaps some planted by other hosts.
pub(super) fn devices<'a>(request: &'a HttpRequest, state: &AppState) -> Vec<&'a str> {
    let name = device_cookie_name(state.settings.secure_cookies());
    let devices = values(request.headers(), name);
    devices.take(MAX_DEVICES_TRIED).collect()
}

/// The device cookie for the next sign-in. It grants no access: it only keeps guesses made elsewhere from slowing this device
/// down.
pub(super) fn device_cookie(state: &AppState, secret: &SecretString) -> Cookie<'static> {
    let secure = state.settings.secure_cookies();
    Cookie::build(
        device_cookie_name(secure),
        secret.expose_secret().to_owned(),
    )
    .path("/")
    .http_only(true)
    .secure(secure)
    .same_site(SameSite::Strict)
    .max_age(time::Duration::days(365))
    .finish()
}

/// Takes the session cookie away from the browser.
pub(super) fn no_session_cookie(secure: bool) -> Cookie<'static> {
    let mut cookie = Cookie::build(session_cookie_name(secure), "")
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Lax)
        .finish();
    cookie.make_removal();
    cookie
}

/// The values of all cookies with this name, in the order sent.
pub(super) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    segments(headers)
        .filter_map(split)
        .filter_map(move |(found, value)| (found == name).then_some(value))
}

/// The segments between semicolons of a request's cookie headers, as bytes.
pub(super) fn segments(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(header::COOKIE);
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|segment| !segment.is_empty())
}

/// Splits a segment into name and value; `None` if it isn't a cookie.
pub(super) fn split(segment: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(segment).ok()?.split_once('=')
}
