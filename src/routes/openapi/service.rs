use utoipa::{IntoParams, ToSchema};

use super::orders::Conditional;
use super::refusals::{OfDesk, OfMetrics, OfSignInForm, OfSignInPage, OfSigningOut};

/// The server answers.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    /// Always `healthy`.
    #[schema(example = "healthy")]
    status: String,
    /// Always `orderbell`.
    service: String,
    version: String,
    server_time: u64,
    /// The same as `serverTime`.
    timestamp: u64,
}

/// The process runs.
#[derive(ToSchema)]
pub(super) struct Live {
    /// Always `live`.
    status: String,
}

/// Whether changes of the store reach this server.
#[derive(ToSchema)]
pub(super) struct Ready {
    status: Readiness,
    /// Since when.
    since: u64,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Readiness {
    /// Changes arrive.
    Ready,
    /// They don't, and the server tries again by itself.
    Away,
    /// They don't, and the operator has to do something.
    Failed,
}

/// What the page to sign in sends.
#[derive(ToSchema)]
pub(super) struct SignInForm {
    email: String,
    #[schema(format = Password, write_only)]
    password: String,
    /// Path on this server to go to afterwards.
    #[schema(value_type = String, required = false)]
    next: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SignInQuery {
    /// Path on this server to go to afterwards.
    next: Option<String>,
}

/// Ask whether the server answers
#[utoipa::path(
    get,
    path = "/api/health",
    operation_id = "health",
    tag = "service",
    responses((status = 200, description = "It does.", body = Health)),
)]
pub(super) fn health() {}

/// Ask whether the process runs
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "live",
    tag = "service",
    responses((status = 200, description = "It does.", body = Live)),
)]
pub(super) fn live() {}

/// Ask whether changes of the store arrive
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "ready",
    tag = "service",
    responses(
        (status = 200, description = "They do.", body = Ready),
        (status = 503, description = "They don't.", body = Ready),
    ),
)]
pub(super) fn ready() {}

/// Get metrics
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "service",
    responses(
        (
            status = 200,
            description = "All figures, as Prometheus reads them.",
            body = String,
            content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        ),
        OfMetrics,
    ),
    security(("bearer" = []))
)]
pub(super) fn metrics() {}

/// Get this description
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "service",
    params(Conditional),
    responses(
        (
            status = 200,
            description = "This document.",
            body = serde_json::Value,
            headers(("ETag" = String, description = "Changes whenever the description does."))
        ),
        (status = 304, description = "It has not changed since the answer with this `ETag`."),
    ),
)]
pub(super) fn description() {}

/// Show the desk
#[utoipa::path(
    get,
    path = "/",
    operation_id = "desk",
    tag = "pages",
    responses(
        (status = 200, description = "The desk with the orders as they are.", body = String, content_type = "text/html"),
        (
            status = 303,
            description = "Not signed in.",
            headers(("Location" = String, description = "The page to sign in."))
        ),
        OfDesk,
    ),
    security((), ("session" = []))
)]
pub(super) fn desk() {}

/// Show the page to sign in
#[utoipa::path(
    get,
    path = "/login",
    operation_id = "signInPage",
    tag = "pages",
    params(SignInQuery),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (
            status = 303,
            description = "Signed in already.",
            headers(("Location" = String, description = "The desk."))
        ),
        OfSignInPage,
    ),
    security((), ("session" = []))
)]
pub(super) fn sign_in_page() {}

/// Sign a browser in
///
/// Forms of other sites are refused.
#[utoipa::path(
    post,
    path = "/login",
    operation_id = "signInForm",
    tag = "pages",
    request_body(content = SignInForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (
            status = 303,
            description = "Signed in.",
            headers(
                ("Location" = String, description = "Where `next` says, or the desk."),
                ("Set-Cookie" = String, description = "The session."),
            )
        ),
        OfSignInForm,
    ),
)]
pub(super) fn sign_in_form() {}

/// Sign a browser out
#[utoipa::path(
    post,
    path = "/logout",
    operation_id = "signOut",
    tag = "pages",
    responses(
        (
            status = 303,
            description = "Signed out.",
            headers(
                ("Location" = String, description = "The page to sign in."),
                ("Set-Cookie" = String, description = "Takes the session's cookie away, where it had one."),
                ("Clear-Site-Data" = String, description = "Has the browser drop the answers that it keeps: `\"cache\"`."),
            )
        ),
        OfSigningOut,
    ),
    security((), ("session" = []))
)]
pub(super) fn sign_out() {}
