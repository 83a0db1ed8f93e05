//! Lists of orders beyond the window.

mod scan;

use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::tonic::Code;

use crate::firestore::database::Database;
use crate::firestore::fault::Fault;
use crate::firestore::query::{self, Chunk};
use crate::firestore::usage::Cause;
use crate::orders::{ListQuery, Order, Position};
use scan::{BOUNDS, Scan};

/// A page of orders by time of placing, and the position of the next page; `None` at the end of the list.
pub(super) async fn list(
    database: &Database,
    query: &ListQuery,
    now_millis: u64,
) -> Result<(Vec<Order>, Option<Position>), Fault> {
    let mut scan = Scan::new(query, now_millis, BOUNDS);
    for chunk in scan.ahead() {
        scan.keep(&read(database, query, &chunk).await?);
    }
    while let Some(chunk) = scan.next_chunk() {
        let documents = read(database, query, &chunk).await?;
        scan.take(&chunk, &documents);
    }
    Ok(scan.page())
}

async fn read(
    database: &Database,
    query: &ListQuery,
    chunk: &Chunk,
) -> Result<Vec<Document>, Fault> {
    let collection = &database.settings().collection;
    let statuses: &[String] = &query.statuses;
    let wanted = query::between(collection, chunk, statuses);
    match database.query(wanted, Cause::Lookup).await {
        // Without the index by status, orders of all statuses are read.
        Err(fault) if fault.code == Some(Code::FailedPrecondition) && !statuses.is_empty() => {
            let all = query::between(collection, chunk, &[]);
            database.query(all, Cause::Lookup).await
        }
        other => other,
    }
}
