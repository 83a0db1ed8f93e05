//! The listener: one stream from the database per process, for any number of readers.
//!
//! [`machine`] decides everything, as a function of messages and time; [`contents`] holds a copy of the database, and turns
//! consistent snapshots into changes; [`resolve`] looks up orders that have left the targets. The loop in here only passes
//! messages.

mod contents;
mod gap;
mod health;
mod known;
mod machine;
mod missing;
mod resolve;
mod staging;
mod targets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use crate::firestore::database::Database;
use crate::firestore::listen::{ListenStream, Resume, Schedule, Target};
use crate::firestore::settings::FirestoreSettings;
use crate::firestore::usage::{Cause, Meter};
use crate::orders::{SourceState, WatchEvent, WindowLimits};
use crate::store::WatchSink;
use contents::Contents;
pub(crate) use health::Health;
use machine::{Input, Machine, Output};
use targets::TARGETS;

/// What the loop needs.
pub(crate) struct Listener {
    pub(crate) database: Arc<Database>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) window: WindowLimits,
    pub(crate) sink: WatchSink,
    pub(crate) health: watch::Sender<Health>,
    /// Notified to deliver all open orders again.
    pub(crate) repeat: Arc<Notify>,
}

impl Listener {
    /// Listens for ever.
    pub(crate) async fn run(mut self) {
        let settings = self.database.settings().clone();
        let orders = format!("{}/{}/", settings.documents(), settings.collection);
        let limits = targets::limits(self.window);
        let mut machine = Machine::new(
            Contents::new(orders, limits, self.window.bytes),
            settings.resume,
            Schedule::new(settings.silence, rand::random::<f64>, Instant::now()),
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "a full queue would stop the listener or lose a look-up; `resolve` empties this one before each look-up"
        )]
        let (missing, fates) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let resolving = resolve::run(Arc::clone(&self.database), missing.1, fates.0);
        let (missing, mut fates) = (missing.0, fates.1);
        tokio::pin!(resolving);
        let mut stream = ListenStream::new(settings.clone());
        let repeat = Arc::clone(&self.repeat);
        loop {
            let input = tokio::select! {
                () = repeat.notified() => Input::Repeat,
                Some((name, fate)) = fates.recv() => Input::Resolved(name, fate),
                () = &mut resolving => return,
                event = stream.next() => Input::Stream(event),
                () = tokio::time::sleep_until(machine.deadline()) => Input::Tick,
            };
            for output in machine.handle(Instant::now(), input) {
                match output {
                    Output::Emit(event) => self.emit(event),
                    Output::Close => stream.close(),
                    Output::Open {
                        rebuild,
                        tokens,
                        counts,
                    } => {
                        let resumes = tokens.into_iter().zip(counts);
                        stream.open(listened(&settings, limits, resumes), rebuild);
                    }
                    Output::Resolve(orders) => {
                        // Can't fail: the receiver lives as long as this loop.
                        let _ = missing.send(orders);
                    }
                    Output::Billed(documents) => self.meter.read(Cause::Listener, documents),
                }
            }
            self.count_unreadable(machine.unreadable());
        }
    }

    fn emit(&mut self, event: WatchEvent) {
        if let WatchEvent::Source(state) = &event {
            match state {
                SourceState::Live => tracing::info!("Firestore's listener is live"),
                SourceState::Away { message } => {
                    tracing::warn!(
                        reason = message,
                        "Firestore is away; the listener tries again"
                    );
                }
                SourceState::Failed { message } => {
                    tracing::error!(
                        reason = message,
                        "the listener can't work before this is fixed; it tries again every 5 minutes"
                    );
                }
            }
            self.health
                .send_modify(|health| health.source = state.clone());
        }
        (self.sink)(event);
    }

    fn count_unreadable(&self, unreadable: usize) {
        self.health.send_if_modified(|health| {
            let changed = health.unreadable != unreadable;
            health.unreadable = unreadable;
            changed
        });
    }
}

/// The targets of a stream, with the resume token and the number of documents of each. A target with an empty token gets all of
/// its documents.
fn listened(
    settings: &FirestoreSettings,
    limits: [usize; TARGETS],
    resumes: impl Iterator<Item = (Vec<u8>, usize)>,
) -> Vec<Target> {
    targets::queries(&settings.collection, limits)
        .into_iter()
        .zip(resumes)
        .map(|(query, (token, count))| Target {
            query,
            resume: (!token.is_empty()).then_some(Resume { token, count }),
        })
        .collect()
}
