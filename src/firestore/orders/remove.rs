//! Removals of orders.

use super::attempts::{ATTEMPTS, Sent, given_up, in_time, pause, retry};
use super::removals::{self, REMOVALS_COLLECTION};
use crate::firestore::database::Database;
use crate::firestore::usage::Cause;
use crate::firestore::writes::{delete, unchanged};
use crate::orders::OrderId;
use crate::store::StoreError;

/// Removes an order, and writes its record in the same commit.
pub(super) async fn remove(database: &Database, id: &OrderId, by: &str) -> Result<(), StoreError> {
    let sent = Sent::default();
    let removing = try_remove(database, id, by, &sent);
    in_time(database.settings().write_deadline, &sent, removing).await
}

async fn try_remove(
    database: &Database,
    id: &OrderId,
    by: &str,
    sent: &Sent,
) -> Result<(), StoreError> {
    let mut unsure = None;
    for attempt in 0..ATTEMPTS {
        pause(attempt).await;
        let name = database.order_name(id);
        let document = match database.get_one(name, Cause::Write).await {
            Ok(Some(document)) => document,
            // Removed by our own commit or by another writer: the order is gone either way.
            Ok(None) if unsure.is_some() => return Ok(()),
            Ok(None) => return Err(StoreError::NotFound),
            Err(fault) => {
                retry(fault, &mut unsure)?;
                continue;
            }
        };
        let record = database.name(REMOVALS_COLLECTION, id.as_str());
        let writes = vec![
            delete(document.name.clone(), Some(unchanged(Some(&document)))),
            removals::by_admin(record, by, &document),
        ];
        sent.set(true);
        match database.commit(writes).await {
            Ok(_) => return Ok(()),
            Err(fault) => retry(fault, &mut unsure)?,
        }
        sent.set(unsure.is_some());
    }
    Err(given_up(unsure))
}
