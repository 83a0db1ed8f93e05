//! Logging, and the metrics behind `/metrics`.

mod malformed;

use std::sync::Arc;

use actix_web::HttpMessage as _;
use prometheus_client::registry::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::LogSettings;
use malformed::MalformedRequests;

pub use malformed::report_malformed_requests;

/// Sends logs to standard error, as configured. Does nothing if a logger is installed already.
pub fn init(settings: &LogSettings) {
    let registry = tracing_subscriber::registry()
        .with(filter(settings))
        .with(MalformedRequests);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let _ = if settings.json {
        registry.with(layer.json()).try_init()
    } else {
        registry.with(layer).try_init()
    };
}

/// The log filter. Silences actix-session unless the settings name it: it warns of every cookie that it can't verify, and
/// anyone can send those.
fn filter(settings: &LogSettings) -> Targets {
    // Validated with the settings.
    let named: Targets = settings.level.parse().unwrap_or_default();
    let default = named.default_level();
    let filter = Targets::new()
        .with_target("actix_session", LevelFilter::ERROR)
        .with_targets(named);
    match default {
        Some(level) => filter.with_default(level),
        None => filter,
    }
}

/// The registry of `/metrics`, with the prefix `orderbell_`.
pub fn registry(register: impl FnOnce(&mut Registry)) -> Arc<Registry> {
    let mut registry = Registry::with_prefix("orderbell");
    register(&mut registry);
    Arc::new(registry)
}

/// Creates the span of a request's log lines: method, path and a random id, and nothing else from the request.
pub struct RequestSpan;

impl tracing_actix_web::RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &actix_web::dev::ServiceRequest) -> tracing::Span {
        let id = request
            .extensions()
            .get::<tracing_actix_web::RequestId>()
            .map(ToString::to_string);
        tracing::info_span!("request", method = %request.method(), path = request.path(), id, status = tracing::field::Empty)
    }

    fn on_request_end<B: actix_web::body::MessageBody>(
        span: tracing::Span,
        outcome: &Result<actix_web::dev::ServiceResponse<B>, actix_web::Error>,
    ) {
        if let Ok(response) = outcome {
            span.record("status", response.status().as_u16());
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn cookies_that_cannot_be_verified_are_logged_only_where_the_settings_ask_for_it() {
        for (level, warns) in [
            ("info", false),
            ("debug,h2=off", false),
            ("info,actix_session=warn", true),
        ] {
            let filter = filter(&LogSettings {
                level: level.to_owned(),
                json: false,
            });
            let is_logged = |target| filter.would_enable(target, &Level::WARN);
            assert_eq!(is_logged("actix_session::middleware"), warns, "{level}");
            assert!(is_logged("orderbell::routes"), "{level}");
        }
    }
}
