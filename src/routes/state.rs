use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::assets::Assets;
use super::error::ApiError;
use super::route_metrics::RouteMetrics;
use super::submit_limits::SubmitLimits;
use super::submit_source::SubmitSource;
use super::templates::Templates;
use crate::auth::Auth;
use crate::auth::firebase::FirebaseVerifier;
use crate::clock::Clock;
use crate::hub::Hub;
use crate::settings::Settings;
use crate::store::OrderStore;

/// State shared by all handlers and threads.
pub struct AppState {
    /// The store, for writing orders.
    pub store: Arc<dyn OrderStore>,
    /// The hub, for reading orders.
    pub hub: Arc<Hub>,
    /// Authentication.
    pub auth: Arc<Auth>,
    /// Verifies customers' ID tokens, if the settings require them.
    pub customers: Option<FirebaseVerifier>,
    /// Rate limits of submits.
    pub submit_limits: SubmitLimits,
    /// Marks orders with a keyed hash of the client's address.
    pub submit_source: SubmitSource,
    /// The settings.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// HTML templates.
    pub templates: Templates,
    /// Static files.
    pub assets: Assets,
    /// Metrics of the routes.
    pub metrics: RouteMetrics,
    /// All metrics.
    pub registry: Arc<Registry>,
    /// Permits for rendering the desk's page.
    pub pages: Arc<Semaphore>,
    /// Permits for lists beyond the window.
    pub lists: Arc<Semaphore>,
    /// Tasks of open streams, which actix doesn't wait for when it stops.
    pub stream_tasks: TaskTracker,
}

/// Maximum number of large answers of one kind at a time.
pub const LARGE_ANSWERS: usize = 4;
/// How long a request waits for a permit.
const LARGE_ANSWER_PATIENCE: Duration = Duration::from_secs(10);

impl AppState {
    /// Waits for a permit of this kind. Hold it until the answer was rendered or sent.
    pub(super) async fn large_answer(
        &self,
        kind: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = Arc::clone(kind).acquire_owned();
        match tokio::time::timeout(LARGE_ANSWER_PATIENCE, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ApiError::unavailable(
                "BUSY",
                "the server is busy with other large answers: try again later",
                LARGE_ANSWER_PATIENCE,
            )),
        }
    }
}
