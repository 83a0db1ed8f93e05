use utoipa::{IntoParams, ToSchema};

use super::orders::Conditional;
use super::refusals::{OfDesk, OfMetrics, OfSignInForm, OfSignInPage, OfSigningOut};

/// State and version of the server.
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

/// State of the process.
#[derive(ToSchema)]
pub(super) struct Live {
    /// Always `live`.
    status: String,
}

/// Whether changes of the store reach this server.
#[derive(ToSchema)]
pub(super) struct Ready {
    status: Readiness,
    /// When this state began.
    since: u64,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Readiness {
    /// Changes arrive.
    Ready,
    /// The store can't be reached; the server tries again.
    Away,
    /// Changes can't arrive until the operator fixes the cause.
    Failed,
}

/// The form of the sign-in page.
#[derive(ToSchema)]
pub(super) struct SignInForm {
    email: String,
    #[schema(format = Password, write_only)]
    password: String,
    /// Path on this server that the browser opens after the sign-in.
    #[schema(value_type = String, required = false)]
    next: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SignInQuery {
    /// Path on this server that the browser opens after the sign-in.
    next: Option<String>,
    /// Code of the language that this browser keeps from now on, such as `ar`. Others than those of the server are ignored.
    lang: Option<String>,
}

/// Check whether the server answers
#[utoipa::path(
    get,
    path = "/api/health",
    operation_id = "health",
    tag = "service",
    responses((status = 200, description = "The server answers.", body = Health)),
)]
pub(super) fn health() {}

/// Check whether the process runs
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "live",
    tag = "service",
    responses((status = 200, description = "The process runs.", body = Live)),
)]
pub(super) fn live() {}

/// Check whether changes of the store arrive
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "ready",
    tag = "service",
    responses(
        (status = 200, description = "Changes arrive.", body = Ready),
        (status = 503, description = "Changes don't arrive; `status` says whether the server tries again.", body = Ready),
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
            description = "All metrics, in the format that Prometheus reads.",
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
        (status = 304, description = "The description is the same as in the response with this `ETag`."),
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
        (status = 200, description = "The desk with the current orders.", body = String, content_type = "text/html"),
        (
            status = 303,
            description = "The browser is not signed in.",
            headers(("Location" = String, description = "The sign-in page."))
        ),
        OfDesk,
    ),
    security((), ("session" = []))
)]
pub(super) fn desk() {}

/// Show the sign-in page
#[utoipa::path(
    get,
    path = "/login",
    operation_id = "signInPage",
    tag = "pages",
    params(SignInQuery),
    responses(
        (
            status = 200,
            description = "The page.",
            body = String,
            content_type = "text/html",
            headers(("Set-Cookie" = String, description = "The language in `lang`, if the server has it."))
        ),
        (
            status = 303,
            description = "The browser is already signed in.",
            headers(("Location" = String, description = "The desk."))
        ),
        OfSignInPage,
    ),
    security((), ("session" = []))
)]
pub(super) fn sign_in_page() {}

/// Sign a browser in
///
/// A form that another site sends is refused.
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
                ("Location" = String, description = "The path in `next`, or the desk."),
                ("Set-Cookie" = String, description = "The cookie of the session."),
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
                ("Location" = String, description = "The sign-in page."),
                ("Set-Cookie" = String, description = "Removes the session's cookie, if the browser sent one."),
                ("Clear-Site-Data" = String, description = "Tells the browser to delete cached responses: `\"cache\"`."),
            )
        ),
        OfSigningOut,
    ),
    security((), ("session" = []))
)]
pub(super) fn sign_out() {}
