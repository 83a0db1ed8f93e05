//! The documents of accounts: their collections, and reading and writing them.

use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, StructuredQuery, Write};
use prometheus_client::registry::Registry;

use super::directory::Directory;
use crate::firestore::database::Database;
use crate::firestore::fault::{Fault, FaultKind};
use crate::firestore::fields::Fields;
use crate::firestore::usage::Cause;
use crate::firestore::writes::{commit_micros, patch};
use crate::firestore::{query, value};
use crate::orders::OrderId;
use crate::store::StoreError;

/// Collection of admins, shared with the other programs of the shop.
pub(super) const ADMINS: &str = "admins";
/// Collection of sessions, by hexadecimal digest.
pub(super) const SESSIONS: &str = "orderbell_sessions";
/// Collection of tokens, by hexadecimal digest.
pub(super) const TOKENS: &str = "orderbell_tokens";
/// Maximum number of admins, of tokens, and of sessions of one admin.
pub(super) const MOST: usize = 500;
/// Repetitions of a write of unknown outcome. Every write can be repeated: the second time changes nothing more.
const REPEATS: u32 = 3;

/// The accounts: in the database, and what the watch has delivered of them.
pub(crate) struct Accounts {
    pub(super) database: Arc<Database>,
    pub(super) directory: Arc<Directory>,
}

impl Accounts {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        let trust = database.settings().trust;
        Self {
            database,
            directory: Arc::new(Directory::new(trust)),
        }
    }

    /// Registers the counter of look-ups caused by a silent watch.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.directory.register(registry);
    }

    pub(super) async fn document(
        &self,
        collection: &str,
        id: &str,
    ) -> Result<Option<Document>, StoreError> {
        if !is_id(id) {
            return Ok(None);
        }
        let name = self.database.name(collection, id);
        self.database
            .get_one(name, Cause::Lookup)
            .await
            .map_err(Fault::into_error)
    }

    pub(super) async fn documents(
        &self,
        query: StructuredQuery,
    ) -> Result<Vec<Document>, StoreError> {
        self.database
            .query(query, Cause::Lookup)
            .await
            .map_err(Fault::into_error)
    }

    /// Documents of a collection whose field `name` is `text`.
    pub(super) async fn with_text(
        &self,
        collection: &str,
        name: &str,
        text: &str,
    ) -> Result<Vec<Document>, StoreError> {
        self.documents(query::equal(collection, name, value::text(text), MOST))
            .await
    }

    /// Commits, and repeats that if the answer is lost. `false` if a precondition doesn't hold.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        let mut repeats = 0;
        loop {
            match self.database.commit(writes.clone()).await {
                Ok(response) => {
                    let names = writes.iter().filter_map(name_of);
                    self.directory.wrote(names, commit_micros(&response));
                    return Ok(true);
                }
                Err(fault) if fault.kind == FaultKind::Conflict => return Ok(false),
                Err(fault) if fault.maybe_done && repeats < REPEATS => repeats += 1,
                Err(fault) => return Err(fault.into_error()),
            }
        }
    }

    /// Commits the writes, if there are any. Succeeds also if a precondition doesn't hold: a session or token that has ended
    /// meanwhile isn't written.
    pub(super) async fn write_any(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if !writes.is_empty() {
            self.write(writes).await?;
        }
        Ok(())
    }

    /// Changes some fields of an existing document; `false` if there is none.
    pub(super) async fn set(
        &self,
        collection: &str,
        id: &str,
        values: Fields,
    ) -> Result<bool, StoreError> {
        if !is_id(id) {
            return Ok(false);
        }
        let name = self.database.name(collection, id);
        self.write(vec![update(name, &values)]).await
    }

    /// Prefix of the names of a collection's documents.
    pub(super) fn prefix(&self, collection: &str) -> String {
        self.database.name(collection, "")
    }
}

/// Name of the document that a write changes.
fn name_of(write: &Write) -> Option<String> {
    match write.operation.as_ref()? {
        Operation::Update(document) => Some(document.name.clone()),
        Operation::Delete(name) => Some(name.clone()),
        Operation::Transform(_) => None,
    }
}

/// Whether `id` can be a document's id. Callers pass any text as an admin's id; no admin has one that can't.
pub(super) fn is_id(id: &str) -> bool {
    OrderId::parse(id).is_ok()
}

/// Names of documents.
pub(super) fn names_of(documents: Vec<Document>) -> Vec<String> {
    documents
        .into_iter()
        .map(|document| document.name)
        .collect()
}

/// Updates a document only if it exists: a session or token that has ended meanwhile must not come back.
pub(super) fn update(name: String, values: &Fields) -> Write {
    update_if(name, values, ConditionType::Exists(true))
}

/// Updates a document if the condition holds.
pub(super) fn update_if(name: String, values: &Fields, condition: ConditionType) -> Write {
    let mask: Vec<&str> = values.keys().map(String::as_str).collect();
    patch(name, values.clone(), &mask, condition)
}
