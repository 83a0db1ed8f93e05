//! Channels to the database: gRPC connections with credentials.

use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::firestore_client::FirestoreClient;
use firestore::gcloud_sdk::google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use firestore::gcloud_sdk::google_cloud_auth::errors::CredentialsError;
use firestore::gcloud_sdk::tonic::codegen::http;
use firestore::gcloud_sdk::{GCP_DEFAULT_SCOPES, GoogleAuthHeaders, GoogleAuthMiddleware};
use firestore::{FirestoreDb, FirestoreDbOptions};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use super::fault::Fault;
use super::runtime::ChannelRuntime;
use super::settings::{Access, FirestoreSettings};

/// Maximum time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type Client = FirestoreClient<GoogleAuthMiddleware>;

/// Makes a channel. It may succeed with invalid credentials, or with a server that answers nothing: both show at the first call.
pub(super) async fn connect(settings: &FirestoreSettings) -> Result<FirestoreDb, Fault> {
    tokio::time::timeout(CONNECT_TIMEOUT, connect_as(settings))
        .await
        .unwrap_or_else(|_| Err(Fault::unreachable("no answer")))
}

async fn connect_as(settings: &FirestoreSettings) -> Result<FirestoreDb, Fault> {
    let mut options = FirestoreDbOptions::new(settings.project_id.clone())
        .with_database_id(settings.database_id.clone());
    let connected = match &settings.access {
        Access::Default => FirestoreDb::with_options(options).await,
        Access::ServiceAccount(key) => {
            FirestoreDb::with_options_auth(options, service_account(key).await?).await
        }
        Access::Emulator(host) => {
            options.firebase_api_url = Some(format!("http://{host}"));
            let owner = Credentials::from(EmulatorOwner(EntityTag::new()));
            FirestoreDb::with_options_auth(options, GoogleAuthHeaders::from(owner)).await
        }
    };
    connected.map_err(|error| describe(&error))
}

async fn service_account(key: &SecretString) -> Result<GoogleAuthHeaders, Fault> {
    let key = serde_json::from_str(key.expose_secret()).map_err(|error| {
        Fault::permanent(format!(
            "the key of the service account is not JSON ({error}): download it again from the Google Cloud console"
        ))
    })?;
    GoogleAuthHeaders::from_service_account_key(key, GCP_DEFAULT_SCOPES.clone())
        .await
        .map_err(|error| {
            Fault::permanent(format!(
                "the key of the service account is not usable ({error}): download it again from the Google Cloud console"
            ))
        })
}

/// Converts the crate's error. Its cause is found only in its debug text, where the last quoted part is the system's message.
fn describe(error: &firestore::errors::FirestoreError) -> Fault {
    let text = error.to_string();
    if text.contains("CredentialsBuild") {
        return Fault::no_credentials(&text);
    }
    let cause = text.rsplit('"').nth(1).unwrap_or(&text);
    Fault::unreachable(cause)
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

/// The channel for single calls, shared by all of them: made on first use, and again after it was discarded.
pub(super) struct SharedChannel {
    settings: FirestoreSettings,
    runtime: ChannelRuntime,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    /// Number of channels made so far: a call that fails late must not discard a newer channel than its own.
    generation: u64,
    db: Option<FirestoreDb>,
}

impl SharedChannel {
    pub(super) fn new(settings: FirestoreSettings) -> Self {
        Self {
            settings,
            runtime: ChannelRuntime::start(),
            slot: Mutex::default(),
        }
    }

    /// A client on the channel, and the channel's generation. Waits no longer than for one attempt to connect: calls that find no
    /// channel connect one after the other.
    pub(super) async fn client(&self) -> Result<(u64, Client), Fault> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.connected())
            .await
            .unwrap_or_else(|_| Err(Fault::unreachable("no answer")))
    }

    async fn connected(&self) -> Result<(u64, Client), Fault> {
        let mut slot = self.slot.lock().await;
        if let Some(db) = &slot.db {
            return Ok((slot.generation, db.client().get()));
        }
        let settings = self.settings.clone();
        let connecting = self.runtime.run(async move { connect(&settings).await });
        let fresh = connecting.await.unwrap_or_else(|error| {
            Err(Fault::transient(format!(
                "connecting to Firestore failed: {error}"
            )))
        })?;
        let client = fresh.client().get();
        slot.generation += 1;
        slot.db = Some(fresh);
        Ok((slot.generation, client))
    }

    /// Discards the channel of this generation, unless a newer one was made: a channel whose peer is gone may look healthy for
    /// minutes.
    pub(super) async fn discard(&self, generation: u64) {
        let mut slot = self.slot.lock().await;
        if slot.generation == generation {
            slot.db = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_does_not_wait_for_ever_while_others_connect() {
        let access = Access::Emulator("127.0.0.1:1".to_owned());
        let channel = SharedChannel::new(FirestoreSettings::new("p", access));
        let _connecting = channel.slot.lock().await;
        let fault = channel.client().await.err().expect("no channel");
        assert!(
            fault.message.contains("can't be reached"),
            "{}",
            fault.message
        );
        assert!(!fault.maybe_done, "nothing was sent");
    }

    #[tokio::test]
    async fn a_call_that_fails_late_leaves_the_newer_channel() {
        // Never accepts, which a channel notices only at the first call.
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let access = Access::Emulator(address.to_string());
        let channel = SharedChannel::new(FirestoreSettings::new("p", access));
        let generation = async || channel.client().await.expect("a channel").0;
        assert_eq!((generation().await, generation().await), (1, 1));
        channel.discard(1).await;
        assert_eq!(generation().await, 2);
        // Another call on the first channel, which fails only now.
        channel.discard(1).await;
        assert_eq!(generation().await, 2);
        channel.discard(2).await;
        assert_eq!(generation().await, 3);
    }
}
