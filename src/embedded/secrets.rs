use async_trait::async_trait;
use rusqlite::OptionalExtension as _;

use super::EmbeddedStore;
use super::error::sql;
use crate::store::{SecretStore, StoreError};

const READ: &str = "SELECT value FROM secrets WHERE name = ?1";
const CREATE: &str = "INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const REPLACE: &str = "UPDATE secrets SET value = ?2 WHERE name = ?1 AND value = ?3";

#[async_trait]
impl SecretStore for EmbeddedStore {
    async fn read_secret(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached(READ)?
                .query_row([name], |row| row.get(0))
                .optional()
        })
        .await
    }

    async fn replace_secret(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        let expected = expected.map(str::to_owned);
        self.writer
            .write(move |write| {
                let changed = match &expected {
                    None => write.sql.execute(CREATE, [&name, &value]),
                    Some(expected) => write.sql.execute(REPLACE, [&name, &value, expected]),
                };
                Ok(sql(changed)? == 1)
            })
            .await
    }
}
