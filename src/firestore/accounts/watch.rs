//! The watch over admins, sessions and tokens. It fills the [`Directory`], which answers look-ups, and signals when credentials
//! have to be checked again.
//!
//! Without it, every open screen would cost reads all the time, and so would every made-up credential.

use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::ListenResponse;
use tokio::time::Instant;

use super::directory::Directory;
use super::stage::{COLLECTIONS, MAX_HELD, StagedAccounts, Update};
use crate::firestore::listen::{Due, ListenStream, Schedule, StreamEvent, Target};
use crate::firestore::query;
use crate::firestore::settings::FirestoreSettings;
use crate::firestore::usage::{Cause, Meter};

/// Watches for ever, unless there are too many accounts.
pub(super) async fn run(settings: FirestoreSettings, meter: Arc<Meter>, directory: Arc<Directory>) {
    let mut schedule = Schedule::new(settings.silence, rand::random::<f64>, Instant::now());
    let mut stream = ListenStream::new(settings);
    let mut staged = StagedAccounts::default();
    loop {
        let event = tokio::select! {
            event = stream.next() => Some(event),
            () = tokio::time::sleep_until(schedule.deadline()) => None,
        };
        let now = Instant::now();
        let end = match event {
            Some(StreamEvent::Opened) => {
                schedule.opened(now);
                None
            }
            Some(StreamEvent::Message(message)) => {
                schedule.heard(now);
                take(*message, &mut staged, &meter, &directory)
            }
            Some(StreamEvent::Ended) => Some(End::Stream),
            Some(StreamEvent::Failed(fault)) => Some(End::Failed(fault.message)),
            None => match schedule.due(now) {
                Some(Due::Open { rebuild }) => {
                    staged = StagedAccounts::default();
                    stream.open(targets(), rebuild);
                    None
                }
                Some(Due::GiveUp(fault)) => Some(End::Failed(fault.message)),
                None => None,
            },
        };
        let Some(end) = end else { continue };
        stream.close();
        directory.clear();
        let reason = match end {
            End::Stream => "Firestore has ended the stream".to_owned(),
            End::Failed(reason) => {
                // The channel may be dead.
                schedule.rebuild();
                reason
            }
            End::TooMany => {
                tracing::error!(
                    limit = MAX_HELD,
                    "too many admins, sessions and tokens to watch: each credential is looked up, which is billed; revoke \
                     unused tokens, and restart"
                );
                return;
            }
        };
        if schedule.is_healthy(now) {
            schedule.reset_backoff();
        }
        schedule.wait_with_backoff(now);
        tracing::debug!(
            reason,
            "the watch over accounts has lost its stream; it tries again"
        );
    }
}

/// Why a stream is no longer followed.
enum End {
    /// It has ended without an error.
    Stream,
    /// It has failed, was silent for too long, or can't be used any more.
    Failed(String),
    /// There are too many accounts.
    TooMany,
}

/// Takes a message, and passes what it means to the directory.
fn take(
    message: ListenResponse,
    staged: &mut StagedAccounts,
    meter: &Meter,
    directory: &Directory,
) -> Option<End> {
    match staged.take(message) {
        Update::Nothing => directory.heard(),
        Update::Consistent {
            changed,
            differs,
            read,
            read_micros,
        } => {
            meter.read(Cause::Listener, read);
            let contents = differs.then(|| staged.contents());
            directory.advance(contents, changed, read_micros);
        }
        Update::Broken => {
            let reason =
                "Firestore has dropped a target, or counts other accounts than were received";
            return Some(End::Failed(reason.to_owned()));
        }
        Update::TooMany => return Some(End::TooMany),
    }
    None
}

/// All documents of each collection.
fn targets() -> Vec<Target> {
    COLLECTIONS
        .map(|collection| Target {
            query: query::counted(collection, None),
            resume: None,
        })
        .into()
}
