use utoipa::ToSchema;

use super::refusals::{OfAdmins, OfBodies, OfSigningIn};

/// E-mail address and password.
#[derive(ToSchema)]
pub(super) struct Credentials {
    /// Upper and lower case are equal.
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
    /// Send it as `Authorization: Bearer TOKEN`.
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
    /// Name that the client gave, or a description of it.
    name: String,
    /// Name of the admin or token.
    admin: String,
    /// When the stream was opened.
    since: u64,
    /// When the server last sent something.
    last_delivered: u64,
    /// The client's IP address.
    address: String,
    /// Whether the stream uses the credentials of this request.
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

/// A device or program where the admin is signed in.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    id: String,
    /// Description of the client when it signed in.
    name: String,
    created_at: u64,
    /// When it was last used. May be up to an hour too early if another instance was used, or before a restart of this one.
    last_seen_at: u64,
    kind: SessionKind,
    /// Whether this request uses the session.
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
    /// Number of sessions that were ended.
    ended: u64,
}

/// A change of the password.
#[derive(ToSchema)]
pub(super) struct PasswordChange {
    /// The current password.
    #[schema(format = Password, write_only)]
    current: String,
    /// The new password.
    #[schema(format = Password, write_only, min_length = 8, max_length = 128)]
    new: String,
}

/// The token that the phone app got from Firebase Cloud Messaging. Other fields are ignored.
#[derive(ToSchema)]
pub(super) struct FcmToken {
    /// Text that isn't blank.
    #[schema(write_only, min_length = 1, max_length = 4096, pattern = r"\S")]
    token: String,
}

/// The request succeeded.
#[derive(ToSchema)]
pub(super) struct Done {
    /// Always true.
    success: bool,
}

/// Sign in
///
/// Begins a session for a program; a browser signs in at `/login`. The token ends after 90 days without use, when the admin signs
/// out elsewhere, and when the password changes. An admin has at most 50 such tokens: a new one replaces the least recently used
/// one. A token that was used again after its first minute counts as used a day later, so that a script that signs in each time
/// replaces its own tokens. After several failed attempts, further ones get a 429.
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
    responses(
        (status = 200, description = "The admin's sessions; none for a token without an admin.", body = Sessions),
        OfAdmins,
    ),
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
/// Also ends all other sessions of the admin, including the tokens of `/api/admin/login`. If another program changes the password
/// in the store, all sessions of the admin end within a minute.
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

/// Store a phone's FCM token
///
/// Stores the token with which Firebase Cloud Messaging reaches the admin's phone app. Replaces the previous one. The same token
/// is written at most once a day.
#[utoipa::path(
    post,
    path = "/api/admin/fcm-token",
    operation_id = "keepFcmToken",
    tag = "account",
    request_body = FcmToken,
    responses((status = 200, description = "The token is stored.", body = Done), OfBodies, OfAdmins),
    security(("bearer" = []), ("session" = []))
)]
pub(super) fn fcm_token() {}
