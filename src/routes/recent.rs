use actix_web::http::header::{ETag, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{BufMut as _, BytesMut};
use serde::Deserialize;
use serde_json::json;

use super::AppState;
use super::access::Admin;
use super::error::ApiError;
use crate::hub::{Filter, Recent};
use crate::orders::{Position, Status};

/// Orders of an answer when the poll says neither how many nor since when.
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
    let window = state.hub.settings().window;
    let limit = query
        .limit
        .as_deref()
        .map(|text| limit(text, window))
        .transpose()?;
    let desk = is_desk(query.view.as_deref())?;
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
        .body(encode(&recent, desk, &state)))
}

fn encode(recent: &Recent, desk: bool, state: &AppState) -> BytesMut {
    let mut body = BytesMut::from("{\"orders\":[");
    for (index, item) in recent.items.iter().enumerate() {
        if index > 0 {
            body.put_u8(b',');
        }
        body.put_slice(if desk {
            item.card_json()
        } else {
            item.whole_json()
        });
    }
    // A cursor has no character that JSON would escape.
    body.put_slice(format!("],\"cursor\":\"{}\"", recent.cursor).as_bytes());
    if recent.reset {
        body.put_slice(b",\"reset\":true");
    }
    if desk {
        let source = json!(state.hub.source());
        let more = format!(
            ",\"serverTime\":{},\"source\":{source},\"assets\":\"{}\"",
            state.clock.millis(),
            state.assets.prefix()
        );
        body.put_slice(more.as_bytes());
    }
    body.put_u8(b'}');
    body
}

/// A number of orders from 1 to the window's size.
pub(super) fn limit(text: &str, most: usize) -> Result<usize, ApiError> {
    text.parse()
        .ok()
        .filter(|limit| (1..=most).contains(limit))
        .ok_or_else(|| ApiError::invalid("limit", format!("must be a number from 1 to {most}")))
}

/// The statuses that are wanted; none where nothing is said.
pub(super) fn filter(status: Option<&str>) -> Result<Option<Filter>, ApiError> {
    let statuses = Status::parse_list(status.unwrap_or_default());
    statuses
        .map(Filter::new)
        .map_err(|error| ApiError::invalid("status", error.to_string()))
}

/// Whether orders are wanted as cards, as the desk shows them.
pub(super) fn is_desk(view: Option<&str>) -> Result<bool, ApiError> {
    match view {
        None => Ok(false),
        Some("desk") => Ok(true),
        Some(_) => Err(ApiError::invalid("view", "must be \"desk\"")),
    }
}
