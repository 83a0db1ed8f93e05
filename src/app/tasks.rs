//! What runs beside the servers until the end, and the end.

use std::convert::Infallible;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::auth::Auth;
use crate::certificates::Renewal;
use crate::hub::Hub;
use crate::store::OrderStore;
use crate::telemetry;

use super::SHUTDOWN_PATIENCE_SECONDS;
use super::certificate_files::CertificateFiles;

/// Pause before certificates are requested again after a panic.
const RENEWAL_RETRY: Duration = Duration::from_secs(600);
/// How often the credentials of open streams are re-checked.
const RECHECK_INTERVAL: Duration = Duration::from_secs(15);
/// How often to check for room for open orders that were left out.
const OPEN_ORDERS_INTERVAL: Duration = Duration::from_secs(5);
/// How often they are requested again if nothing has changed: the store may have failed to deliver.
const OPEN_ORDERS_AGAIN: Duration = Duration::from_secs(900);
/// Minimum time between warnings about open orders left out.
const HIDDEN_ORDERS_WARNING: Duration = Duration::from_secs(600);

/// Sends `bye` on streams, lets requests end, and cuts off the rest.
pub(super) async fn stop(server: impl Future<Output = ()>, hub: &Hub, streams: &TaskTracker) {
    tracing::info!("shutting down");
    hub.close();
    streams.close();
    let patience = Duration::from_secs(SHUTDOWN_PATIENCE_SECONDS);
    if tokio::time::timeout(patience, streams.wait())
        .await
        .is_err()
    {
        tracing::info!(
            streams = streams.len(),
            "disconnecting streams whose clients don't read"
        );
    }
    // Ends the workers and the tasks they run.
    server.await;
}

/// Requests the open orders that were left out once there is room.
pub(super) async fn deliver_open_orders(store: &dyn OrderStore, hub: &Hub) -> Infallible {
    let mut next_warning = Instant::now();
    let mut last = None;
    let mut asked_at = Instant::now();
    loop {
        tokio::time::sleep(OPEN_ORDERS_INTERVAL).await;
        let holding = hub.holding();
        // If nothing has changed since the last delivery, another one brings nothing new.
        let is_due = last != Some(holding) || asked_at.elapsed() > OPEN_ORDERS_AGAIN;
        if hub.wants_open_orders() && is_due {
            asked_at = Instant::now();
            store.deliver_open_orders();
        }
        last = Some(holding);
        if holding.hidden_open > 0 && Instant::now() >= next_warning {
            next_warning = Instant::now() + HIDDEN_ORDERS_WARNING;
            tracing::warn!(
                open = holding.open,
                hidden = holding.hidden_open,
                "some open orders are not on the desk, since there are more than store.max_open: close old ones, or raise it"
            );
        }
    }
}

/// Waits for the end of a task; for ever if there is none.
pub(super) async fn end_of<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

pub(super) async fn stop_if_any(stop: Option<impl Future<Output = ()>>) {
    if let Some(stop) = stop {
        stop.await;
    }
}

pub(super) async fn renew(renewal: Option<Renewal>) -> Infallible {
    let Some(renewal) = renewal else {
        return std::future::pending().await;
    };
    loop {
        let renewal = renewal.clone();
        let task = tokio::spawn(async move { renewal.run().await });
        // The desk goes on with the certificate that it has.
        let Err(error) = AbortOnDropHandle::new(task).await;
        tracing::error!(%error, "requesting the certificate ended unexpectedly; it starts again in 10 minutes");
        tokio::time::sleep(RENEWAL_RETRY).await;
    }
}

pub(super) async fn follow(files: Option<CertificateFiles>) -> Infallible {
    match files {
        Some(files) => files.follow().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn recheck_streams(auth: &Auth, hub: &Hub) -> Infallible {
    let mut interval = tokio::time::interval(RECHECK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        telemetry::report_malformed_requests();
        if auth.recheck_streams().await {
            hub.check_subscribers();
        }
    }
}
