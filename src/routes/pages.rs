use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use anyhow::Context as _;
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use tera::Tera;

use super::AppState;
use super::access::CookieAdmin;
use super::error::ApiError;
use crate::auth::Principal;
use crate::hub::Source;
use crate::orders::Card;

/// The pages. Built into the program; a debug build reads the files anew each time.
#[derive(RustEmbed)]
#[folder = "templates/"]
struct Files;

/// The pages, parsed.
pub struct Templates {
    tera: Tera,
}

/// What `login.html` shows.
#[derive(Debug, Default, Serialize)]
struct SignInPage<'a> {
    shop_name: &'a str,
    assets: &'a str,
    /// Why the last attempt failed, or nothing.
    error: &'a str,
    email: &'a str,
    /// Path to go to after signing in.
    next: &'a str,
}

/// What `dashboard.html` shows.
#[derive(Debug, Serialize)]
struct DeskPage<'a> {
    shop_name: &'a str,
    assets: &'a str,
    desk: &'a Desk,
    /// `desk` as JSON, for scripts.
    state_json: String,
}

/// What `error.html` shows.
#[derive(Debug, Serialize)]
struct ErrorPage<'a> {
    shop_name: &'a str,
    assets: &'a str,
    status: u16,
    title: &'a str,
    message: &'a str,
}

/// All that the desk needs to begin with. The stream goes on from its cursor.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Desk {
    cursor: String,
    server_time: u64,
    heartbeat_seconds: u64,
    retry_ms: u128,
    window: usize,
    shop: DeskShop,
    admin: DeskAdmin,
    source: Source,
    version: &'static str,
    store: &'static str,
    usage: Option<()>,
    /// Newest first.
    orders: Vec<Card>,
}

#[derive(Debug, Serialize)]
struct DeskShop {
    name: String,
    currency: String,
}

#[derive(Debug, Serialize)]
struct DeskAdmin {
    name: String,
    email: String,
}

#[derive(Deserialize)]
pub(super) struct SignInQuery {
    #[serde(default)]
    next: String,
}

impl Templates {
    /// Parses all pages.
    pub fn load() -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for name in Files::iter() {
            let file = Files::get(&name).with_context(|| format!("templates/{name} is missing"))?;
            let text = String::from_utf8(file.data.into_owned())
                .with_context(|| format!("templates/{name}"))?;
            files.push((name, text));
        }
        let mut tera = Tera::default();
        tera.add_raw_templates(files)?;
        Ok(Self { tera })
    }

    fn render(&self, name: &str, page: &impl Serialize) -> anyhow::Result<String> {
        let context = tera::Context::from_serialize(page)?;
        if cfg!(debug_assertions) {
            return Ok(Self::load()?.tera.render(name, &context)?);
        }
        Ok(self.tera.render(name, &context)?)
    }
}

/// The desk, with the orders as they are and the cursor to go on from; or the way to sign in.
pub(super) async fn desk(
    admin: Result<CookieAdmin, ApiError>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    use actix_web::ResponseError as _;
    let admin = match admin {
        Ok(CookieAdmin(admin)) => admin,
        Err(error) if error.status_code() == StatusCode::UNAUTHORIZED => {
            return Ok(to_sign_in(&request));
        }
        Err(error) => return Err(error),
    };
    let desk = desk_of(&admin, &state);
    let page = DeskPage {
        shop_name: &state.settings.shop.name,
        assets: &state.assets.prefix(),
        state_json: serde_json::to_string(&desk).map_err(ApiError::internal)?,
        desk: &desk,
    };
    let page = state
        .templates
        .render("dashboard.html", &page)
        .map_err(ApiError::internal)?;
    Ok(html(StatusCode::OK, page))
}

fn desk_of(admin: &Principal, state: &AppState) -> Desk {
    let newest = state.hub.newest(usize::MAX, None);
    Desk {
        cursor: if state.hub.started() {
            newest.cursor.to_string()
        } else {
            String::new()
        },
        server_time: state.clock.millis(),
        heartbeat_seconds: state.settings.stream.heartbeat.as_secs(),
        retry_ms: state.settings.stream.retry.as_millis(),
        window: state.settings.store.window,
        shop: DeskShop {
            name: state.settings.shop.name.clone(),
            currency: state.settings.shop.currency.clone(),
        },
        admin: DeskAdmin {
            name: admin.name.clone(),
            email: admin.email.clone(),
        },
        source: state.hub.source(),
        version: env!("CARGO_PKG_VERSION"),
        store: "embedded",
        usage: None,
        orders: newest
            .items
            .iter()
            .filter_map(|item| item.order())
            .map(|order| Card::from(&**order))
            .collect(),
    }
}

fn to_sign_in(request: &HttpRequest) -> HttpResponse {
    let wanted = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let location = if wanted == "/" {
        "/login".to_owned()
    } else {
        format!(
            "/login?next={}",
            percent_encoding::utf8_percent_encode(wanted, percent_encoding::NON_ALPHANUMERIC)
        )
    };
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .finish()
}

/// The page to sign in.
pub(super) async fn sign_in_page(
    admin: Option<CookieAdmin>,
    query: web::Query<SignInQuery>,
    state: web::Data<AppState>,
) -> HttpResponse {
    if admin.is_some() {
        return HttpResponse::SeeOther()
            .insert_header((header::LOCATION, "/"))
            .finish();
    }
    sign_in_again(&state, StatusCode::OK, "", "", &query.next)
}

/// The page to sign in, after an attempt that has failed.
pub(super) fn sign_in_again(
    state: &AppState,
    status: StatusCode,
    error: &str,
    email: &str,
    next: &str,
) -> HttpResponse {
    let page = SignInPage {
        shop_name: &state.settings.shop.name,
        assets: &state.assets.prefix(),
        error,
        email,
        next,
    };
    page_or_plain(state, status, "login.html", &page)
}

/// A page that says what went wrong.
pub(super) fn error_page(state: &AppState, status: StatusCode, message: &str) -> HttpResponse {
    let page = ErrorPage {
        shop_name: &state.settings.shop.name,
        assets: &state.assets.prefix(),
        status: status.as_u16(),
        title: status.canonical_reason().unwrap_or("Error"),
        message,
    };
    page_or_plain(state, status, "error.html", &page)
}

fn page_or_plain(
    state: &AppState,
    status: StatusCode,
    template: &str,
    page: &impl Serialize,
) -> HttpResponse {
    match state.templates.render(template, page) {
        Ok(page) => html(status, page),
        Err(error) => {
            tracing::error!(
                template,
                error = format!("{error:#}"),
                "a page can't be rendered"
            );
            HttpResponseBuilder::new(status).body(status.to_string())
        }
    }
}

fn html(status: StatusCode, page: String) -> HttpResponse {
    HttpResponseBuilder::new(status)
        .content_type("text/html; charset=utf-8")
        .body(page)
}

#[cfg(test)]
mod tests;
