use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::access::{
    CookieAdmin, client, client_name, device_cookie, devices, is_cross_site, is_same_origin,
    no_cookie, session_cookie,
};
use super::error::ApiError;
use super::{AppState, body, pages};
use crate::auth::{AuthError, SignedIn};
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

/// Signs a program in; the token it gets is a session's, which lasts longer than a browser's.
pub(super) async fn api(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let Credentials { email, password } = body::json(&request, payload, &state).await?;
    let signed_in = sign_in(&request, &state, SessionKind::Api, &email, password).await?;
    let admin = &signed_in.principal;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "token": signed_in.secret.expose_secret(),
        "adminId": admin.admin_id,
        "email": admin.email,
        "name": admin.name,
    })))
}

/// Signs a browser in, and sends it to where it wanted to go.
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
    let form: Form = body::form(&request, payload, &state).await?;
    let password = form.password.clone();
    match sign_in(
        &request,
        &state,
        SessionKind::Browser,
        &form.email,
        password,
    )
    .await
    {
        Ok(signed_in) => Ok(HttpResponse::SeeOther()
            .cookie(session_cookie(&state, &signed_in))
            .cookie(device_cookie(&state, &signed_in))
            .insert_header((header::LOCATION, local_path(&form.next)))
            .finish()),
        Err(error @ (AuthError::WrongPassword | AuthError::Disabled)) => {
            let error = ApiError::from(error);
            Ok(pages::sign_in_again(
                &state,
                StatusCode::UNAUTHORIZED,
                error.message(),
                &form.email,
                &form.next,
            ))
        }
        Err(AuthError::Throttled(wait)) => Ok(try_later(
            &state,
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts.",
            wait,
            &form,
        )),
        Err(AuthError::Busy(wait)) => Ok(try_later(
            &state,
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people are signing in right now.",
            wait,
            &form,
        )),
        Err(error) => Err(error.into()),
    }
}

fn try_later(
    state: &AppState,
    status: StatusCode,
    reason: &str,
    wait: Duration,
    form: &Form,
) -> HttpResponse {
    let seconds = wait.as_secs() + 1;
    let message = format!("{reason} Try again in {seconds} s.");
    let mut page = pages::sign_in_again(state, status, &message, &form.email, &form.next);
    page.headers_mut()
        .insert(header::RETRY_AFTER, seconds.into());
    page
}

/// Ends the browser's session.
pub(super) async fn sign_out(
    admin: Result<CookieAdmin, ApiError>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    use actix_web::ResponseError as _;
    // Without either header the session stays, and the answer must not look as if it didn't.
    if !is_same_origin(&request) {
        return Err(ApiError::forbidden(
            "CROSS_SITE",
            "this request comes from another site",
        ));
    }
    match admin {
        Ok(CookieAdmin(admin)) => {
            state.auth.sign_out(&admin).await?;
            state.hub.check_subscribers();
            tracing::info!(admin = admin.email, "signed out");
        }
        // The session may be alive: the store can't be asked.
        Err(error) if error.status_code().is_server_error() => return Err(error),
        // There is no session (any more), which is what was asked for.
        Err(_) => {}
    }
    Ok(HttpResponse::SeeOther()
        .cookie(no_cookie(&state))
        .insert_header((header::LOCATION, "/login"))
        .finish())
}

async fn sign_in(
    request: &HttpRequest,
    state: &AppState,
    kind: SessionKind,
    email: &str,
    password: SecretString,
) -> Result<SignedIn, AuthError> {
    let address = client(request, &state.settings.server.trusted_proxies).counted;
    let (client, devices) = (client_name(request), devices(request, state));
    let result = state
        .auth
        .sign_in(email, password, address, &client, kind, &devices)
        .await;
    match &result {
        Ok(signed_in) => tracing::info!(admin = signed_in.principal.email, %address, "signed in"),
        // Counted in the metrics; a line for each would let a guesser fill the log.
        Err(error @ (AuthError::Throttled(_) | AuthError::Busy(_))) => {
            tracing::debug!(%address, reason = error.to_string(), "sign-in refused");
        }
        Err(error) => tracing::warn!(%address, reason = error.to_string(), "sign-in refused"),
    }
    result
}

/// A path on this server, whatever `next` says: nobody is sent elsewhere from here.
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
