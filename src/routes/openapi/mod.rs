//! `GET /api/openapi.json`: the API's description in OpenAPI 3.2.
//!
//! The description stands apart from the handlers: each file here describes one family of addresses with functions and types
//! that exist for their attributes alone. A test compares it with the routes that are registered.

// utoipa reads the attributes; nothing is called or constructed.
#![allow(
    dead_code,
    reason = "these items exist for the attributes that utoipa reads"
)]

mod account;
mod change_schemas;
mod events;
mod list_schemas;
mod order_schemas;
mod orders;
mod refusals;
mod service;
mod streams;
mod submit;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;

use actix_web::http::header::{self, ETag, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use utoipa::OpenApi;
use utoipa::openapi::OpenApiVersion;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};

use super::cookies;
use super::state::AppState;
use crate::settings::Settings;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "orderbell",
        description = "A live order desk for small shops: customers place orders, and every open desk shows them at once.\n\n\
            Times are milliseconds since the Unix epoch unless a field says otherwise. A *cursor* is the position of a change: \
            a client stores the last one that it received, and sends it to get all later changes. Cursors stay valid after a \
            restart of the server, and on other instances.\n\n\
            `HEAD` is supported wherever `GET` is, except on the two streams. It returns the same headers without a body.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "customers", description = "Placing orders."),
        (name = "orders", description = "Reading and changing orders."),
        (name = "streams", description = "Orders as server-sent events."),
        (name = "account", description = "Signing in, sessions and passwords."),
        (name = "service", description = "State of the server."),
        (name = "pages", description = "Pages and forms for browsers."),
    ),
    paths(
        submit::submit,
        orders::list,
        orders::recent,
        orders::get,
        orders::change,
        orders::remove,
        orders::stats,
        orders::analytics,
        streams::bearer_stream,
        streams::session_stream,
        account::sign_in,
        account::screens,
        account::sessions,
        account::revoke_others,
        account::change_password,
        account::fcm_token,
        service::health,
        service::live,
        service::ready,
        service::metrics,
        service::description,
        service::desk,
        service::sign_in_page,
        service::sign_in_form,
        service::sign_out,
    ),
    components(schemas(
        events::StreamEvent,
        list_schemas::AmountFilter,
        list_schemas::DayOrTime,
        list_schemas::PageLimit,
        list_schemas::PageStart,
        order_schemas::StatusFilter,
        orders::View,
        submit::FieldValue
    )),
)]
struct Description;

/// The description as sent to clients.
struct Document {
    json: Bytes,
    tag: EntityTag,
}

/// The description, built on the first request for it.
#[derive(Default)]
pub(super) struct Cache(OnceCell<Document>);

impl Document {
    fn new(settings: &Settings) -> Self {
        let json = describe(settings)
            .to_json()
            .expect("a description consists of text and numbers, which JSON can hold");
        let digest = Sha256::digest(json.as_bytes());
        let digest = hex::encode(&digest[..8]);
        Self {
            // Weak: the response may be compressed on its way, which changes its bytes.
            tag: EntityTag::new_weak(digest),
            json: json.into(),
        }
    }
}

/// The description of this server. Cookie names, customers' tokens and limits depend on its settings.
fn describe(settings: &Settings) -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    description.openapi = OpenApiVersion::Version32;
    let components = description.components.get_or_insert_default();
    refusals::register(components);
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some(
        "A token from `orderbell token create`, `auth.admin_token`, the `token` from `POST /api/admin/login`, or an admin's id \
         if `auth.accept_admin_ids` allows it."
            .to_owned(),
    );
    let mut customer = Http::new(HttpAuthScheme::Bearer);
    customer.description =
        Some("A customer's Firebase ID token, if `submit.auth` is `firebase`.".to_owned());
    let cookie = ApiKeyValue::with_description(
        cookies::session_cookie_name(settings.secure_cookies()),
        "The session of a browser. A request that changes something must also come from the desk's own pages: with \
         `Sec-Fetch-Site: same-origin`, or with the server's own `Origin`.",
    );
    for (name, scheme) in [
        ("bearer", SecurityScheme::Http(bearer)),
        ("customer", SecurityScheme::Http(customer)),
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ] {
        components.add_security_scheme(name, scheme);
    }
    orders::adapt(&mut description, settings.store.window.orders);
    submit::adapt(&mut description, &settings.submit);
    description
}

/// The API's description. It changes only with the program, so clients can revalidate it with `If-None-Match`.
pub(super) async fn openapi(
    request: HttpRequest,
    cache: web::Data<Cache>,
    state: web::Data<AppState>,
) -> HttpResponse {
    let document = cache.0.get_or_init(|| Document::new(&state.settings));
    let is_known = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&document.tag)),
        Err(_) => false,
    };
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header(ETag(document.tag.clone()))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    if is_known {
        response.finish()
    } else {
        response
            .content_type("application/json")
            .body(document.json.clone())
    }
}
