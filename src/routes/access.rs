use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::{FromRequest, HttpRequest, web};
use ipnet::IpNet;
use secrecy::ExposeSecret as _;

use super::AppState;
use super::client::{Client, Forwarding, NO_PEER};
use super::error::ApiError;
use crate::auth::{AuthError, Principal, SignedIn};
use crate::http::ConnectionHandle;

/// An admin, by bearer token or by session.
pub(super) struct Admin(pub(super) Principal);
/// An admin, by bearer token only.
pub(super) struct BearerAdmin(pub(super) Principal);
/// An admin, by session cookie only.
pub(super) struct CookieAdmin(pub(super) Principal);

/// Device cookies of one request that are looked at.
const MAX_DEVICES_TRIED: usize = 64;

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            // A bearer token says more than a cookie, which browsers send along unasked.
            match bearer(&request).await {
                Err(AuthError::Missing) => {}
                found => return Ok(Self(found?)),
            }
            let principal = cookie(&request).await?;
            if !request.method().is_safe() && !is_same_origin(&request) {
                return Err(ApiError::forbidden(
                    "CROSS_SITE",
                    "this request comes from another site",
                ));
            }
            Ok(Self(principal))
        })
    }
}

impl FromRequest for BearerAdmin {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self(bearer(&request).await?)) })
    }
}

impl FromRequest for CookieAdmin {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let principal = cookie(&request).await?;
            if *request.method() != Method::GET && !is_same_origin(&request) {
                return Err(ApiError::forbidden(
                    "CROSS_SITE",
                    "this request comes from another site",
                ));
            }
            Ok(Self(principal))
        })
    }
}

async fn bearer(request: &HttpRequest) -> Result<Principal, AuthError> {
    let secret = bearer_secret(request)?;
    let state = state(request)?;
    let client = client(request, &state.settings.server.trusted_proxies);
    let principal = state.auth.bearer(secret, client.counted).await?;
    mark_known(request);
    Ok(principal)
}

/// Connections from an address that good credentials have come from have a reserve.
fn mark_known(request: &HttpRequest) {
    if let Some(connection) = request.conn_data::<ConnectionHandle>() {
        connection.mark_known();
    }
}

/// The token of the header `Authorization: Bearer TOKEN`, or of `Authorization: TOKEN`, which older programs send. Other
/// schemes are ignored: a proxy's own password, for example, which browsers send along.
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

async fn cookie(request: &HttpRequest) -> Result<Principal, AuthError> {
    let state = state(request)?;
    let name = cookie_name(state.settings.secure_cookies());
    let principal = state.auth.cookie(cookies(request, name)).await?;
    mark_known(request);
    Ok(principal)
}

/// The values of all cookies of this name, in the order that the browser sends them in. Unlike actix's own, this goes on after
/// a cookie that can't be read: other hosts of the same site may set any.
fn cookies<'a>(request: &'a HttpRequest, name: &'a str) -> impl Iterator<Item = &'a str> {
    let headers = request.headers().get_all(header::COOKIE);
    headers
        .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
        .flat_map(|text| text.split(';'))
        .filter_map(move |pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found == name).then_some(value)
        })
}

fn state(request: &HttpRequest) -> Result<&web::Data<AppState>, AuthError> {
    request
        .app_data::<web::Data<AppState>>()
        .ok_or(AuthError::Missing)
}

/// Name of the session cookie; the prefix has browsers refuse it over plain HTTP and from other hosts.
pub(super) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-desk" } else { "desk" }
}

fn device_cookie_name(secure: bool) -> &'static str {
    if secure {
        "__Host-desk-device"
    } else {
        "desk-device"
    }
}

/// What the browser has kept from an earlier sign-in on this device, and perhaps what other hosts have planted beside it.
pub(super) fn devices<'a>(request: &'a HttpRequest, state: &AppState) -> Vec<&'a str> {
    let name = device_cookie_name(state.settings.secure_cookies());
    cookies(request, name).take(MAX_DEVICES_TRIED).collect()
}

/// The cookie by which the device is recognised at its next sign-in. It lets no one in: it only keeps guesses that are made
/// elsewhere from slowing this device down.
pub(super) fn device_cookie(state: &AppState, signed_in: &SignedIn) -> Cookie<'static> {
    let secure = state.settings.secure_cookies();
    let secret = signed_in.device.expose_secret().to_owned();
    let mut cookie = cookie_with(
        device_cookie_name(secure),
        secure,
        secret,
        time::Duration::days(365),
    );
    cookie.set_same_site(SameSite::Strict);
    cookie
}

/// The cookie of a session that has just begun.
pub(super) fn session_cookie(state: &AppState, signed_in: &SignedIn) -> Cookie<'static> {
    let lifetime = i64::try_from(signed_in.lifetime.as_secs()).unwrap_or(i64::MAX);
    let secure = state.settings.secure_cookies();
    cookie_with(
        cookie_name(secure),
        secure,
        signed_in.secret.expose_secret().to_owned(),
        time::Duration::seconds(lifetime),
    )
}

/// The cookie that takes a session's cookie away.
pub(super) fn no_cookie(state: &AppState) -> Cookie<'static> {
    let secure = state.settings.secure_cookies();
    cookie_with(
        cookie_name(secure),
        secure,
        String::new(),
        time::Duration::ZERO,
    )
}

fn cookie_with(
    name: &'static str,
    secure: bool,
    value: String,
    max_age: time::Duration,
) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Lax)
        .max_age(max_age)
        .finish()
}

/// Whether a browser says that the request comes from one of our own pages.
///
/// Browsers send `Sec-Fetch-Site` where the connection is trustworthy, and `Origin` with every request that may change
/// something. A cookie without either isn't a browser's.
pub(super) fn is_same_origin(request: &HttpRequest) -> bool {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    match text(header::HeaderName::from_static("sec-fetch-site")) {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => {
            text(header::ORIGIN).is_some_and(|origin| is_ours(origin, text(header::HOST), request))
        }
    }
}

/// Whether pages of `origin` are ours: those of the host that was asked, or of the address that the operator has named. A proxy
/// may ask us by another name than browsers know.
fn is_ours(origin: &str, host: Option<&str>, request: &HttpRequest) -> bool {
    let names_host = origin
        .split_once("://")
        .zip(host)
        .is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host));
    let names_public_url = state(request).is_ok_and(|state| {
        let public = state.settings.server.public_url.as_ref();
        public.is_some_and(|public| public.origin().eq_ignore_ascii_case(origin))
    });
    names_host || names_public_url
}

/// Whether a browser says that the request comes from another site's page. Scripts say nothing.
pub(super) fn is_cross_site(request: &HttpRequest) -> bool {
    let headers = request.headers();
    (headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN))
        && !is_same_origin(request)
}

/// The client's address, as far as proxies that the operator trusts can tell.
pub(super) fn client_address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    client(request, trusted).address
}

/// Where the request comes from, as far as proxies that the operator trusts can tell.
pub(super) fn client(request: &HttpRequest, trusted: &[IpNet]) -> Client {
    let peer = request.peer_addr().map_or(NO_PEER, |peer| peer.ip());
    let lines = |name| {
        let values = request.headers().get_all(name);
        values.map(header::HeaderValue::as_bytes).collect()
    };
    let forwarding = Forwarding {
        x_forwarded_for: lines(header::X_FORWARDED_FOR),
        forwarded: lines(header::FORWARDED),
    };
    Client::of(peer, trusted, &forwarding)
}

/// What the client calls itself, for people to recognise it by.
pub(super) fn client_name(request: &HttpRequest) -> String {
    let agent = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let find = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    let browser = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ if agent.is_empty() => "unnamed client".to_owned(),
        _ => agent.chars().filter(|c| !c.is_control()).take(60).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_leaves_the_machine_is_secure_and_bound_to_the_host() {
        let cookie = cookie_with(
            cookie_name(true),
            true,
            "secret".to_owned(),
            time::Duration::ZERO,
        )
        .to_string();
        assert!(cookie.starts_with("__Host-desk=secret;"), "{cookie}");
        for part in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}
