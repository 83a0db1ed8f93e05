use actix_web::{HttpResponse, web};

use super::access::BearerAdmin;
use super::error::ApiError;
use super::state::AppState;

/// All metrics as OpenMetrics text, for Prometheus.
pub(super) async fn metrics(
    _: BearerAdmin,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &state.registry)
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}
