//! Validity of credentials, and the cost of checking them.

mod accounts;
mod credentials;
mod passwords;
mod sessions;
mod sign_in;
mod touches;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::password::{self, Scratch};
use super::*;
use crate::store::PasswordScheme;
use accounts::Accounts;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const PER_MINUTE: u32 = 30;
/// Hash of "correct horse" with Werkzeug's algorithm.
const WERKZEUG: &str = "scrypt:32768:8:1$salt$a3479fbdc10408db76d4413bd916aa53e8cc54bb088da32666d81ab4aa1ea93785eb9961ff19a798354551a9f2f3d5ba86469bb1b7d5e2b63fef5a723830f720";

struct Desk {
    auth: Auth,
    accounts: Arc<Accounts>,
    now: Arc<AtomicU64>,
}

fn settings() -> AuthSettings {
    AuthSettings {
        admin_email: None,
        admin_password: None,
        admin_token: Some("a token of the settings".into()),
        accept_admin_ids: true,
        failures_per_minute: PER_MINUTE,
        session_idle: Duration::from_secs(3_600),
        session_key: None,
    }
}

fn desk() -> Desk {
    let accounts = Arc::new(Accounts::default());
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    let streams = OpenStreams::new(StreamLimits {
        connections: 10,
        per_admin: 10,
        per_address: 10,
    });
    let clock = Arc::clone(&now);
    let clock = Clock::from_fn(move || clock.load(Ordering::Relaxed) * 1_000);
    Desk {
        auth: Auth::new(Arc::clone(&accounts) as _, &settings(), streams, clock),
        accounts,
        now,
    }
}

fn argon2_hash() -> String {
    let password = "correct horse".into();
    password::hash(PasswordScheme::Argon2id, &password, &mut Scratch::default()).expect("a hash")
}

impl Desk {
    fn advance(&self, millis: u64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn, AuthError> {
        self.sign_in_as(SessionKind::Browser, email, password).await
    }

    async fn sign_in_as(
        &self,
        kind: SessionKind,
        email: &str,
        password: impl Into<SecretString>,
    ) -> Result<SignedIn, AuthError> {
        let password = password.into();
        self.auth
            .sign_in(email, password, HERE, "test", kind, &[])
            .await
    }

    async fn cookie(&self, secret: &str) -> Result<Principal, AuthError> {
        self.auth.session(secret).await
    }

    /// A session of a new admin, and its secret.
    async fn session(&self) -> (Principal, String) {
        self.accounts.add("ana@shop.example", &argon2_hash(), false);
        let signed_in = self.sign_in("ana@shop.example", "correct horse").await;
        let signed_in = signed_in.expect("signed in");
        self.accounts.calls();
        (
            signed_in.principal,
            signed_in.secret.expose_secret().to_owned(),
        )
    }
}

fn is_unknown<T>(result: &Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Unknown))
}

fn is_throttled<T>(result: &Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Throttled(_)))
}

fn calls<const N: usize>(calls: [(&'static str, u32); N]) -> BTreeMap<&'static str, u32> {
    calls.into_iter().collect()
}
