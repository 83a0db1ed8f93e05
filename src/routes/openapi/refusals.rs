use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema};

/// An error response.
#[derive(ToSchema)]
#[schema(as = Error)]
pub(super) struct Error {
    /// Always `error`.
    #[schema(example = "error", pattern = "^error$")]
    status: String,
    /// What is wrong, as text for people.
    message: String,
    /// The HTTP status of the response.
    #[schema(minimum = 400, maximum = 599, example = 400)]
    #[serde(rename = "statusCode")]
    status_code: u16,
    /// What is wrong, as a code for programs.
    #[schema(example = "INVALID_ORDER")]
    code: String,
    /// The fields, parameters or headers that are wrong; empty if the error is not about one of them.
    details: Vec<FieldError>,
    /// Only with a 409: the current order.
    #[schema(required = false)]
    order: Option<Value>,
}

/// What is wrong with one field, parameter or header.
#[derive(ToSchema)]
pub(super) struct FieldError {
    /// Its name, or its path in the body.
    #[schema(example = "order.items[0].quantity")]
    field: String,
    /// What it must be.
    #[schema(example = "must be a number")]
    message: String,
}

/// Status, name of the component, and description of every refusal.
const REFUSALS: [(u16, &str, &str); 13] = [
    (
        400,
        "BadRequest",
        "A field, parameter or header is wrong; `details` names it.",
    ),
    (
        401,
        "Unauthorized",
        "No credentials were sent, or they are unknown or have expired.",
    ),
    (
        403,
        "Forbidden",
        "The credentials are known but don't allow this: the account is disabled (`ACCOUNT_DISABLED`), the request comes from \
         another site (`CROSS_SITE`), or a token without an admin has no password (`NO_PASSWORD`) and no phone (`NO_ADMIN`).",
    ),
    (404, "NotFound", "There is no such order."),
    (408, "RequestTimeout", "The body did not arrive in time."),
    (
        409,
        "Conflict",
        "The order no longer has the expected status; `order` has its current state.",
    ),
    (413, "ContentTooLarge", "The body is too large."),
    (415, "UnsupportedMediaType", "The body is not JSON."),
    (
        422,
        "UnprocessableContent",
        "The `Idempotency-Key` was used before with another body or by another customer (`KEY_REUSED`).",
    ),
    (
        429,
        "TooManyRequests",
        "A limit is reached; `Retry-After` says when to try again.",
    ),
    (
        500,
        "InternalServerError",
        "The server failed to handle the request; its log has the cause.",
    ),
    (
        503,
        "ServiceUnavailable",
        "The store can't be reached, or a limit of the whole server is reached; `Retry-After` says when to try again. Nothing \
         was changed.",
    ),
    (
        504,
        "GatewayTimeout",
        "The store did not answer in time, so the outcome is unknown (`OUTCOME_UNKNOWN`). Repeat the request with the \
         same `Idempotency-Key`.",
    ),
];

/// Adds the refusals to the components, so that addresses refer to them.
pub(super) fn register(components: &mut Components) {
    for (status, name, description) in REFUSALS {
        let error = Ref::from_schema_name("Error").into();
        let mut response = refusal(status, description, "application/json", error);
        if status == 401 {
            let challenge = header("The accepted scheme: `Bearer`.", Type::String);
            response = response.header("WWW-Authenticate", challenge);
        }
        components
            .responses
            .insert(name.to_owned(), response.build().into());
    }
    components
        .schemas
        .insert("Error".to_owned(), Error::schema());
    components
        .schemas
        .insert("FieldError".to_owned(), FieldError::schema());
}

fn refusal(status: u16, description: &str, mime: &str, schema: RefOr<Schema>) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new()
        .description(description)
        .content(mime, content);
    if matches!(status, 429 | 503) {
        response.header("Retry-After", header("Seconds to wait.", Type::Integer))
    } else {
        response
    }
}

fn header(description: &str, kind: Type) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(kind)))
        .build()
}

fn refer(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    REFUSALS
        .iter()
        .filter(|(status, ..)| statuses.contains(status))
        .map(|(status, name, _)| (status.to_string(), Ref::from_response_name(*name).into()))
        .collect()
}

/// The same refusals as pages, which is what addresses outside of `/api` answer with.
fn pages(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    REFUSALS
        .iter()
        .filter(|(status, ..)| statuses.contains(status))
        .map(|(status, _, description)| {
            let page = ObjectBuilder::new().schema_type(Type::String).into();
            let page = refusal(*status, description, "text/html", page);
            (status.to_string(), page.build().into())
        })
        .collect()
}

/// Declares groups of refusals that several addresses share.
macro_rules! groups {
    ($as:ident: $($(#[$doc:meta])* $name:ident = $($status:literal)+;)+) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                $as(&[$($status),+])
            }
        }
    )+};
}

groups! { refer:
    /// Of every address that needs an admin.
    OfAdmins = 401 403 429 500 503;
    /// Of every address that reads a JSON body.
    OfBodies = 400 408 413 415;
    /// Of addresses with parameters.
    OfParameters = 400;
    /// Where there may be no such order.
    OfMissing = 404;
    /// Where an order may have changed meanwhile.
    OfConflicts = 409;
    /// Of signing in.
    OfSigningIn = 401 403 429 500 503;
    /// Of placing an order.
    OfSubmits = 401 422 429 500 503 504;
}

groups! { pages:
    /// Of the metrics, which need a token.
    OfMetrics = 401 403 429 500 503;
    /// Of the desk.
    OfDesk = 403 500 503;
    /// Of the page to sign in.
    OfSignInPage = 400 500;
    /// Of the form that signs in.
    OfSignInForm = 400 401 403 408 413 429 500 503;
    /// Of signing out.
    OfSigningOut = 403 500 503;
}
