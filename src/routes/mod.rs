//! The HTTP routes. Each handler extracts, calls, and answers.

mod access;
mod account;
mod assets;
mod bearer;
mod body;
pub mod client;
mod cookies;
mod cors;
mod error;
mod error_pages;
mod head;
mod headers;
mod health;
mod language;
mod list_filters;
mod metrics;
mod openapi;
mod order_list;
mod order_rows;
mod orders;
mod pages;
mod recent;
mod route_metrics;
mod session;
mod sign_in;
mod state;
mod static_files;
mod streams;
mod submit;
mod submit_limits;
mod submit_source;
mod templates;

use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};

pub use assets::Assets;
pub use route_metrics::RouteMetrics;
pub use state::{AppState, LARGE_ANSWERS};
pub use submit_limits::SubmitLimits;
pub use submit_source::SubmitSource;
pub use templates::Templates;

use crate::settings::AllowedOrigins;
use session::DeskSession;

/// Registers all routes. Pages of `origins` may submit orders.
pub fn configure(config: &mut ServiceConfig, origins: &AllowedOrigins) {
    config
        // Outside of the compressed scope: a stream is written as its events come.
        .service(web::resource("/api/admin/stream/orders").get(streams::admin))
        .service(
            web::resource("/api/stream-orders")
                .wrap(DeskSession::CookieOnly)
                .get(streams::dashboard),
        )
        .service(
            web::scope("/api")
                .wrap(Compress::default())
                .service(
                    web::resource("/openapi.json")
                        .app_data(web::Data::new(openapi::Cache::default()))
                        .get(openapi::openapi),
                )
                .service(web::resource("/health").get(health::health))
                .service(
                    web::resource("/order/submit")
                        .wrap(cors::submit(origins))
                        .post(submit::submit),
                )
                .service(web::scope("/admin").configure(configure_admin))
                .default_service(web::route().to(error::not_found)),
        )
        .service(web::resource("/health/live").get(health::live))
        .service(web::resource("/health/ready").get(health::ready))
        .service(web::resource("/metrics").get(metrics::metrics))
        // Compressed already.
        .service(web::resource("/static/{version}/{path:.*}").get(static_files::asset))
        .service(web::resource("/favicon.ico").get(static_files::favicon))
        .service(
            web::scope("")
                .wrap(Compress::default())
                .service(
                    web::resource("/")
                        .wrap(DeskSession::CookieOnly)
                        .get(pages::desk),
                )
                .service(
                    web::resource("/login")
                        .wrap(DeskSession::CookieOnly)
                        .get(pages::sign_in_page)
                        .post(sign_in::form),
                )
                .service(
                    web::resource("/logout")
                        .wrap(DeskSession::CookieOnly)
                        .post(sign_in::sign_out),
                )
                .default_service(web::route().to(error::not_found)),
        );
}

fn configure_admin(config: &mut ServiceConfig) {
    config
        .service(web::resource("/login").post(sign_in::api))
        .service(
            web::scope("")
                .wrap(DeskSession::CookieOrBearer)
                .configure(configure_signed_in),
        );
}

/// Routes that accept bearer tokens and sessions.
fn configure_signed_in(config: &mut ServiceConfig) {
    config
        .service(web::resource("/orders").get(order_list::list))
        .service(web::resource("/orders/recent").get(recent::recent))
        .service(
            web::resource("/orders/{id}")
                .get(orders::get)
                .put(orders::change)
                .delete(orders::remove),
        )
        .service(web::resource("/dashboard-stats").get(orders::stats))
        .service(web::resource("/analytics").get(orders::stats))
        .service(web::resource("/screens").get(account::screens))
        .service(web::resource("/sessions").get(account::sessions))
        .service(web::resource("/sessions/revoke-others").post(account::revoke_others))
        .service(web::resource("/password").post(account::change_password))
        .service(web::resource("/fcm-token").post(account::fcm_token));
}

pub use error_pages::translate_errors;
pub use head::answer_head;
pub use headers::add_default_headers;

/// Fuzzing harnesses of the parsers here.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::{client::fuzzing::forwarding, streams::fuzzing::stream_query};
