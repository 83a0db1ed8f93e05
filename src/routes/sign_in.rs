use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_lab::header::{ClearSiteData, ClearSiteDataDirective};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::access::{CookieAdmin, client, client_name, is_cross_site, is_same_origin};
use super::cookies::{device_cookie, devices, no_session_cookie};
use super::error::ApiError;
use super::pages::{Attempt, sign_in_again};
use super::state::AppState;
use super::{body, language, session};
use crate::auth::{AuthError, PasswordChecked};
use crate::store::SessionKind;

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: SecretString,
}

#[derive(Deserialize)]
struct Form {
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// Signs a program in. Returns the secret of a session, which lasts longer than a browser's.
pub(super) async fn api(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let Credentials { email, password } = body::json(&request, payload, &state).await?;
    let address = client(&request, &state.settings.server.trusted_proxies).counted;
    let (client, devices) = (client_name(&request), devices(&request, &state));
    let signed_in = state
        .auth
        .sign_in(
            &email,
            password,
            address,
            &client,
            SessionKind::Api,
            &devices,
        )
        .await
        .inspect_err(|error| log_refusal(error, address))?;
    let admin = &signed_in.principal;
    tracing::info!(admin = admin.email, %address, "signed in");
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "token": signed_in.secret.expose_secret(),
        "adminId": admin.admin_id,
        "email": admin.email,
        "name": admin.name,
    })))
}

/// Signs a browser in, and redirects it to the page it asked for.
pub(super) async fn form(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    if is_cross_site(&request) {
        return Err(ApiError::forbidden(
            "CROSS_SITE",
            "this request comes from another site",
        ));
    }
    let session = session::session(&request)?;
    let form: Form = body::form(&request, payload, &state).await?;
    let password = form.password.clone();
    let address = client(&request, &state.settings.server.trusted_proxies).counted;
    let checked = state
        .auth
        .check_password(&form.email, password, address, &devices(&request, &state))
        .await
        .inspect_err(|error| log_refusal(error, address));
    let again = |status, error, wait| refused((&request, &state), &form, (status, error, wait));
    match checked {
        Ok(PasswordChecked { admin, device }) => {
            session::begin(&session, admin, client_name(&request), address)?;
            Ok(HttpResponse::SeeOther()
                .cookie(device_cookie(&state, &device))
                .insert_header((header::LOCATION, local_path(&form.next)))
                .finish())
        }
        Err(error @ (AuthError::WrongPassword | AuthError::Disabled)) => {
            let why = match error {
                AuthError::Disabled => "login.disabled",
                _ => "login.wrong",
            };
            Ok(again(StatusCode::UNAUTHORIZED, why, None))
        }
        Err(AuthError::Throttled(wait)) => Ok(again(
            StatusCode::TOO_MANY_REQUESTS,
            "login.failures",
            Some(wait),
        )),
        Err(AuthError::Busy(wait)) => Ok(again(
            StatusCode::SERVICE_UNAVAILABLE,
            "login.busy",
            Some(wait),
        )),
        Err(error) => Err(error.into()),
    }
}

/// The sign-in page after a refusal; `error` is the key of the text that says why.
fn refused(
    (request, state): (&HttpRequest, &AppState),
    form: &Form,
    (status, error, wait): (StatusCode, &str, Option<Duration>),
) -> HttpResponse {
    let seconds = wait.map(|wait| wait.as_secs() + 1);
    let attempt = Attempt {
        error,
        seconds: seconds.unwrap_or_default().to_string(),
        email: &form.email,
        next: &form.next,
    };
    let mut page = sign_in_again(
        state,
        status,
        &language::of_request(request, state),
        attempt,
    );
    if let Some(seconds) = seconds {
        page.headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    page
}

/// Ends the browser's session, and makes the browser drop its cached responses.
pub(super) async fn sign_out(
    admin: Result<CookieAdmin, ApiError>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    use actix_web::ResponseError as _;
    let has_session = admin.is_ok();
    // Without either header the session continues, and the response must say so.
    if !is_same_origin(&request) {
        return Err(ApiError::forbidden(
            "CROSS_SITE",
            "this request comes from another site",
        ));
    }
    match admin {
        Ok(CookieAdmin(admin)) => tracing::info!(admin = admin.email, "signed out"),
        // The session may still exist: the store failed.
        Err(error) if error.status_code().is_server_error() => return Err(error),
        // There is no session, or its admin is disabled.
        Err(_) => {}
    }
    session::session(&request)?.purge();
    let mut response = HttpResponse::SeeOther();
    if !has_session {
        // The middleware removes the cookie only of a session that it has loaded.
        response.cookie(no_session_cookie(state.settings.secure_cookies()));
    }
    Ok(response
        .insert_header(ClearSiteData(vec![ClearSiteDataDirective::Cache]))
        .insert_header((header::LOCATION, "/login"))
        .finish())
}

/// Logs why a sign-in was refused.
fn log_refusal(error: &AuthError, address: IpAddr) {
    match error {
        // Only counted in the metrics: a line for each would let a guesser fill the log.
        AuthError::Throttled(_) | AuthError::Busy(_) => {
            tracing::debug!(%address, reason = error.to_string(), "sign-in refused");
        }
        error => tracing::warn!(%address, reason = error.to_string(), "sign-in refused"),
    }
}

/// A path on this server, whatever `next` is: prevents redirects to other sites.
fn local_path(next: &str) -> &str {
    let is_local = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.bytes().all(|b| b.is_ascii_graphic());
    if is_local { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(local_path("/?status=PENDING"), "/?status=PENDING");
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nset-cookie: x",
            "javascript:alert(1)",
        ] {
            assert_eq!(local_path(bad), "/", "{bad}");
        }
    }
}
