//! The way to the database for single calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::batch_get_documents_response::Result as Found;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::field_transform::{
    ServerValue, TransformType,
};
use firestore::gcloud_sdk::google::firestore::v1::firestore_client::FirestoreClient;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
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
    BatchGetDocumentsRequest, CommitRequest, CommitResponse, Document, DocumentMask, Precondition,
    RunAggregationQueryRequest, RunQueryRequest, StructuredAggregationQuery, StructuredQuery,
    Value, Write,
};
use firestore::gcloud_sdk::google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use firestore::gcloud_sdk::google_cloud_auth::errors::CredentialsError;
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::Status;
use firestore::gcloud_sdk::tonic::codegen::http;
use firestore::gcloud_sdk::{GCP_DEFAULT_SCOPES, GoogleAuthHeaders, GoogleAuthMiddleware};
use firestore::{FirestoreDb, FirestoreDbOptions};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use super::fault::{Fault, FaultKind};
use super::records::number_of;
use super::runtime::ChannelRuntime;
use super::settings::{Access, FirestoreSettings};
use super::usage::{Cause, Meter};
use super::value;
use crate::orders::OrderId;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a single call may take. Firestore answers within some tens of milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type Client = FirestoreClient<GoogleAuthMiddleware>;

/// Makes a new connection. It may succeed with the server away, or with credentials that nobody accepts.
pub(super) async fn connect(settings: &FirestoreSettings) -> Result<FirestoreDb, Fault> {
    let mut options = FirestoreDbOptions::new(settings.project_id.clone())
        .with_database_id(settings.database_id.clone());
    let connecting = async {
        match &settings.access {
            Access::Default => FirestoreDb::with_options(options)
                .await
                .map_err(|error| describe(&error)),
            Access::ServiceAccount(key) => {
                let key = serde_json::from_str(key.expose_secret()).map_err(|error| {
                    Fault::permanent(format!("the service account's key is not JSON: {error}"))
                })?;
                let auth =
                    GoogleAuthHeaders::from_service_account_key(key, GCP_DEFAULT_SCOPES.clone())
                        .await
                        .map_err(|error| {
                            Fault::permanent(format!(
                                "the service account's key is not usable: {error}"
                            ))
                        })?;
                FirestoreDb::with_options_auth(options, auth)
                    .await
                    .map_err(|error| describe(&error))
            }
            Access::Emulator(host) => {
                options.firebase_api_url = Some(format!("http://{host}"));
                let auth =
                    GoogleAuthHeaders::from(Credentials::from(EmulatorOwner(EntityTag::new())));
                FirestoreDb::with_options_auth(options, auth)
                    .await
                    .map_err(|error| describe(&error))
            }
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(Fault::transient("Firestore can't be reached: no answer")))
}

/// The crate's error has its cause as debugging text only; the last thing quoted in there is what the system says.
fn describe(error: &firestore::errors::FirestoreError) -> Fault {
    let text = error.to_string();
    if text.contains("CredentialsBuild") {
        return Fault::no_credentials(&text);
    }
    let cause = text.rsplit('"').nth(1).unwrap_or(&text);
    Fault::transient(format!("Firestore can't be reached: {cause}"))
}

/// The emulator takes anybody; this name also passes its security rules.
#[derive(Debug)]
struct EmulatorOwner(EntityTag);

impl CredentialsProvider for EmulatorOwner {
    async fn headers(
        &self,
        _extensions: http::Extensions,
    ) -> Result<CacheableResource<http::HeaderMap>, CredentialsError> {
        let owner = http::HeaderValue::from_static("Bearer owner");
        Ok(CacheableResource::New {
            entity_tag: self.0.clone(),
            data: http::HeaderMap::from_iter([(http::header::AUTHORIZATION, owner)]),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// A connection for single calls, made when it is needed and made anew after trouble.
pub(super) struct Connection {
    settings: FirestoreSettings,
    meter: Arc<Meter>,
    runtime: ChannelRuntime,
    db: Mutex<Option<FirestoreDb>>,
}

impl Connection {
    pub(super) fn new(settings: FirestoreSettings, meter: Arc<Meter>) -> Self {
        Self {
            settings,
            meter,
            runtime: ChannelRuntime::start(),
            db: Mutex::new(None),
        }
    }

    pub(super) fn settings(&self) -> &FirestoreSettings {
        &self.settings
    }

    /// The full name of a document.
    pub(super) fn name(&self, collection: &str, id: &str) -> String {
        format!("{}/{collection}/{id}", self.settings.documents())
    }

    /// The full name of an order's document.
    pub(super) fn order_name(&self, id: &OrderId) -> String {
        self.name(&self.settings.collection, id.as_str())
    }

    /// Makes a connection unless there is one.
    pub(super) async fn ready(&self) -> Result<(), Fault> {
        self.client().await.map(drop)
    }

    /// The documents with these names, `None` for those that don't exist.
    pub(super) async fn get(
        &self,
        names: Vec<String>,
        cause: Cause,
    ) -> Result<Vec<Option<Document>>, Fault> {
        Ok(self.batch_get(names, cause).await?.0)
    }

    /// The same, and when the last of them was read.
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

    /// One document, and when it was read by Firestore's clock, in microseconds.
    pub(super) async fn get_timed(
        &self,
        name: String,
        cause: Cause,
    ) -> Result<(Option<Document>, Option<u64>), Fault> {
        let (mut documents, time) = self.batch_get(vec![name], cause).await?;
        Ok((documents.pop().flatten(), time.as_ref().map(value::micros)))
    }

    /// The documents that a query finds.
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
        // A query that finds nothing is billed as one read.
        self.meter.read(cause, (documents.len() as u64).max(1));
        Ok(documents)
    }

    /// How many documents a query finds. Billed as one read for each thousand.
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

    /// Writes everything or nothing.
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
        let client = self.client().await?;
        let fault = match tokio::time::timeout(CALL_TIMEOUT, call(client)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(status)) => Fault::from(&status),
            Err(_) => Fault::timed_out(what),
        };
        if fault.kind == FaultKind::Transient {
            // A connection that has lost its other end may look well for minutes.
            *self.db.lock().await = None;
        }
        Err(fault)
    }

    async fn client(&self) -> Result<Client, Fault> {
        let mut db = self.db.lock().await;
        if let Some(db) = &*db {
            return Ok(db.client().get());
        }
        let settings = self.settings.clone();
        let connecting = self.runtime.run(async move { connect(&settings).await });
        let fresh = connecting.await.unwrap_or_else(|error| {
            Err(Fault::transient(format!("connecting has failed: {error}")))
        })?;
        let client = fresh.client().get();
        *db = Some(fresh);
        Ok(client)
    }
}

/// Writes a whole document.
pub(super) fn put(
    name: String,
    fields: HashMap<String, Value>,
    condition: Option<ConditionType>,
) -> Write {
    Write {
        current_document: condition.map(precondition),
        operation: Some(Operation::Update(Document {
            name,
            fields,
            ..Document::default()
        })),
        ..Write::default()
    }
}

/// Writes the fields in `mask`, which are removed where `fields` hasn't got them, and leaves the others alone.
pub(super) fn patch(
    name: String,
    fields: HashMap<String, Value>,
    mask: &[&str],
    condition: ConditionType,
) -> Write {
    Write {
        update_mask: Some(DocumentMask {
            field_paths: mask.iter().map(|name| value::field_path(name)).collect(),
        }),
        ..put(name, fields, Some(condition))
    }
}

/// Sets a field to the server's time of the commit, as a Timestamp.
pub(super) fn server_time(field: &str) -> FieldTransform {
    FieldTransform {
        field_path: field.to_owned(),
        transform_type: Some(TransformType::SetToServerValue(
            ServerValue::RequestTime.into(),
        )),
    }
}

/// Removes a document.
pub(super) fn delete(name: String, condition: Option<ConditionType>) -> Write {
    Write {
        current_document: condition.map(precondition),
        operation: Some(Operation::Delete(name)),
        ..Write::default()
    }
}

/// Holds while the document is as it was read: absent, or last changed at this time.
pub(super) fn unchanged(document: Option<&Document>) -> ConditionType {
    match document.and_then(|document| document.update_time) {
        Some(time) => ConditionType::UpdateTime(time),
        None => ConditionType::Exists(document.is_some()),
    }
}

fn precondition(condition: ConditionType) -> Precondition {
    Precondition {
        condition_type: Some(condition),
    }
}

/// When a commit was made, in microseconds.
pub(super) fn commit_micros(response: &CommitResponse) -> u64 {
    response
        .commit_time
        .as_ref()
        .map_or(0, |time: &Timestamp| value::micros(time))
}
