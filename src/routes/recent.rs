use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::http::header::{ETag, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::access::Admin;
use super::error::ApiError;
use super::order_rows::{OrderRows, Row};
use super::state::AppState;
use crate::hub::{Filter, Recent};
use crate::orders::{Position, Status};

/// Number of orders if the poll gives neither a limit nor a cursor.
const DEFAULT_LIMIT: usize = 10;

#[derive(Deserialize)]
pub(super) struct Query {
    limit: Option<String>,
    since: Option<String>,
    status: Option<String>,
    view: Option<String>,
}

/// The polling fallback: the newest orders, or those changed since a cursor.
pub(super) async fn recent(
    _: Admin,
    request: HttpRequest,
    query: web::Query<Query>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let desk = is_desk(query.view.as_deref())?;
    let window = state.hub.settings().window;
    // The desk requests everything in memory.
    let most = if desk {
        window.orders + window.open
    } else {
        window.orders
    };
    let limit = query
        .limit
        .as_deref()
        .map(|text| limit(text, most))
        .transpose()?;
    let filter = filter(query.status.as_deref())?;
    let recent = match &query.since {
        Some(since) => {
            let since: Position = since
                .parse()
                .map_err(|error| ApiError::invalid("since", format!("{error}")))?;
            state
                .hub
                .since(&since, limit.unwrap_or(usize::MAX), filter.as_ref())
        }
        None => state
            .hub
            .newest(limit.unwrap_or(DEFAULT_LIMIT), filter.as_ref()),
    };
    let tag = EntityTag::new_strong(recent.cursor.to_string());
    let is_known = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    if is_known {
        return Ok(HttpResponse::NotModified()
            .insert_header(ETag(tag))
            .finish());
    }
    Ok(HttpResponse::Ok()
        .insert_header(ETag(tag))
        .insert_header(("cache-control", "no-cache, private"))
        .content_type("application/json")
        .body(rows(&recent, desk, state)))
}

fn rows(recent: &Recent, desk: bool, state: web::Data<AppState>) -> OrderRows {
    let rows: Vec<Row> = recent
        .items
        .iter()
        .map(|item| {
            if desk {
                Row::Card(Arc::clone(item))
            } else {
                Row::document(item)
            }
        })
        .collect();
    // A cursor has no character that JSON would escape.
    let mut after = format!("],\"cursor\":\"{}\"", recent.cursor);
    if recent.reset {
        after.push_str(",\"reset\":true");
    }
    if desk {
        let holding = state.hub.holding();
        let _ = write!(
            after,
            ",\"serverTime\":{},\"source\":{},\"assets\":\"{}\",\"usage\":{},\"openTotal\":{},\"openHidden\":{}",
            state.clock.millis(),
            json!(state.hub.source()),
            state.assets.prefix(),
            json!(state.store.usage()),
            holding.open + holding.hidden_open,
            holding.hidden_open,
        );
    }
    after.push('}');
    OrderRows::new("{\"orders\":[", rows, after, state)
}

/// Parses a number of orders from 1 to `most`.
fn limit(text: &str, most: usize) -> Result<usize, ApiError> {
    text.parse()
        .ok()
        .filter(|limit| (1..=most).contains(limit))
        .ok_or_else(|| ApiError::invalid("limit", format!("must be a number from 1 to {most}")))
}

/// Parses the status filter; `None` if not given.
pub(super) fn filter(status: Option<&str>) -> Result<Option<Filter>, ApiError> {
    let statuses = Status::parse_list(status.unwrap_or_default());
    statuses
        .map(Filter::new)
        .map_err(|error| ApiError::invalid("status", error.to_string()))
}

/// Whether orders are requested as the desk's cards.
pub(super) fn is_desk(view: Option<&str>) -> Result<bool, ApiError> {
    match view {
        None => Ok(false),
        Some("desk") => Ok(true),
        Some(_) => Err(ApiError::invalid("view", "must be \"desk\"")),
    }
}
