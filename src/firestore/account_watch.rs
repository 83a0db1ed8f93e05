//! The watch over admins, sessions and tokens. It fills the [`Directory`], which answers look-ups, and signals when credentials
//! have to be checked again.
//!
//! Without it, every open screen would cost reads all the time, and so would every made-up credential.

use std::sync::Arc;
use std::time::Duration;

use firestore::FirestoreDb;
use firestore::gcloud_sdk::google::firestore::v1::listen_request::TargetChange as Request;
use firestore::gcloud_sdk::google::firestore::v1::target::query_target::QueryType;
use firestore::gcloud_sdk::google::firestore::v1::target::{QueryTarget, TargetType};
use firestore::gcloud_sdk::google::firestore::v1::{ListenRequest, ListenResponse, Target};
use firestore::gcloud_sdk::tonic::{self, Streaming};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;

use super::account_directory::Directory;
use super::account_stage::{AccountStage, COLLECTIONS, MAX_HELD, Meaning};
use super::backoff::Backoff;
use super::connection::connect;
use super::fault::Fault;
use super::query;
use super::settings::FirestoreSettings;
use super::usage::{Cause, Meter};

/// Maximum time for the server to accept the stream.
const OPENING: Duration = Duration::from_secs(15);
/// A stream that lasts this long was healthy: the next attempt has no pause.
const HEALTHY: Duration = Duration::from_secs(10);

/// Watches for ever, unless there are too many accounts.
pub(super) async fn run(settings: FirestoreSettings, meter: Arc<Meter>, directory: Arc<Directory>) {
    let mut backoff = Backoff::default();
    let mut db = None;
    loop {
        tokio::time::sleep(backoff.next(rand::random())).await;
        let begun = Instant::now();
        let followed = follow(&settings, &mut db, &meter, &directory).await;
        directory.lose();
        let reason = match followed {
            Ok(End::Stream) => "the stream has ended".to_owned(),
            Ok(End::TooMany) => {
                tracing::error!(
                    limit = MAX_HELD,
                    "too many admins, sessions and tokens to watch: each credential is looked up, which is billed"
                );
                return;
            }
            Err(fault) => fault.message,
        };
        // A stream that ends early must not reset it: its contents would be read, and billed, again and again.
        if begun.elapsed() > HEALTHY {
            backoff.reset();
        }
        tracing::debug!(reason, "accounts aren't watched");
    }
}

/// Why a stream is no longer followed.
enum End {
    /// It has ended, was silent for too long, or sent an invalid message.
    Stream,
    /// There are too many accounts.
    TooMany,
}

/// Follows one stream until it ends, is silent for too long, or sends an invalid message.
async fn follow(
    settings: &FirestoreSettings,
    kept: &mut Option<FirestoreDb>,
    meter: &Meter,
    directory: &Directory,
) -> Result<End, Fault> {
    let db = match kept.take() {
        Some(db) => db,
        None => connect(settings).await?,
    };
    let opening = tokio::time::timeout(OPENING, open(settings, &db));
    let Ok(stream) = opening.await else {
        return Ok(End::Stream);
    };
    let mut stream = stream?;
    let mut accounts = AccountStage::default();
    loop {
        let message = match tokio::time::timeout(settings.silence, stream.message()).await {
            // A connection that is silent may be dead: it isn't kept.
            Err(_) => return Ok(End::Stream),
            Ok(Err(status)) => return Err(Fault::from(&status)),
            Ok(Ok(None)) => {
                *kept = Some(db);
                return Ok(End::Stream);
            }
            Ok(Ok(Some(message))) => message,
        };
        match accounts.take(message) {
            Meaning::Nothing => directory.hear(),
            Meaning::Consistent {
                changed,
                differs,
                read,
                read_micros,
            } => {
                meter.read(Cause::Listener, read);
                let contents = differs.then(|| accounts.contents());
                directory.advance(contents, changed, read_micros);
            }
            Meaning::Broken => return Ok(End::Stream),
            Meaning::TooMany => return Ok(End::TooMany),
        }
    }
}

async fn open(
    settings: &FirestoreSettings,
    db: &FirestoreDb,
) -> Result<Streaming<ListenResponse>, Fault> {
    let requests: Vec<_> = (1..)
        .zip(COLLECTIONS)
        .map(|(id, collection)| request(settings, id, collection))
        .collect();
    // The stream of requests must not end: to the server, that ends the whole call.
    let requests = tokio_stream::iter(requests).chain(tokio_stream::pending());
    let opened = db
        .client()
        .get()
        .listen(tonic::Request::new(requests))
        .await;
    opened
        .map(tonic::Response::into_inner)
        .map_err(|status| Fault::from(&status))
}

fn request(settings: &FirestoreSettings, target_id: i32, collection: &str) -> ListenRequest {
    ListenRequest {
        database: settings.database(),
        target_change: Some(Request::AddTarget(Target {
            target_id,
            target_type: Some(TargetType::Query(QueryTarget {
                parent: settings.documents(),
                query_type: Some(QueryType::StructuredQuery(query::counted(collection, None))),
            })),
            ..Target::default()
        })),
        ..ListenRequest::default()
    }
}
