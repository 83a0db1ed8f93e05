//! Opens the store that the settings name.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::clock::Clock;
use crate::embedded::EmbeddedStore;
use crate::firestore::FirestoreStore;
use crate::settings::StoreKind;
use crate::store::{AccountStore, OrderStore, SecretStore};

/// A store, with what the app needs of it.
pub(super) struct Stores {
    pub(super) orders: Arc<dyn OrderStore>,
    pub(super) accounts: Arc<dyn AccountStore>,
    pub(super) secrets: Arc<dyn SecretStore>,
    /// Whether the store is part of this process: startup then waits for it, and fails without it.
    pub(super) is_local: bool,
    /// Registers the store's own metrics.
    pub(super) register: Box<dyn Fn(&mut Registry)>,
}

impl Stores {
    /// Opens the store for serving.
    pub(super) fn open(kind: &StoreKind, clock: Clock) -> anyhow::Result<Self> {
        Ok(match kind {
            StoreKind::Embedded(path) => {
                let store = Arc::new(EmbeddedStore::open(path, clock)?);
                Self {
                    orders: Arc::clone(&store) as _,
                    accounts: Arc::clone(&store) as _,
                    secrets: store,
                    is_local: true,
                    register: Box::new(|_| {}),
                }
            }
            StoreKind::Firestore(settings) => {
                let store = Arc::new(FirestoreStore::start(settings.clone(), clock));
                Self {
                    orders: Arc::clone(&store) as _,
                    accounts: Arc::clone(&store) as _,
                    secrets: Arc::clone(&store) as _,
                    is_local: false,
                    register: Box::new(move |registry| store.register(registry)),
                }
            }
        })
    }
}

/// Opens the accounts of a store, also while a server uses it.
pub fn accounts(kind: &StoreKind) -> anyhow::Result<Box<dyn AccountStore>> {
    Ok(match kind {
        StoreKind::Embedded(path) => {
            Box::new(EmbeddedStore::open_for_accounts(path, Clock::system())?)
        }
        StoreKind::Firestore(settings) => {
            Box::new(FirestoreStore::start(settings.clone(), Clock::system()))
        }
    })
}

/// Opens the shared secrets of a store, also while a server uses it.
pub fn secrets(kind: &StoreKind) -> anyhow::Result<Box<dyn SecretStore>> {
    Ok(match kind {
        StoreKind::Embedded(path) => {
            Box::new(EmbeddedStore::open_for_accounts(path, Clock::system())?)
        }
        StoreKind::Firestore(settings) => {
            Box::new(FirestoreStore::start(settings.clone(), Clock::system()))
        }
    })
}
