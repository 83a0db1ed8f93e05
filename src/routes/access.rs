use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::{FromRequest, HttpRequest, web};
use ipnet::IpNet;

use super::bearer::bearer_secret;
use super::client::{Client, Forwarding, NO_PEER};
use super::cookies::session_cookie_name;
use super::error::ApiError;
use super::session;
use super::state::AppState;
use crate::auth::{AuthError, Principal};
use crate::http::ConnectionHandle;

/// An admin, by bearer token or by session.
pub(super) struct Admin(pub(super) Principal);
/// An admin, by bearer token only.
pub(super) struct BearerAdmin(pub(super) Principal);
/// An admin, by session cookie only.
pub(super) struct CookieAdmin(pub(super) Principal);

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            // A bearer token takes precedence over a cookie, which browsers send on their own.
            match bearer(&request).await {
                Err(AuthError::Missing) => {}
                found => return Ok(Self(found?)),
            }
            let principal = cookie(&request)?;
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
            let principal = cookie(&request)?;
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

/// Makes the client's address known, so that its connections may use the reserve.
fn mark_known(request: &HttpRequest) {
    if let Some(connection) = request.conn_data::<ConnectionHandle>() {
        connection.mark_known();
    }
}

fn cookie(request: &HttpRequest) -> Result<Principal, AuthError> {
    let secure = state(request)?.settings.secure_cookies();
    let principal = session::principal(request, session_cookie_name(secure))?;
    mark_known(request);
    Ok(principal)
}

fn state(request: &HttpRequest) -> Result<&web::Data<AppState>, AuthError> {
    request
        .app_data::<web::Data<AppState>>()
        .ok_or(AuthError::Missing)
}

/// Whether the browser's headers say that the request comes from one of our own pages.
///
/// Browsers send `Sec-Fetch-Site` on trustworthy connections, and `Origin` with every request that may change something. A
/// request with a cookie and neither header isn't a browser's.
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

/// Whether `origin` is ours: the host of the request (over HTTPS if the request is), or the configured public address, since a proxy may call us by another
/// name than browsers.
fn is_ours(origin: &str, host: Option<&str>, request: &HttpRequest) -> bool {
    // Behind a proxy, plain HTTP may have been HTTPS to the browser.
    let is_tls = request
        .conn_data::<ConnectionHandle>()
        .is_some_and(ConnectionHandle::is_tls);
    let names_host = origin
        .split_once("://")
        .zip(host)
        .is_some_and(|((scheme, origin), host)| {
            origin.eq_ignore_ascii_case(host) && (scheme == "https" || !is_tls)
        });
    let names_public_url = state(request).is_ok_and(|state| {
        let public = state.settings.server.public_url.as_ref();
        public.is_some_and(|public| public.origin().eq_ignore_ascii_case(origin))
    });
    names_host || names_public_url
}

/// Whether the browser's headers say that the request comes from another site's page. False for scripts, which send none.
pub(super) fn is_cross_site(request: &HttpRequest) -> bool {
    let headers = request.headers();
    (headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN))
        && !is_same_origin(request)
}

/// The client's address, using trusted proxies.
pub(super) fn client_address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    client(request, trusted).address
}

/// The client of the request, using trusted proxies.
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

/// The client's name for itself, shown to people.
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
