//! Finds out why orders have left the listener's targets.
//!
//! An order that was removed by this program has a record with the commit time of its removal. Other programs write none; then
//! the first instance that notices writes it. All instances publish the removal at the record's commit time, so that a cursor
//! means the same on each of them.
//!
//! Orders are looked up together. If Firestore refuses that for good because of one of them, each is looked up alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::{Document, Write};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::missing::{Fate, Missing, Name};
use crate::firestore::database::Database;
use crate::firestore::document::id_of;
use crate::firestore::fault::{Fault, FaultKind};
use crate::firestore::orders::removals::{self, REMOVALS_COLLECTION};
use crate::firestore::usage::Cause;
use crate::firestore::value;
use crate::firestore::writes::commit_micros;

/// Orders per look-up; a commit holds 500 writes at most.
const BATCH: usize = 100;
/// Pause after a look-up that failed.
const PAUSE: Duration = Duration::from_secs(2);
/// Pause after a look-up that most likely fails again soon.
const LONG_PAUSE: Duration = Duration::from_secs(60);
/// Pause after another instance was faster with a record.
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

/// Looks up every order received from `missing` until its fate is known; ends when the channel is closed.
pub(super) async fn run(
    database: Arc<Database>,
    mut missing: UnboundedReceiver<Vec<Missing>>,
    fates: UnboundedSender<(Name, Fate)>,
) {
    let mut open: HashMap<Name, Missing> = HashMap::new();
    loop {
        if open.is_empty() {
            let Some(more) = missing.recv().await else {
                return;
            };
            add(&mut open, more);
        }
        while let Ok(more) = missing.try_recv() {
            add(&mut open, more);
        }
        let batch: Vec<Missing> = open.values().take(BATCH).cloned().collect();
        let (found, fault) = look_up(&database, &batch).await;
        for (name, fate) in found {
            open.remove(&name);
            let _ = fates.send((name, fate));
        }
        if let Some(fault) = fault {
            tokio::time::sleep(pause_after(&fault, open.len())).await;
        }
    }
}

fn add(open: &mut HashMap<Name, Missing>, more: Vec<Missing>) {
    open.extend(
        more.into_iter()
            .map(|missing| (Arc::clone(&missing.name), missing)),
    );
}

fn pause_after(fault: &Fault, orders: usize) -> Duration {
    let pause = match fault.kind {
        FaultKind::Conflict => return CONFLICT_PAUSE,
        FaultKind::Transient => PAUSE,
        FaultKind::Exhausted | FaultKind::Rejected | FaultKind::Permanent => LONG_PAUSE,
    };
    tracing::warn!(
        reason = fault.message,
        orders,
        "orders have left the listener's queries, and can't be looked up; trying again in {} s",
        pause.as_secs()
    );
    pause
}

/// The fates that are known, and why the others are not: those have to be looked up again.
async fn look_up(database: &Database, batch: &[Missing]) -> (Vec<(Name, Fate)>, Option<Fault>) {
    let (mut fates, fault) = look_up_together(database, batch).await;
    match fault {
        // One of the orders is the cause, and holds up the others.
        Some(fault) if fault.kind == FaultKind::Rejected && batch.len() > 1 => {
            let known: HashSet<Name> = fates.iter().map(|(name, _)| Arc::clone(name)).collect();
            let mut last = None;
            for missing in batch
                .iter()
                .filter(|missing| !known.contains(&missing.name))
            {
                let (found, fault) =
                    look_up_together(database, std::slice::from_ref(missing)).await;
                fates.extend(found);
                last = fault.or(last);
            }
            (fates, last)
        }
        fault => (fates, fault),
    }
}

async fn look_up_together(
    database: &Database,
    batch: &[Missing],
) -> (Vec<(Name, Fate)>, Option<Fault>) {
    let record_name = |missing: &Missing| database.name(REMOVALS_COLLECTION, id_of(&missing.name));
    let names = batch
        .iter()
        .flat_map(|missing| [missing.name.to_string(), record_name(missing)])
        .collect();
    let documents = match database.get(names, Cause::Listener).await {
        Ok(documents) => documents,
        Err(fault) => return (Vec::new(), Some(fault)),
    };
    let (mut fates, mut unrecorded, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for (missing, pair) in batch.iter().zip(documents.chunks(2)) {
        let name = Arc::clone(&missing.name);
        match pair {
            [Some(order), _] => fates.push((name, Fate::Exists(Box::new(order.clone())))),
            [None, Some(record)] if micros(record) > missing.updated => {
                fates.push((name, Fate::Removed(micros(record))));
            }
            [None, record] => {
                unrecorded.push(name);
                writes.push(removals::by_others(record_name(missing), record.as_ref()));
            }
            _ => {}
        }
    }
    let fault = match record(database, writes).await {
        Ok(fate) => {
            fates.extend(unrecorded.into_iter().map(|name| (name, fate.clone())));
            None
        }
        Err(fault) => Some(fault),
    };
    (fates, fault)
}

/// Writes the records of removals by other programs, and returns the orders' fate. A conflict means that another instance was
/// faster: the next look-up finds its record.
async fn record(database: &Database, writes: Vec<Write>) -> Result<Fate, Fault> {
    let count = writes.len();
    if count == 0 {
        return Ok(Fate::Unrecorded);
    }
    match database.commit(writes).await {
        Ok(response) => Ok(Fate::Removed(commit_micros(&response))),
        Err(fault) if is_for_good(&fault, count) => {
            tracing::warn!(
                reason = fault.message,
                "the record of a removal by another program can't be written; readers get the removal with the time when it \
                 was noticed"
            );
            Ok(Fate::Unrecorded)
        }
        Err(fault) => Err(fault),
    }
}

/// Whether a commit of so many records fails however often it is repeated. Where one of several is refused, the others may be
/// written without it.
fn is_for_good(fault: &Fault, count: usize) -> bool {
    match fault.kind {
        FaultKind::Permanent => true,
        FaultKind::Rejected => count == 1,
        FaultKind::Transient | FaultKind::Exhausted | FaultKind::Conflict => false,
    }
}

fn micros(record: &Document) -> u64 {
    record.update_time.as_ref().map_or(0, value::micros)
}

#[cfg(test)]
mod tests {
    use firestore::gcloud_sdk::tonic::Code;

    use super::*;

    #[test]
    fn look_ups_that_would_fail_again_are_repeated_rarely() {
        let pause = |code| pause_after(&Fault::from_code(code, ""), 1);
        for code in [
            Code::ResourceExhausted,
            Code::PermissionDenied,
            Code::InvalidArgument,
        ] {
            assert_eq!(pause(code), LONG_PAUSE, "{code:?}");
        }
        assert_eq!(pause(Code::Unavailable), PAUSE);
        assert_eq!(pause(Code::Aborted), CONFLICT_PAUSE);
    }
}
