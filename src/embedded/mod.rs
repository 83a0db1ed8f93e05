//! The store on SQLite: one file, durable, no account needed.
//!
//! One thread owns the writing connection. It takes all queued writes, runs them in one transaction (*group commit*), notifies
//! the watch, and answers. Reads use a connection of their own and keep working while the disk accepts no writes.

mod accounts;
mod error;
mod list;
mod lock;
mod orders;
mod pruning;
mod rows;
mod schema;
mod secrets;
#[cfg(test)]
mod tests;
mod window;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags};

use crate::clock::Clock;
use crate::store::StoreError;
use error::from_sqlite;
use writer::Writer;

/// How long a statement waits for another process (such as the command `admin add`) to release the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Orders and accounts in one SQLite file.
pub struct EmbeddedStore {
    writer: Writer,
    reader: Arc<Mutex<Connection>>,
    /// Held while this store serves; `None` if only accounts are managed, beside a server.
    _lock: Option<lock::FileLock>,
}

impl EmbeddedStore {
    /// Opens the file for serving. Creates or migrates it if needed.
    ///
    /// Fails if another process serves from the same file.
    pub fn open(path: &Path, clock: Clock) -> anyhow::Result<Self> {
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("can't create the folder {}", parent.display()))?;
        }
        let lock = lock::FileLock::acquire(path)?;
        create_private(path).with_context(|| format!("can't create {}", path.display()))?;
        Self::with_lock(path, clock, Some(lock))
    }

    /// Opens the file to manage admins and tokens, also while a server runs on it.
    pub fn open_for_accounts(path: &Path, clock: Clock) -> anyhow::Result<Self> {
        anyhow::ensure!(
            path.exists(),
            "there is no store at {}; `orderbell serve` creates one",
            path.display()
        );
        Self::with_lock(path, clock, None)
    }

    fn with_lock(path: &Path, clock: Clock, lock: Option<lock::FileLock>) -> anyhow::Result<Self> {
        let context = || format!("can't open the store {}", path.display());
        let mut connection = Connection::open(path).with_context(context)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        schema::prepare(&mut connection).with_context(context)?;
        let reader = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .with_context(context)?;
        reader.busy_timeout(BUSY_TIMEOUT)?;
        Ok(Self {
            writer: Writer::start(connection, clock)?,
            reader: Arc::new(Mutex::new(reader)),
            _lock: lock,
        })
    }

    /// Runs `query` on the reading connection, off the async threads.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        tokio::task::spawn_blocking(move || {
            // Safe after a panic: the connection only reads.
            let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
            query(&connection)
        })
        .await
        .map_err(|error| StoreError::Internal(error.into()))?
        .map_err(from_sqlite)
    }
}

/// Creates the file, if missing, with access for its owner only: it holds customers' addresses and password hashes. SQLite
/// gives the files beside it the same permissions.
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
