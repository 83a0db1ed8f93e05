//! Lists of orders beyond the window.

mod scan;

use firestore::gcloud_sdk::tonic::Code;

use super::FirestoreStore;
use super::fault::Fault;
use super::query;
use super::usage::Cause;
use crate::orders::{ListQuery, Order, Position};
use firestore::gcloud_sdk::google::firestore::v1::Document;
pub(super) use scan::Chunk;
use scan::{BOUNDS, Scan};

impl FirestoreStore {
    /// A page of orders by time of placing, and the position of the next page; `None` at the end of the list.
    pub(super) async fn list_orders(
        &self,
        query: &ListQuery,
    ) -> Result<(Vec<Order>, Option<Position>), Fault> {
        let mut scan = Scan::new(query, self.clock.millis(), BOUNDS);
        for chunk in scan.ahead() {
            scan.keep(&self.read(query, &chunk).await?);
        }
        while let Some(chunk) = scan.next_chunk() {
            let documents = self.read(query, &chunk).await?;
            scan.take(&chunk, &documents);
        }
        Ok(scan.page())
    }

    async fn read(&self, query: &ListQuery, chunk: &Chunk) -> Result<Vec<Document>, Fault> {
        let collection = &self.connection.settings().collection;
        let statuses: &[String] = &query.statuses;
        let wanted = query::between(collection, chunk, statuses);
        match self.connection.query(wanted, Cause::Lookup).await {
            // Without the index by status, orders of all statuses are read.
            Err(fault) if fault.code == Some(Code::FailedPrecondition) && !statuses.is_empty() => {
                let all = query::between(collection, chunk, &[]);
                self.connection.query(all, Cause::Lookup).await
            }
            other => other,
        }
    }
}
