//! What all instances share about the certificate: one text in the store, replaced as a whole.

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// Maximum number of certificates in a week. Let's Encrypt issues five for the same names.
pub const MAX_ISSUED: usize = 5;

/// Maximum number of accounts that are kept.
pub const MAX_ACCOUNTS: usize = 4;
/// Maximum number of settings whose failures are kept.
pub const MAX_FAILURES: usize = 8;
/// Maximum length of [`Record::issued`].
pub const MAX_ISSUED_TOTAL: usize = 4 * MAX_ISSUED;

/// Everything known about the certificate and the attempts to get one. Times are milliseconds since the epoch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Record {
    /// One account at each authority, at most [`MAX_ACCOUNTS`], the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountRecord>,
    /// The newest certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateRecord>,
    /// When certificates were stored, at most [`MAX_ISSUED`] of each authority, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issued: Vec<Issued>,
    /// The instance that talks to the authority now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The order that was begun last, until its certificate is stored. A restart goes on with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderRecord>,
    /// Failed attempts since the last success, one entry for the same names and authority, at most [`MAX_FAILURES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// An account at an authority.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountRecord {
    /// The authority.
    pub directory_url: String,
    /// The credentials of `instant-acme`, as JSON.
    pub credentials: Secret,
    /// Thumbprint of the account's key: the second half of every answer to a challenge.
    pub thumbprint: String,
    /// The authority doesn't know it any more. It is kept until another one takes its place.
    #[serde(default)]
    pub is_gone: bool,
}

/// A certificate and its private key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRecord {
    /// The authority that has issued it.
    pub directory_url: String,
    /// The certificate and its chain, as PEM.
    pub chain: String,
    /// The private key, as PEM.
    pub key: Secret,
    /// The names it was requested for.
    pub domains: Vec<String>,
    /// When it becomes valid, by itself.
    pub not_before: u64,
    /// When it expires, by itself.
    pub not_after: u64,
    /// When it was stored, by the clock of the instance that requested it.
    pub stored_at: u64,
    /// When the authority wants it to be renewed (ARI), if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<u64>,
    /// When the authority was asked for that.
    #[serde(default)]
    pub asked_at: u64,
    /// When to ask again.
    #[serde(default)]
    pub ask_at: u64,
}

/// The right to talk to the authority, which one instance has at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Random name of the instance.
    pub owner: String,
    /// When it ends, if the instance doesn't end it.
    pub until: u64,
}

/// A certificate that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    /// When.
    pub at: u64,
    /// The authority.
    pub directory_url: String,
}

/// An order at the authority.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRecord {
    /// Its address.
    pub url: String,
    /// The authority.
    pub directory_url: String,
    /// When it was begun.
    pub begun_at: u64,
    /// The names it is for.
    pub domains: Vec<String>,
    /// The private key of its certificate, as PEM.
    pub key: Secret,
    /// Answers to TLS-ALPN-01, which every instance has to give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<AlpnAnswer>,
}

/// The answer to TLS-ALPN-01 for one domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlpnAnswer {
    /// The domain.
    pub domain: String,
    /// The key authorisation.
    pub authorization: String,
}

/// Attempts that have failed for the same names and authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// How many in a row.
    pub count: u32,
    /// When the last one has failed.
    pub at: u64,
    /// Why.
    pub problem: Problem,
    /// When to try again.
    pub retry_at: u64,
    /// The names that were requested.
    pub domains: Vec<String>,
    /// The authority.
    pub directory_url: String,
}

/// A text that is kept out of logs.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Milliseconds since the epoch.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Milliseconds of a duration.
pub(super) fn millis_of(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
