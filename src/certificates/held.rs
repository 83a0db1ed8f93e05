//! The shared record as an instance holds it, between reading and replacing it.

use super::problem::{Problem, ProblemKind};
use super::record::Record;
use crate::store::{SecretStore, StoreError};

/// Name of the shared record among the store's secrets.
pub const RECORD: &str = "acme";

/// The record, and the text that it was read from.
pub(super) struct Held {
    text: Option<String>,
    pub(super) record: Record,
}

impl Held {
    /// Reads the record; an empty one if there is none.
    pub(super) async fn read(store: &dyn SecretStore) -> Result<Self, Problem> {
        let text = store.read_secret(RECORD).await.map_err(from_store)?;
        let record = match &text {
            Some(text) => parse(text)?,
            None => Record::default(),
        };
        Ok(Self { text, record })
    }

    /// Replaces the record. `false` if another instance has changed it since it was read.
    pub(super) async fn replace(
        &mut self,
        store: &dyn SecretStore,
        record: Record,
    ) -> Result<bool, Problem> {
        let text = serde_json::to_string(&record)
            .map_err(|error| Problem::new(ProblemKind::Store, error))?;
        let replaced = store.replace_secret(RECORD, self.text.as_deref(), &text);
        let replaced = replaced.await.map_err(from_store)?;
        if replaced {
            *self = Self {
                text: Some(text),
                record,
            };
        }
        Ok(replaced)
    }
}

/// The chain of the stored certificate, as PEM. `None` if there is none, or the record can't be read.
pub async fn stored_chain(store: &dyn SecretStore) -> Option<String> {
    let record = Held::read(store).await.ok()?.record;
    Some(record.certificate?.chain)
}

fn parse(text: &str) -> Result<Record, Problem> {
    serde_json::from_str(text).map_err(|error| {
        Problem::new(
            ProblemKind::Store,
            format_args!("the secret {RECORD:?} can't be read: {error}"),
        )
    })
}

fn from_store(error: StoreError) -> Problem {
    Problem::new(ProblemKind::Store, error)
}
