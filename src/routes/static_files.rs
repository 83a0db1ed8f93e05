use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_lab::header::{CacheControl, CacheDirective};

use super::error::ApiError;
use super::state::AppState;

/// In seconds.
const DAY: u32 = 86_400;
/// In seconds.
const YEAR: u32 = 365 * DAY;

/// Sends one file. Under the current version it never changes, so browsers may cache it.
pub(super) async fn asset(
    path: web::Path<(String, String)>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let asset = state
        .assets
        .get(&name, &state.templates)
        .ok_or_else(|| ApiError::not_found("file"))?;
    let caching = if state.assets.is_current(&version) {
        vec![
            CacheDirective::Public,
            CacheDirective::MaxAge(YEAR),
            CacheDirective::Immutable,
        ]
    } else {
        vec![CacheDirective::NoCache]
    };
    Ok(asset.answer(&request, CacheControl(caching)))
}

/// Sends the icon at the address that browsers request by default.
pub(super) async fn favicon(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let icon = state
        .assets
        .get("icons/icon.svg", &state.templates)
        .ok_or_else(|| ApiError::not_found("file"))?;
    let caching = vec![CacheDirective::Public, CacheDirective::MaxAge(DAY)];
    Ok(icon.answer(&request, CacheControl(caching)))
}
