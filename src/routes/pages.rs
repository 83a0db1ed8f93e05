use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType, HeaderValue};
use actix_web::web::Redirect;
use actix_web::{Either, HttpRequest, HttpResponse, web};
use bytes::BytesMut;
use flate2::Compression;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::CookieAdmin;
use super::assets::{compressed, takes_gzip};
use super::error::ApiError;
use super::state::AppState;
use super::{language, templates};
use crate::auth::Principal;
use crate::hub::{Item, Source};
use crate::languages::{Language, json_in_page};
use crate::orders::{Lane, STATUSES, StatusFacts, facts_of};
use crate::settings::StoreKind;
use crate::store::Usage;

/// Maximum bytes of cards in a page, as JSON. In the page's HTML they take several times as much.
const PAGE_CARDS: usize = 256 << 10;

/// Context of `login.html`.
#[derive(Debug, Default, Serialize)]
struct SignInPage<'a> {
    shop_name: &'a str,
    assets: &'a str,
    #[serde(flatten)]
    attempt: Attempt<'a>,
}

/// The last attempt to sign in, which the page goes on from.
#[derive(Debug, Default, Serialize)]
pub(super) struct Attempt<'a> {
    /// Key of the text that says why it failed, or empty.
    pub(super) error: &'a str,
    /// Seconds to wait before the next one.
    pub(super) seconds: String,
    pub(super) email: &'a str,
    /// Path to go to after signing in.
    pub(super) next: &'a str,
}

/// Context of `dashboard.html`.
#[derive(Debug, Serialize)]
struct DeskPage<'a> {
    shop_name: &'a str,
    assets: &'a str,
    /// The columns of the board.
    lanes: Vec<LaneCards<'a>>,
    /// [`PageData`] as JSON, for scripts.
    data_json: String,
}

/// A column of the board.
#[derive(Debug, Serialize)]
struct LaneCards<'a> {
    name: Lane,
    /// Cards, oldest first.
    orders: Vec<&'a Value>,
}

/// What scripts read from the page.
#[derive(Debug, Serialize)]
struct PageData<'a> {
    state: &'a Desk,
    lanes: [Lane; Lane::BOARD.len()],
    statuses: [StatusFacts; STATUSES.len()],
}

/// Initial state of the desk. The stream continues from its cursor.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Desk {
    cursor: String,
    server_time: u64,
    heartbeat_seconds: u64,
    retry_ms: u128,
    /// Number of newest orders shown, finished or not.
    window: usize,
    /// Number of further open orders shown.
    max_open: usize,
    /// Maximum number of orders returned by `recent`.
    limit: usize,
    shop: DeskShop,
    admin: DeskAdmin,
    source: Source,
    version: &'static str,
    store: &'static str,
    usage: Option<Usage>,
    /// Number of open orders known to the server.
    open_total: usize,
    /// Number of these that are left out.
    open_hidden: usize,
    /// Cards, newest first: all open orders, then the newest others, within [`PAGE_CARDS`].
    orders: Vec<Value>,
    /// Whether there are more orders, to be fetched from `recent`.
    more: bool,
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

impl<'a> DeskPage<'a> {
    fn of(desk: &'a Desk, assets: &'a str) -> serde_json::Result<Self> {
        let data = PageData {
            state: desk,
            lanes: Lane::BOARD,
            statuses: STATUSES,
        };
        Ok(Self {
            shop_name: &desk.shop.name,
            assets,
            lanes: Lane::BOARD
                .map(|lane| LaneCards::of(lane, &desk.orders))
                .into(),
            data_json: json_in_page(&data)?,
        })
    }
}

impl<'a> LaneCards<'a> {
    fn of(name: Lane, newest_first: &'a [Value]) -> Self {
        let is_here = |card: &&Value| {
            let status = card["status"].as_str().unwrap_or_default();
            facts_of(status).lane == name
        };
        let orders = newest_first.iter().rev().filter(is_here).collect();
        Self { name, orders }
    }
}

#[derive(Deserialize)]
pub(super) struct SignInQuery {
    #[serde(default)]
    next: String,
    /// Code of the language that was chosen on the page.
    #[serde(default)]
    lang: String,
}

/// The desk, with the current orders and the cursor to continue from; or a redirect to the sign-in page.
pub(super) async fn desk(
    admin: Result<CookieAdmin, ApiError>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Either<HttpResponse, Redirect>, ApiError> {
    use actix_web::ResponseError as _;
    let admin = match admin {
        Ok(CookieAdmin(admin)) => admin,
        Err(error) if error.status_code() == StatusCode::UNAUTHORIZED => {
            return Ok(Either::Right(to_sign_in(&request)));
        }
        Err(error) => return Err(error),
    };
    let permit = state.large_answer(&state.pages).await?;
    let takes_gzip = takes_gzip(&request);
    let language = language::of_request(&request, &state);
    let code = language.code().to_owned();
    let page = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let page = render_desk(&admin, &language, &state)?;
        // The middleware would compress it less: a first visit over a slow network waits for this.
        let gzip = takes_gzip.then(|| compressed(page.as_bytes(), Compression::default()));
        anyhow::Ok((page, gzip.flatten()))
    });
    let page = page.await.map_err(ApiError::internal)?;
    let (page, gzip) = page.map_err(ApiError::internal)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(ContentType::html())
        .insert_header((header::CONTENT_LANGUAGE, code))
        .insert_header((header::VARY, templates::VARY))
        .append_header((header::VARY, "accept-encoding"));
    Ok(Either::Left(match gzip {
        None => response.body(page),
        Some(gzip) => response
            .insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")))
            .body(gzip),
    }))
}

fn render_desk(admin: &Principal, language: &Language, state: &AppState) -> anyhow::Result<String> {
    let desk = desk_of(admin, state);
    let assets = state.assets.prefix();
    let page = DeskPage::of(&desk, &assets)?;
    state.templates.render(language, "dashboard.html", &page)
}

fn desk_of(admin: &Principal, state: &AppState) -> Desk {
    let newest = state.hub.newest(usize::MAX, None);
    let holding = state.hub.holding();
    let window = state.hub.settings().window;
    let (orders, more) = page_cards(&newest.items);
    Desk {
        cursor: if state.hub.started() {
            newest.cursor.to_string()
        } else {
            String::new()
        },
        server_time: state.clock.millis(),
        heartbeat_seconds: state.settings.stream.heartbeat.as_secs(),
        retry_ms: state.settings.stream.retry.as_millis(),
        window: window.orders,
        max_open: window.open,
        limit: window.orders + window.open,
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
        store: match state.settings.store.kind {
            StoreKind::Embedded(_) => "embedded",
            StoreKind::Firestore(_) => "firestore",
        },
        usage: state.store.usage(),
        open_total: holding.open + holding.hidden_open,
        open_hidden: holding.hidden_open,
        orders,
        more,
    }
}

/// The cards that fit into the page, open orders first, and whether some don't fit.
fn page_cards(items: &[Arc<Item>]) -> (Vec<Value>, bool) {
    let mut chosen = vec![false; items.len()];
    let mut left = PAGE_CARDS;
    for is_finished in [false, true] {
        for (index, item) in items.iter().enumerate() {
            let Some(order) = item.order() else { continue };
            if order.is_finished() != is_finished {
                continue;
            }
            match left.checked_sub(order.card_size()) {
                Some(rest) => left = rest,
                // Orders older than one that doesn't fit are left out too.
                None => break,
            }
            chosen[index] = true;
        }
    }
    let cards = items.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
    let cards: Vec<Value> = cards
        .filter_map(|(item, _)| {
            let mut card = BytesMut::new();
            item.write_card(&mut card);
            serde_json::from_slice(&card).ok()
        })
        .collect();
    let more = cards.len() < items.len();
    (cards, more)
}

fn to_sign_in(request: &HttpRequest) -> Redirect {
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
    Redirect::to(location).see_other()
}

/// The sign-in page.
pub(super) async fn sign_in_page(
    admin: Option<CookieAdmin>,
    query: web::Query<SignInQuery>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let chosen = Language::named(&query.lang);
    let mut response = if admin.is_some() {
        HttpResponse::SeeOther()
            .insert_header((header::LOCATION, "/"))
            .finish()
    } else {
        let language = chosen.clone();
        let language = language.unwrap_or_else(|| language::of_request(&request, &state));
        let attempt = Attempt {
            next: &query.next,
            ..Attempt::default()
        };
        sign_in_again(&state, StatusCode::OK, &language, attempt)
    };
    if let Some(chosen) = chosen {
        let cookie = language::cookie(&chosen, state.settings.secure_cookies());
        response.add_cookie(&cookie).map_err(ApiError::internal)?;
    }
    Ok(response)
}

/// The sign-in page after a failed attempt.
pub(super) fn sign_in_again(
    state: &AppState,
    status: StatusCode,
    language: &Language,
    attempt: Attempt<'_>,
) -> HttpResponse {
    let page = SignInPage {
        shop_name: &state.settings.shop.name,
        assets: &state.assets.prefix(),
        attempt,
    };
    state.templates.page(status, language, "login.html", &page)
}

#[cfg(test)]
mod tests;
