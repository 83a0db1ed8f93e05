//! Password hashes: parsing, cost, verification and creation.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::werkzeug::{self, Method, WerkzeugHash};
use crate::store::{PasswordScheme, StoreError};

/// Minimum length of a new password.
pub const MIN_PASSWORD: usize = 8;
/// Maximum memory of an argon2 check, in KiB: what RFC 9106 and argon2-cffi recommend. Ours takes 19 MiB.
const MAX_MEMORY_KIB: u32 = 65_536;
/// Maximum work of an argon2 check, memory in KiB times passes: six times that of ours; argon2-cffi's is five times.
const MAX_WORK: u64 = 6 * 19_456 * 2;
/// Maximum length of a hash.
const MAX_LENGTH: usize = 1_024;
/// A hash without a known password, checked when there is no admin to compare with.
pub(super) const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$TzkcTdUSyd6RzNDDtwBtBvmgMgGjnmWYzDW6b/1LZOw";

/// What checking a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// argon2 of any variant.
    Argon2 {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
    },
    /// scrypt or PBKDF2.
    Werkzeug(Method),
}

/// The cost of checking `hash`. `None` if no password can match: the hash can't be parsed, or a check would take too long or
/// too much memory.
pub(super) fn cost(hash: &str) -> Option<Cost> {
    if let Some(hash) = WerkzeugHash::parse(hash) {
        return hash.is_affordable().then(|| Cost::Werkzeug(hash.method()));
    }
    let (_, params) = parse_argon2(hash)?;
    Some(Cost::Argon2 {
        memory_kib: params.m_cost(),
        passes: params.t_cost(),
        lanes: params.p_cost(),
    })
}

/// Whether a password can match this hash: it can be parsed, and a check stays within the limits of time and memory.
pub fn is_checkable(hash: &str) -> bool {
    cost(hash).is_some()
}

fn parse_argon2(hash: &str) -> Option<(PasswordHash, Params)> {
    if hash.len() > MAX_LENGTH {
        return None;
    }
    let hash = PasswordHash::new(hash).ok()?;
    Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let work = u64::from(params.m_cost()).saturating_mul(params.t_cost().into());
    let is_affordable = params.m_cost() <= MAX_MEMORY_KIB && work <= MAX_WORK;
    is_affordable.then_some((hash, params))
}

/// Working memory of argon2, kept between checks: the allocator doesn't reuse such large aligned blocks, so each check would
/// grow the process by 19 MiB.
#[derive(Default)]
pub(super) struct Scratch {
    blocks: Vec<Block>,
}

impl Scratch {
    fn argon2(
        &mut self,
        algorithm: Algorithm,
        version: Version,
        params: &Params,
        password: &SecretString,
        salt: &[u8],
        out: &mut [u8],
    ) -> argon2::Result<()> {
        let argon2 = Argon2::new(algorithm, version, params.clone());
        let password = password.expose_secret().as_bytes();
        let needed = params.block_count();
        let usual = Params::DEFAULT.block_count();
        if needed > usual {
            // Rare, and freed at once: hashes of other programs with larger parameters than ours.
            let mut blocks = vec![Block::new(); needed];
            return argon2.hash_password_into_with_memory(password, salt, out, &mut blocks[..]);
        }
        if self.blocks.is_empty() {
            self.blocks = vec![Block::new(); usual];
        }
        argon2.hash_password_into_with_memory(password, salt, out, &mut self.blocks[..])
    }
}

/// Whether `hash` was made from `password`.
pub(super) fn verify(hash: &str, password: &SecretString, scratch: &mut Scratch) -> bool {
    // Admins of older systems keep their passwords.
    if let Some(hash) = WerkzeugHash::parse(hash) {
        return hash.matches(password.expose_secret());
    }
    parse_argon2(hash)
        .and_then(|(hash, params)| verify_argon2(&hash, &params, password, scratch))
        .unwrap_or(false)
}

fn verify_argon2(
    hash: &PasswordHash,
    params: &Params,
    password: &SecretString,
    scratch: &mut Scratch,
) -> Option<bool> {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash
        .version
        .map_or(Ok(Version::default()), Version::try_from);
    let version = version.ok()?;
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let mut computed = [0; Output::MAX_LENGTH];
    let computed = computed.get_mut(..expected.len())?;
    scratch
        .argon2(algorithm, version, params, password, salt, computed)
        .ok()?;
    Some(expected.as_bytes().ct_eq(computed).into())
}

/// Hashes `password` in this scheme.
pub(super) fn hash(
    scheme: PasswordScheme,
    password: &SecretString,
    scratch: &mut Scratch,
) -> anyhow::Result<String> {
    match scheme {
        PasswordScheme::Argon2id => hash_argon2id(password, scratch),
        PasswordScheme::Werkzeug => werkzeug::hash(password.expose_secret()),
    }
}

/// Whether every reader of the store can check `hash`, when the store uses this scheme.
pub(super) fn is_in(scheme: PasswordScheme, hash: &str) -> bool {
    match scheme {
        // Only this program reads the store, and it can check all of them.
        PasswordScheme::Argon2id => true,
        PasswordScheme::Werkzeug => WerkzeugHash::parse(hash).is_some(),
    }
}

/// Hashes with argon2id and OWASP's parameters, as a PHC string.
fn hash_argon2id(password: &SecretString, scratch: &mut Scratch) -> anyhow::Result<String> {
    let failed = |error| anyhow::anyhow!("the password can't be hashed: {error}");
    let (algorithm, version) = (Algorithm::default(), Version::default());
    let params = Params::DEFAULT;
    let salt = Salt::generate();
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    scratch
        .argon2(algorithm, version, &params, password, &salt, &mut output)
        .map_err(|error| failed(error.to_string()))?;
    let params = ParamsString::try_from(&params);
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: params.map_err(|error| failed(error.to_string()))?,
        salt: Some(salt),
        hash: Some(Output::new(&output).map_err(|error| failed(error.to_string()))?),
    };
    Ok(hash.to_string())
}

/// Hashes `password` for a command, which hashes one and ends.
pub async fn hash_password(
    scheme: PasswordScheme,
    password: &SecretString,
) -> Result<String, StoreError> {
    let password = password.clone();
    let hashed =
        tokio::task::spawn_blocking(move || hash(scheme, &password, &mut Scratch::default()));
    hashed
        .await
        .map_err(anyhow::Error::from)?
        .map_err(StoreError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password_only() -> anyhow::Result<()> {
        let mut scratch = Scratch::default();
        let hash = hash_argon2id(&"correct horse".into(), &mut scratch)?;
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(verify(&hash, &"correct horse".into(), &mut scratch));
        assert!(!verify(&hash, &"correct horsf".into(), &mut scratch));
        // The scratch memory's contents from an earlier check don't matter.
        assert!(verify(&hash, &"correct horse".into(), &mut scratch));
        assert!(verify(
            &hash,
            &"correct horse".into(),
            &mut Scratch::default()
        ));
        Ok(())
    }

    #[test]
    fn hashes_of_other_programs_are_checked_with_their_own_parameters() {
        use argon2::password_hash::CustomizedPasswordHasher as _;
        let mut scratch = Scratch::default();
        for (algorithm, memory, passes, lanes) in [
            ("argon2id", 65_536, 3, 4),
            ("argon2id", 47_104, 1, 1),
            ("argon2i", 4_096, 3, 1),
            ("argon2d", 64, 1, 2),
        ] {
            let params = Params::new(memory, passes, lanes, None).expect("parameters");
            let made = Argon2::default()
                .hash_password_customized(
                    b"correct horse",
                    b"some salt",
                    Some(algorithm),
                    None,
                    params,
                )
                .expect("a hash")
                .to_string();
            assert!(
                verify(&made, &"correct horse".into(), &mut scratch),
                "{made}"
            );
            assert!(
                !verify(&made, &"correct horsf".into(), &mut scratch),
                "{made}"
            );
        }
        assert_eq!(scratch.blocks.len(), Params::DEFAULT.block_count());
    }

    #[test]
    fn the_dummy_costs_as_much_as_a_hash_of_ours() -> anyhow::Result<()> {
        let mut scratch = Scratch::default();
        assert_eq!(
            cost(DUMMY_HASH),
            cost(&hash_argon2id(&"x".into(), &mut scratch)?)
        );
        assert!(cost(DUMMY_HASH).is_some());
        assert!(!verify(DUMMY_HASH, &"anything".into(), &mut scratch));
        Ok(())
    }

    #[test]
    fn absurd_parameters_are_refused_without_work() {
        let mut scratch = Scratch::default();
        let rest = "c29tZXNhbHRzb21lc2FsdA$TzkcTdUSyd6RzNDDtwBtBvmgMgGjnmWYzDW6b/1LZOw";
        for absurd in [
            format!("$argon2id$v=19$m=19456,t=2000,p=1${rest}"),
            format!("$argon2id$v=19$m=4194304,t=1,p=1${rest}"),
            format!("$argon2id$v=19$m=65536,t=4,p=1${rest}"),
            format!("$argon2id$v=19$m=8,t=4294967295,p=1${rest}"),
            format!("$argon2id$v=19$m=19456,t=0,p=1${rest}"),
            format!("$scrypt$v=19$m=19456,t=2,p=1${rest}"),
            "plain".to_owned(),
            String::new(),
            "$argon2id$".repeat(200),
        ] {
            assert_eq!(cost(&absurd), None, "{absurd}");
            assert!(!verify(&absurd, &"x".into(), &mut scratch), "{absurd}");
        }
        assert!(scratch.blocks.is_empty(), "nothing was computed");
    }
}
