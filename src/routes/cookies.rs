//! The cookies of browsers: the session's, and the one by which a device is recognised.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header::{self, HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};

use super::state::AppState;

/// Device cookies of one request that are looked at.
const MAX_DEVICES_TRIED: usize = 64;

/// Name of the session cookie; the prefix has browsers refuse it over plain HTTP and from other hosts.
pub(super) fn session_cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-desk" } else { "desk" }
}

/// Name of the device's cookie.
pub(super) fn device_cookie_name(secure: bool) -> &'static str {
    if secure {
        "__Host-desk-device"
    } else {
        "desk-device"
    }
}

/// What the browser has kept from an earlier sign-in on this device, and perhaps what other hosts have planted beside it.
pub(super) fn devices<'a>(request: &'a HttpRequest, state: &AppState) -> Vec<&'a str> {
    let name = device_cookie_name(state.settings.secure_cookies());
    let devices = values(request.headers(), name);
    devices.take(MAX_DEVICES_TRIED).collect()
}

/// The cookie by which the device is recognised at its next sign-in. It lets no one in: it only keeps guesses that are made
/// elsewhere from slowing this device down.
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

/// The values of all cookies of this name, in the order that the browser sends them in.
pub(super) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    segments(headers)
        .filter_map(split)
        .filter_map(move |(found, value)| (found == name).then_some(value))
}

/// The cookies of a request as bytes, and whatever else stands between semicolons.
pub(super) fn segments(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(header::COOKIE);
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|segment| !segment.is_empty())
}

/// Name and value of a segment; `None` where it isn't a cookie.
pub(super) fn split(segment: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(segment).ok()?.split_once('=')
}
