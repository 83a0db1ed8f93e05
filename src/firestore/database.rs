//! Single calls to the database. Each has a deadline and is counted as Google bills it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::batch_get_documents_response::Result as Found;
use firestore::gcloud_sdk::google::firestore::v1::run_aggregation_query_request::QueryType as AggregationType;
use firestore::gcloud_sdk::google::firestore::v1::run_query_request::QueryType;
use firestore::gcloud_sdk::google::firestore::v1::structured_aggregation_query::aggregation::{
    Count, Operator,
};
use firestore::gcloud_sdk::google::firestore::v1::structured_aggregation_query::{
    Aggregation, QueryType as CountedType,
};
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{
    BatchGetDocumentsRequest, CommitRequest, CommitResponse, Document, RunAggregationQueryRequest,
    RunQueryRequest, StructuredAggregationQuery, StructuredQuery, Write,
};
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::Status;

use super::channel::{Client, SharedChannel};
use super::fault::{Fault, FaultKind};
use super::fields::number_of;
use super::settings::FirestoreSettings;
use super::usage::{Cause, Meter};
use super::value;
use crate::orders::OrderId;

/// Maximum time of a single call on a channel. Firestore answers within some tens of milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The database, over a channel that all calls share.
pub(super) struct Database {
    settings: FirestoreSettings,
    meter: Arc<Meter>,
    channel: SharedChannel,
}

impl Database {
    pub(super) fn new(settings: FirestoreSettings, meter: Arc<Meter>) -> Self {
        Self {
            channel: SharedChannel::new(settings.clone()),
            settings,
            meter,
        }
    }

    pub(super) fn settings(&self) -> &FirestoreSettings {
        &self.settings
    }

    /// Full name of a document.
    pub(super) fn name(&self, collection: &str, id: &str) -> String {
        format!("{}/{collection}/{id}", self.settings.documents())
    }

    /// Full name of an order's document.
    pub(super) fn order_name(&self, id: &OrderId) -> String {
        self.name(&self.settings.collection, id.as_str())
    }

    /// Makes the channel unless there is one.
    pub(super) async fn ready(&self) -> Result<(), Fault> {
        self.channel.client().await.map(drop)
    }

    /// Documents by full name; `None` for those that don't exist.
    pub(super) async fn get(
        &self,
        names: Vec<String>,
        cause: Cause,
    ) -> Result<Vec<Option<Document>>, Fault> {
        Ok(self.batch_get(names, cause).await?.0)
    }

    /// The same, with the time when the last of them was read.
    async fn batch_get(
        &self,
        names: Vec<String>,
        cause: Cause,
    ) -> Result<(Vec<Option<Document>>, Option<Timestamp>), Fault> {
        let request = BatchGetDocumentsRequest {
            database: self.settings.database(),
            documents: names.clone(),
            ..BatchGetDocumentsRequest::default()
        };
        let (mut found, time) = self
            .call("reading", async |mut client: Client| {
                let mut stream = client.batch_get_documents(request).await?.into_inner();
                let (mut found, mut time) = (HashMap::new(), None);
                while let Some(message) = stream.message().await? {
                    time = message.read_time.or(time);
                    if let Some(Found::Found(document)) = message.result {
                        found.insert(document.name.clone(), document);
                    }
                }
                Ok((found, time))
            })
            .await?;
        self.meter.read(cause, names.len() as u64);
        let documents = names.iter().map(|name| found.remove(name)).collect();
        Ok((documents, time))
    }

    /// One document.
    pub(super) async fn get_one(
        &self,
        name: String,
        cause: Cause,
    ) -> Result<Option<Document>, Fault> {
        Ok(self.get(vec![name], cause).await?.pop().flatten())
    }

    /// One document, and its read time by Firestore's clock, in microseconds.
    pub(super) async fn get_timed(
        &self,
        name: String,
        cause: Cause,
    ) -> Result<(Option<Document>, Option<u64>), Fault> {
        let (mut documents, time) = self.batch_get(vec![name], cause).await?;
        Ok((documents.pop().flatten(), time.as_ref().map(value::micros)))
    }

    /// The documents that match a query.
    pub(super) async fn query(
        &self,
        query: StructuredQuery,
        cause: Cause,
    ) -> Result<Vec<Document>, Fault> {
        let request = RunQueryRequest {
            parent: self.settings.documents(),
            query_type: Some(QueryType::StructuredQuery(query)),
            ..RunQueryRequest::default()
        };
        let documents = self
            .call("a query", async |mut client: Client| {
                let mut stream = client.run_query(request).await?.into_inner();
                let mut documents = Vec::new();
                while let Some(message) = stream.message().await? {
                    documents.extend(message.document);
                }
                Ok(documents)
            })
            .await?;
        // A query without a match is billed as one read.
        self.meter.read(cause, (documents.len() as u64).max(1));
        Ok(documents)
    }

    /// Number of documents that match a query. Billed as one read per thousand.
    pub(super) async fn count(&self, query: StructuredQuery) -> Result<u64, Fault> {
        let request = RunAggregationQueryRequest {
            parent: self.settings.documents(),
            query_type: Some(AggregationType::StructuredAggregationQuery(
                StructuredAggregationQuery {
                    aggregations: vec![Aggregation {
                        alias: "count".to_owned(),
                        operator: Some(Operator::Count(Count::default())),
                    }],
                    query_type: Some(CountedType::StructuredQuery(query)),
                },
            )),
            ..RunAggregationQueryRequest::default()
        };
        let count = self
            .call("counting", async |mut client: Client| {
                let mut stream = client.run_aggregation_query(request).await?.into_inner();
                let mut count = 0;
                while let Some(message) = stream.message().await? {
                    if let Some(result) = message.result {
                        count = number_of(&result.aggregate_fields, "count");
                    }
                }
                Ok(count)
            })
            .await?;
        self.meter.read(Cause::Lookup, count.div_ceil(1_000).max(1));
        Ok(count)
    }

    /// Commits all writes or none.
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<CommitResponse, Fault> {
        let deletes = writes
            .iter()
            .filter(|write| matches!(write.operation, Some(Operation::Delete(_))))
            .count() as u64;
        let all = writes.len() as u64;
        let request = CommitRequest {
            database: self.settings.database(),
            writes,
            ..CommitRequest::default()
        };
        let response = self
            .call("writing", async |mut client: Client| {
                Ok(client.commit(request).await?.into_inner())
            })
            .await
            .map_err(Fault::of_commit)?;
        self.meter.write(Cause::Write, all - deletes);
        self.meter.delete(Cause::Write, deletes);
        Ok(response)
    }

    async fn call<T>(
        &self,
        what: &str,
        call: impl AsyncFnOnce(Client) -> Result<T, Status>,
    ) -> Result<T, Fault> {
        let (generation, client) = self.channel.client().await?;
        let fault = match tokio::time::timeout(CALL_TIMEOUT, call(client)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(status)) => Fault::from(&status),
            Err(_) => Fault::timed_out(what),
        };
        if fault.kind == FaultKind::Transient {
            self.channel.discard(generation).await;
        }
        Err(fault)
    }
}
