//! The contract on the emulator.

use orderbell::clock::Clock;
use orderbell::firestore::FirestoreStore;

use super::settings;
use crate::contract::contract_tests;

async fn open() -> (FirestoreStore, ()) {
    (FirestoreStore::start(settings(), Clock::system()), ())
}

contract_tests!(open);
