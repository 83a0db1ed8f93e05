use std::fmt::Write as _;

use actix_web::{HttpResponse, web};

use super::access::BearerAdmin;
use super::error::ApiError;
use super::state::AppState;
use crate::auth::StreamKind;
use crate::orders::SourceState;

/// All metrics as OpenMetrics text, for Prometheus.
pub(super) async fn metrics(
    _: BearerAdmin,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut text = String::new();
    // Metrics computed on request come first, because the registry's text ends the document.
    write_streams(&mut text, &state);
    write_source(&mut text, &state);
    write_window(&mut text, &state);
    prometheus_client::encoding::text::encode(&mut text, &state.registry)
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}

fn write_streams(text: &mut String, state: &AppState) {
    gauge(text, "streams_open", "Open streams");
    for (kind, label) in [
        (StreamKind::Dashboard, "dashboard"),
        (StreamKind::Api, "api"),
    ] {
        let _ = writeln!(
            text,
            "orderbell_streams_open{{kind=\"{label}\"}} {}",
            state.auth.streams().count(kind)
        );
    }
}

/// The state of the store's watch.
fn write_source(text: &mut String, state: &AppState) {
    let snapshot_at = state.hub.metrics().snapshot_at();
    if snapshot_at > 0 {
        let age = state.clock.millis().saturating_sub(snapshot_at);
        gauge(
            text,
            "snapshot_age_seconds",
            "Time since the store's watch last delivered something",
        );
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds fit into 52 bits for a long time"
        )]
        let _ = writeln!(text, "orderbell_snapshot_age_seconds {}", age as f64 / 1e3);
    }
    gauge(
        text,
        "source_live",
        "Whether changes of the store reach this process",
    );
    let live = u8::from(state.hub.source().state == SourceState::Live);
    let _ = writeln!(text, "orderbell_source_live {live}");
}

/// The orders in memory.
fn write_window(text: &mut String, state: &AppState) {
    let holding = state.hub.holding();
    for (name, help, value) in [
        (
            "window_bytes",
            "Memory that the orders in the window take",
            holding.bytes as u64,
        ),
        ("open_orders", "Open orders in memory", holding.open as u64),
        (
            "open_orders_hidden",
            "Open orders that are left out because there are too many (at least this number)",
            holding.hidden_open as u64,
        ),
        (
            "documents_dropped",
            "Documents removed from memory for lack of room since the start",
            holding.dropped_documents,
        ),
    ] {
        gauge(text, name, help);
        let _ = writeln!(text, "orderbell_{name} {value}");
    }
}

fn gauge(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(
        text,
        "# HELP orderbell_{name} {help}.\n# TYPE orderbell_{name} gauge"
    );
}
