//! The source of an order, as a keyed hash: identifies a flood from one address without storing the address.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::OnceCell;

use super::client::{Client, ClientKind};
use crate::clock::Clock;
use crate::limits::network_of;
use crate::store::{AccountStore, random_secret};

/// Name of the secret in the store, shared by all instances.
const SECRET: &str = "source_key";
/// How long a submit waits for the secret. Only the first ones of a process do.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause after a failure, during which orders have no source.
const RETRY_MILLIS: u64 = 30_000;
/// Bytes kept of the hash: enough to distinguish addresses.
const KEPT: usize = 8;

/// Computes the field `submitSource` of orders.
pub struct SubmitSource {
    accounts: Arc<dyn AccountStore>,
    clock: Clock,
    key: OnceCell<Hmac<Sha256>>,
    /// When to read the secret again after a failure, in milliseconds.
    next_try: AtomicU64,
}

impl SubmitSource {
    /// Reads its secret from `accounts` on first use.
    pub fn new(accounts: Arc<dyn AccountStore>, clock: Clock) -> Self {
        Self {
            accounts,
            clock,
            key: OnceCell::new(),
            next_try: AtomicU64::new(0),
        }
    }

    /// 16 hexadecimal digits for the client's address (`/64` for IPv6). `None` if the address doesn't identify the client, or
    /// the secret can't be read now.
    pub(super) async fn of(&self, client: &Client) -> Option<String> {
        match client.kind {
            ClientKind::Loopback | ClientKind::UnnamedProxy => None,
            ClientKind::Trusted | ClientKind::Single => {
                Some(hash(self.key().await?.clone(), client.address))
            }
        }
    }

    async fn key(&self) -> Option<&Hmac<Sha256>> {
        if let Some(key) = self.key.get() {
            return Some(key);
        }
        let now = self.clock.millis();
        let next = self.next_try.load(Ordering::Relaxed);
        // Setting the clock back doesn't lengthen the pause.
        if now < next && next <= now + RETRY_MILLIS {
            return None;
        }
        let reading = self.key.get_or_try_init(|| async {
            let secret = self.accounts.secret(SECRET, &random_secret()).await?;
            Hmac::new_from_slice(secret.as_bytes()).map_err(anyhow::Error::new)
        });
        let reason = match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(key)) => return Some(key),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        self.next_try.store(now + RETRY_MILLIS, Ordering::Relaxed);
        tracing::debug!(reason, "can't read the key for submitSource");
        None
    }
}

fn hash(mut key: Hmac<Sha256>, address: IpAddr) -> String {
    match network_of(address) {
        IpAddr::V4(v4) => key.update(&v4.octets()),
        IpAddr::V6(v6) => key.update(&v6.octets()),
    }
    let digest = key.finalize().into_bytes();
    hex::encode(&digest[..KEPT])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_have_one_source_under_one_key() {
        let key = |secret: &str| Hmac::new_from_slice(secret.as_bytes()).expect("any length");
        let source = |address: &str| hash(key("a"), address.parse().expect("an address"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        let other = hash(key("b"), "192.0.2.1".parse().expect("an address"));
        assert_ne!(source("192.0.2.1"), other);
        assert!(
            other.len() == 16
                && other
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        );
    }
}
