use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Admin, client};
use super::body;
use super::error::ApiError;
use super::state::AppState;
use crate::auth::{AuthError, MIN_PASSWORD, Principal, StreamKind};
use crate::store::SessionKind;

#[derive(Deserialize)]
struct PasswordChange {
    current: SecretString,
    new: SecretString,
}

/// Body from the phone app; its other fields are ignored.
#[derive(Deserialize)]
struct FcmToken {
    token: SecretString,
}

/// Maximum length of an FCM token, in bytes. Today's have about 200.
const MAX_FCM_TOKEN: usize = 4_096;

/// Lists the open streams.
pub(super) async fn screens(Admin(admin): Admin, state: web::Data<AppState>) -> HttpResponse {
    let screens: Vec<Value> = state
        .auth
        .streams()
        .list()
        .into_iter()
        .map(|(number, stream)| {
            json!({
                "id": number.to_string(),
                "name": stream.client,
                "admin": stream.principal().name,
                "since": stream.since,
                "lastDelivered": stream.delivered_at(),
                "address": stream.address,
                "current": *stream.credential() == admin.credential,
                "kind": match stream.kind {
                    StreamKind::Dashboard => "dashboard",
                    StreamKind::Api => "api",
                },
            })
        })
        .collect();
    HttpResponse::Ok().json(json!({"screens": screens}))
}

/// Lists the admin's sessions.
pub(super) async fn sessions(
    Admin(admin): Admin,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let sessions: Vec<Value> = state
        .auth
        .sessions(&admin)
        .await?
        .into_iter()
        .map(|session| {
            json!({
                "id": session.id,
                "name": session.client,
                "createdAt": session.created_at,
                "lastSeenAt": session.seen_at,
                "kind": match session.kind {
                    SessionKind::Browser => "browser",
                    SessionKind::Api => "api",
                },
                "current": admin.session_id.as_ref() == Some(&session.id),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"sessions": sessions})))
}

/// Ends the admin's other sessions.
pub(super) async fn revoke_others(
    Admin(admin): Admin,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let ended = state.auth.sign_out_others(&admin).await?;
    state.hub.check_subscribers();
    tracing::info!(admin = admin.email, ended, "ended the other sessions");
    Ok(HttpResponse::Ok().json(json!({"success": true, "ended": ended})))
}

/// Stores the Firebase Cloud Messaging token of the admin's phone app.
pub(super) async fn fcm_token(
    Admin(admin): Admin,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let FcmToken { token } = body::json(&request, payload, &state).await?;
    let text = token.expose_secret();
    if text.trim().is_empty() || text.len() > MAX_FCM_TOKEN {
        return Err(ApiError::invalid(
            "token",
            format!("must be text of 1 to {MAX_FCM_TOKEN} bytes"),
        ));
    }
    if acts_as_itself(&admin) {
        return Err(ApiError::forbidden(
            "NO_ADMIN",
            "this token belongs to no admin, so no phone can be stored: use a token of an admin",
        ));
    }
    state.auth.keep_fcm_token(&admin, &token).await?;
    Ok(HttpResponse::Ok().json(json!({"success": true})))
}

fn acts_as_itself(principal: &Principal) -> bool {
    principal.admin_id.is_none()
}

/// Changes the admin's password, and ends its other sessions.
pub(super) async fn change_password(
    Admin(admin): Admin,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let change: PasswordChange = body::json(&request, payload, &state).await?;
    let length = change.new.expose_secret().chars().count();
    if !(MIN_PASSWORD..=128).contains(&length) {
        return Err(ApiError::invalid(
            "new",
            format!("must have {MIN_PASSWORD} to 128 characters"),
        ));
    }
    if acts_as_itself(&admin) {
        return Err(ApiError::forbidden(
            "NO_PASSWORD",
            "this token belongs to no admin, so there is no password to change",
        ));
    }
    let address = client(&request, &state.settings.server.trusted_proxies).counted;
    match state
        .auth
        .change_password(&admin, change.current, change.new, address)
        .await
    {
        Ok(()) => {}
        Err(AuthError::WrongPassword) => {
            return Err(ApiError::invalid("current", "is not the current password"));
        }
        Err(error) => return Err(error.into()),
    }
    state.hub.check_subscribers();
    tracing::info!(admin = admin.email, "password changed");
    Ok(HttpResponse::Ok().json(json!({"success": true})))
}
