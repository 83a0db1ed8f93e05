//! The addresses. Each handler extracts, calls, and answers.

mod access;
mod account;
mod assets;
mod bearer;
mod body;
pub mod client;
mod cookies;
mod cors;
mod error;
mod head;
mod headers;
mod health;
mod list_filters;
mod metrics;
mod openapi;
mod order_list;
mod order_rows;
mod orders;
mod pages;
mod recent;
mod session;
mod sign_in;
mod streams;
mod submit;
mod submit_limits;
mod submit_source;

use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

pub use assets::Assets;
pub use pages::Templates;
pub use submit_limits::SubmitLimits;
pub use submit_source::SubmitSource;

use crate::auth::Auth;
use crate::auth::firebase::FirebaseVerifier;
use crate::clock::Clock;
use crate::hub::Hub;
use crate::settings::{AllowedOrigins, Settings};
use crate::store::OrderStore;
use crate::telemetry::RouteMetrics;
use error::ApiError;
use session::DeskSession;

/// What handlers work with; one for all threads.
pub struct AppState {
    /// Orders go in here.
    pub store: Arc<dyn OrderStore>,
    /// And are shown from here.
    pub hub: Arc<Hub>,
    /// Who may.
    pub auth: Arc<Auth>,
    /// Who the customers are, where they have to say so.
    pub customers: Option<FirebaseVerifier>,
    /// How often orders may be submitted.
    pub submit_limits: SubmitLimits,
    /// Where orders came from.
    pub submit_source: SubmitSource,
    /// What the operator has decided.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// Pages.
    pub templates: Templates,
    /// What pages load.
    pub assets: Assets,
    /// What the routes count.
    pub metrics: RouteMetrics,
    /// All figures.
    pub registry: Arc<Registry>,
    /// Pages of the desk that are being made.
    pub pages: Arc<Semaphore>,
    /// Lists beyond the window that are being made or sent.
    pub lists: Arc<Semaphore>,
    /// Tasks of open streams, which actix doesn't wait for when it stops.
    pub stream_tasks: TaskTracker,
}

/// Large answers of one kind at a time.
pub const LARGE_ANSWERS: usize = 4;
/// How long one waits for its turn.
const LARGE_ANSWER_PATIENCE: Duration = Duration::from_secs(10);

impl AppState {
    /// Waits for the turn of a large answer of this kind, which lasts as long as the permit is held.
    async fn large_answer(&self, kind: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = Arc::clone(kind).acquire_owned();
        match tokio::time::timeout(LARGE_ANSWER_PATIENCE, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ApiError::unavailable(
                "BUSY",
                "the server is busy with other large answers, try again later",
                LARGE_ANSWER_PATIENCE,
            )),
        }
    }
}

/// Makes all addresses known. Pages of `origins` may submit orders.
pub fn configure(config: &mut ServiceConfig, origins: &AllowedOrigins) {
    config
        // Streams stand outside of the compressed scope: a stream is written as its events come.
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
        .service(web::resource("/static/{version}/{path:.*}").get(assets::asset))
        .service(web::resource("/favicon.ico").get(assets::favicon))
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

/// What bearer tokens and sessions open alike.
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

pub use error::translate_errors;
pub use head::answer_head;
pub use headers::add_default_headers;

/// The harnesses of what is read here.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::{client::fuzzing::forwarding, streams::fuzzing::stream_query};
