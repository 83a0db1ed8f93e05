//! Finds out why orders have left the listener's targets.
//!
//! An order that was removed by this program has a record with the commit time of its removal. Other programs write none; then
//! the first instance that notices writes it. All instances publish the removal at the record's commit time, so that a cursor
//! means the same on each of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::Document;
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
            take(&mut open, more);
        }
        while let Ok(more) = missing.try_recv() {
            take(&mut open, more);
        }
        let batch: Vec<Missing> = open.values().take(BATCH).cloned().collect();
        match look_up(&database, &batch).await {
            Ok(found) => {
                for (name, fate) in found {
                    open.remove(&name);
                    let _ = fates.send((name, fate));
                }
            }
            Err(fault) => {
                tracing::warn!(
                    reason = fault.message,
                    orders = open.len(),
                    "missing orders can't be looked up yet"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn take(open: &mut HashMap<Name, Missing>, more: Vec<Missing>) {
    open.extend(
        more.into_iter()
            .map(|missing| (Arc::clone(&missing.name), missing)),
    );
}

/// Returns the fates that are known; the other orders have to be looked up again.
async fn look_up(database: &Database, batch: &[Missing]) -> Result<Vec<(Name, Fate)>, Fault> {
    let record_name = |missing: &Missing| database.name(REMOVALS_COLLECTION, id_of(&missing.name));
    let names = batch
        .iter()
        .flat_map(|missing| [missing.name.to_string(), record_name(missing)])
        .collect();
    let documents = database.get(names, Cause::Listener).await?;
    let mut fates = Vec::new();
    let mut unrecorded = Vec::new();
    let mut writes = Vec::new();
    for (missing, pair) in batch.iter().zip(documents.chunks(2)) {
        let [order, record] = pair else { continue };
        match (order, record) {
            (Some(order), _) => fates.push((
                Arc::clone(&missing.name),
                Fate::Exists(Box::new(order.clone())),
            )),
            (None, Some(record)) if micros(record) > missing.updated => {
                fates.push((Arc::clone(&missing.name), Fate::Removed(micros(record))));
            }
            (None, record) => {
                unrecorded.push(Arc::clone(&missing.name));
                writes.push(removals::by_others(record_name(missing), record.as_ref()));
            }
        }
    }
    if unrecorded.is_empty() {
        return Ok(fates);
    }
    match database.commit(writes).await {
        Ok(response) => {
            let micros = commit_micros(&response);
            fates.extend(
                unrecorded
                    .into_iter()
                    .map(|name| (name, Fate::Removed(micros))),
            );
        }
        // Another instance was faster: the next look-up finds its record.
        Err(fault) if fault.kind == FaultKind::Conflict || fault.kind == FaultKind::Rejected => {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(fault) if fault.kind == FaultKind::Permanent => {
            tracing::warn!(reason = fault.message, "removals can't be recorded");
            fates.extend(unrecorded.into_iter().map(|name| (name, Fate::Unrecorded)));
        }
        Err(fault) if fates.is_empty() => return Err(fault),
        Err(_) => {}
    }
    Ok(fates)
}

fn micros(record: &Document) -> u64 {
    record.update_time.as_ref().map_or(0, value::micros)
}
