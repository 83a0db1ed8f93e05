use utoipa::ToSchema;

use super::refusals::{OfAdmins, OfBodies, OfSigningIn};

/// E-mail address and password.
#[derive(ToSchema)]
pub(super) struct Credentials {
    /// Compared without regard to case.
    #[schema(example = "ana@shop.example")]
    email: String,
    #[schema(format = Password, write_only, example = "correct horse")]
    password: String,
}

/// A session has begun.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedIn {
    /// Always true.
    success: bool,
    /// To be sent as `Authorization: Bearer TOKEN`.
    token: String,
    admin_id: String,
    email: String,
    name: String,
}

/// The open streams.
#[derive(ToSchema)]
pub(super) struct Screens {
    screens: Vec<Screen>,
}

/// An open stream.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Screen {
    id: String,
    /// What the client calls itself.
    name: String,
    /// Name of the admin or token.
    admin: String,
    /// When the stream was opened.
    since: u64,
    /// When something was last sent.
    last_delivered: u64,
    /// The client's IP address.
    address: String,
    /// Whether it uses the credentials of this request.
    current: bool,
    kind: ScreenKind,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum ScreenKind {
    /// A desk with a session.
    Dashboard,
    /// A client with a bearer token.
    Api,
}

/// The sessions of the admin.
#[derive(ToSchema)]
pub(super) struct Sessions {
    sessions: Vec<Session>,
}

/// Where the admin is signed in.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    id: String,
    /// What the client called itself when it signed in.
    name: String,
    created_at: u64,
    /// When it was last used; up to an hour behind where another instance has seen it, or this one before a restart.
    last_seen_at: u64,
    kind: SessionKind,
    /// Whether it is the session of this request.
    current: bool,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum SessionKind {
    /// A browser that has signed in at `/login`.
    Browser,
    /// A program that has signed in at `/api/admin/login`.
    Api,
}

/// The other sessions have ended.
#[derive(ToSchema)]
pub(super) struct Revoked {
    /// Always true.
    success: bool,
    /// How many there were.
    ended: u64,
}

/// The password to change.
#[derive(ToSchema)]
pub(super) struct PasswordChange {
    /// The password as it is.
    #[schema(format = Password, write_only)]
    current: String,
    /// The password to be.
    #[schema(format = Password, write_only, min_length = 8, max_length = 128)]
    new: String,
}

/// What Firebase Cloud Messaging has given to the phone app. Other fields are ignored.
#[derive(ToSchema)]
pub(super) struct FcmToken {
    /// Text that isn't blank.
    #[schema(write_only, min_length = 1, max_length = 4096, pattern = r"\S")]
    token: String,
}

/// It is done.
#[derive(ToSchema)]
pub(super) struct Done {
    /// Always true.
    success: bool,
}

/// Sign in
///
/// Begins a session for a program; a browser signs in at `/login`. The token ends when it wasn't used for 90 days, with *sign out
/// elsewhere*, and when the password changes. Existing dashboards keep the token and show an empty list when it has ended, so it
/// lasts longer than a browser's session. An admin has 50 such tokens at most: a new one takes the place of the one that was used
/// longest ago; one that was used after its first minute counts as used a day later. Repeated attempts are slowed down.
#[utoipa::path(
    post,
    path = "/api/admin/login",
    operation_id = "signIn",
    tag = "account",
    request_body = Credentials,
    responses((status = 200, description = "A session has begun.", body = SignedIn), OfBodies, OfSigningIn),
)]
pub(super) fn sign_in() {}

/// List open streams
#[utoipa::path(
    get,
    path = "/api/admin/screens",
    operation_id = "listScreens",
    tag = "account",
    responses((status = 200, description = "The open streams of all admins, oldest first.", body = Screens), OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn screens() {}

/// List sessions
#[utoipa::path(
    get,
    path = "/api/admin/sessions",
    operation_id = "listSessions",
    tag = "account",
    responses((status = 200, description = "The admin's sessions; none for a token.", body = Sessions), OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn sessions() {}

/// Sign out elsewhere
///
/// Ends all other sessions of the admin, and their streams.
#[utoipa::path(
    post,
    path = "/api/admin/sessions/revoke-others",
    operation_id = "revokeOtherSessions",
    tag = "account",
    responses((status = 200, description = "The other sessions have ended.", body = Revoked), OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn revoke_others() {}

/// Change the password
///
/// Also ends all other sessions of the admin, tokens of `/api/admin/login` among them. A password that another program changes in
/// the store ends all of them within a minute.
#[utoipa::path(
    post,
    path = "/api/admin/password",
    operation_id = "changePassword",
    tag = "account",
    request_body = PasswordChange,
    responses((status = 200, description = "The password is changed.", body = Done), OfBodies, OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn change_password() {}

/// Keep a phone's FCM token
///
/// Keeps the token by which Firebase Cloud Messaging reaches the admin's phone app, in place of the last one. The same token is
/// written once a day at most.
#[utoipa::path(
    post,
    path = "/api/admin/fcm-token",
    operation_id = "keepFcmToken",
    tag = "account",
    request_body = FcmToken,
    responses((status = 200, description = "The token is kept.", body = Done), OfBodies, OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn fcm_token() {}
