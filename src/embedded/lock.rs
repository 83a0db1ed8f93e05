use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Mode of the lock file: readable and writable by the owner only.
const PRIVATE: u32 = 0o600;

/// Exclusive lock to serve from a store, held by one process at a time.
///
/// It locks a separate file beside the store: SQLite's own locks last only for a statement, and commands (`admin`, `token`) may
/// use the store while it is served.
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock. Fails if another process holds it.
    pub(super) fn acquire(store: &Path) -> anyhow::Result<Self> {
        let path = lock_path(store);
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(PRIVATE)
            .open(&path)
            .with_context(|| format!("can't create {}", path.display()))?;
        // Earlier versions created it open to all: any user of the machine could hold the lock and keep the server from
        // starting.
        file.set_permissions(Permissions::from_mode(PRIVATE))
            .with_context(|| format!("can't protect {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "another orderbell process serves from {}; stop it first, or set embedded.path to another file",
                store.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("can't lock {}", path.display()))
            }
        }
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = OsString::from(store.as_os_str());
    name.push(".lock");
    name.into()
}
