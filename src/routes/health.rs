use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use serde_json::json;

use super::state::AppState;
use crate::orders::SourceState;

/// Whether the server is up, in the form that existing clients read.
pub(super) async fn health(state: web::Data<AppState>) -> HttpResponse {
    let now = state.clock.millis();
    HttpResponse::Ok().json(json!({
        "status": "healthy",
        "service": "orderbell",
        "version": env!("CARGO_PKG_VERSION"),
        "serverTime": now,
        "timestamp": now,
    }))
}

/// Liveness: the process runs.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

/// Readiness: whether changes of the store reach this process. Public, so the response has the state but not its cause.
pub(super) async fn ready(state: web::Data<AppState>) -> HttpResponse {
    let source = state.hub.source();
    let ready = state.hub.started() && source.state == SourceState::Live;
    let (status, text) = match source.state {
        _ if ready => (StatusCode::OK, "ready"),
        SourceState::Failed { .. } => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "away"),
    };
    HttpResponseBuilder::new(status).json(json!({"status": text, "since": source.since}))
}
