use sha2::{Digest as _, Sha256};

use crate::store::Digest;

/// The digest under which a secret is stored or counted.
pub(super) fn sha256(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}
