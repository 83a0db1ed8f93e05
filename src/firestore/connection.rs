//! The connection to the database for single calls.

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

/// Maximum time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time of a single call. Firestore answers within some tens of milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type Client = FirestoreClient<GoogleAuthMiddleware>;

/// Makes a new connection. It may succeed while the server is away, or with invalid credentials.
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

/// Converts the crate's error. Its cause is found only in its debug text, where the last quoted part is the system's message.
fn describe(error: &firestore::errors::FirestoreError) -> Fault {
    let text = error.to_string();
    if text.contains("CredentialsBuild") {
        return Fault::no_credentials(&text);
    }
    let cause = text.rsplit('"').nth(1).unwrap_or(&text);
    Fault::transient(format!("Firestore can't be reached: {cause}"))
}

/// Credentials for the emulator, which accepts any; these also pass its security rules.
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

/// A connection for single calls, made on first use and again after a transient fault.
pub(super) struct Connection {
    settings: FirestoreSettings,
    meter: Arc<Meter>,
    runtime: ChannelRuntime,
    db: Mutex<Channel>,
}

/// The channel, if there is one, and how often one was made: a call that fails late must not drop a newer channel.
#[derive(Default)]
struct Channel {
    generation: u64,
    db: Option<FirestoreDb>,
}

impl Connection {
    pub(super) fn new(settings: FirestoreSettings, meter: Arc<Meter>) -> Self {
        Self {
            settings,
            meter,
            runtime: ChannelRuntime::start(),
            db: Mutex::default(),
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

    /// Connects unless there is a connection.
    pub(super) async fn ready(&self) -> Result<(), Fault> {
        self.client().await.map(drop)
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
        // Others may be connecting already, one after the other.
        let connected = tokio::time::timeout(CALL_TIMEOUT, self.client()).await;
        let (generation, client) = connected
            .unwrap_or_else(|_| Err(Fault::transient("Firestore can't be reached: no answer")))?;
        let fault = match tokio::time::timeout(CALL_TIMEOUT, call(client)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(status)) => Fault::from(&status),
            Err(_) => Fault::timed_out(what),
        };
        if fault.kind == FaultKind::Transient {
            // A connection whose peer is gone may look healthy for minutes.
            let mut channel = self.db.lock().await;
            if channel.generation == generation {
                channel.db = None;
            }
        }
        Err(fault)
    }

    /// A client on the channel, which is made if there is none, and the channel's generation.
    async fn client(&self) -> Result<(u64, Client), Fault> {
        let mut channel = self.db.lock().await;
        if let Some(db) = &channel.db {
            return Ok((channel.generation, db.client().get()));
        }
        let settings = self.settings.clone();
        let connecting = self.runtime.run(async move { connect(&settings).await });
        let fresh = connecting.await.unwrap_or_else(|error| {
            Err(Fault::transient(format!("connecting has failed: {error}")))
        })?;
        let client = fresh.client().get();
        channel.generation += 1;
        channel.db = Some(fresh);
        Ok((channel.generation, client))
    }
}

/// A write of a whole document.
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

/// A write of the fields in `mask` only; those that `fields` doesn't have are removed.
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

/// A transform that sets a field to the server's time of the commit, as a Timestamp.
pub(super) fn server_time(field: &str) -> FieldTransform {
    FieldTransform {
        field_path: field.to_owned(),
        transform_type: Some(TransformType::SetToServerValue(
            ServerValue::RequestTime.into(),
        )),
    }
}

/// A write that removes a document.
pub(super) fn delete(name: String, condition: Option<ConditionType>) -> Write {
    Write {
        current_document: condition.map(precondition),
        operation: Some(Operation::Delete(name)),
        ..Write::default()
    }
}

/// Precondition that a document is as it was read: absent, or last changed at the same time.
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

/// Commit time, in microseconds.
pub(super) fn commit_micros(response: &CommitResponse) -> u64 {
    response
        .commit_time
        .as_ref()
        .map_or(0, |time: &Timestamp| value::micros(time))
}
