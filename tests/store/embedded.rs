//! The contract on the embedded store.

use orderbell::clock::Clock;
use orderbell::embedded::EmbeddedStore;
use tempfile::TempDir;

use crate::contract::contract_tests;

async fn open() -> (EmbeddedStore, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store =
        EmbeddedStore::open(&folder.path().join("orderbell.db"), Clock::system()).expect("a store");
    (store, folder)
}

contract_tests!(open);
