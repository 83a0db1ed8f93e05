//! Contract tests of the embedded store.

use crate::clock::Clock;
use crate::embedded::EmbeddedStore;

async fn open() -> (EmbeddedStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store =
        EmbeddedStore::open(&folder.path().join("orderbell.db"), Clock::system()).expect("a store");
    (store, folder)
}

use super::story;

story::tell!(open);

use super::secret_contract::{self as secrets, secret_contract};

secret_contract!(open);
