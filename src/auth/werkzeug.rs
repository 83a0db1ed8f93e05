//! Password hashes of Werkzeug (the library under Flask), for admins added by other programs.

use pbkdf2::pbkdf2_hmac;
use rand::distr::{Alphanumeric, SampleString as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Maximum memory of a check, in bytes. Werkzeug's own parameters take 32 MiB.
const MAX_MEMORY: u64 = 64 << 20;
/// Maximum work of scrypt (N times r times p): four times that of Werkzeug's own parameters.
const MAX_WORK: u64 = 4 * 32_768 * 8;
/// Maximum rounds of PBKDF2; Werkzeug's newest makes a million.
const MAX_ROUNDS: u32 = 2_000_000;
/// Maximum length of a hash.
const MAX_LENGTH: usize = 1_024;
/// Length of a new salt, in letters and digits, and of a new key, in bytes: the same as Werkzeug's.
pub(super) const SALT_LENGTH: usize = 16;
const KEY_LENGTH: usize = 64;
/// Defaults of Werkzeug's `generate_password_hash`: the binary logarithm of N, r and p.
const NEW: (u8, u32, u32) = (15, 8, 1);

/// A hash in Werkzeug's format: `scrypt:N:r:p$salt$hex` or `pbkdf2:sha256:N$salt$hex`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WerkzeugHash<'a> {
    method: Method,
    salt: &'a str,
    digest: Vec<u8>,
}

/// Algorithm and parameters of a hash, which set the cost of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// scrypt with these parameters.
    Scrypt {
        /// Blocks of memory.
        n: u32,
        /// Size of a block.
        r: u32,
        /// Passes.
        p: u32,
    },
    /// PBKDF2 with HMAC-SHA-256.
    Pbkdf2 {
        /// Iterations.
        rounds: u32,
    },
}

impl<'a> WerkzeugHash<'a> {
    /// Parses a hash. `None` if the text is of another kind.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (method, rest) = text.split_once('$')?;
        let (salt, digest) = rest.split_once('$')?;
        let digest = unhex(digest)?;
        let mut parts = method.split(':');
        let method = match parts.next()? {
            "scrypt" => Method::Scrypt {
                n: number(parts.next())?,
                r: number(parts.next())?,
                p: number(parts.next())?,
            },
            "pbkdf2" if parts.next() == Some("sha256") => Method::Pbkdf2 {
                rounds: number(parts.next())?,
            },
            _ => return None,
        };
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            method,
            salt,
            digest,
        })
    }

    /// The salt.
    pub(super) fn salt(&self) -> &'a str {
        self.salt
    }

    /// How the hash was made.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether a check stays within the limits of memory and time.
    pub fn is_affordable(&self) -> bool {
        match self.method {
            Method::Scrypt { n, r, p } => {
                let (n, r, p) = (u64::from(n), u64::from(r), u64::from(p));
                // All blocks, plus one per pass, which dominate when p is large.
                let memory = (n + p + 1).saturating_mul(r).saturating_mul(128);
                let work = n.saturating_mul(r).saturating_mul(p);
                n.is_power_of_two()
                    && memory <= MAX_MEMORY
                    && work <= MAX_WORK
                    && self.digest.len() == 64
                    && self.scrypt_params().is_some()
            }
            Method::Pbkdf2 { rounds } => {
                (1..=MAX_ROUNDS).contains(&rounds) && self.digest.len() == 32
            }
        }
    }

    /// Whether the hash was made from `password`. False if the check isn't affordable.
    pub fn matches(&self, password: &str) -> bool {
        let mut computed = vec![0; self.digest.len()];
        let is_computed = self.is_affordable() && self.compute(password, &mut computed);
        is_computed && bool::from(computed.ct_eq(&self.digest))
    }

    fn compute(&self, password: &str, out: &mut [u8]) -> bool {
        let (password, salt) = (password.as_bytes(), self.salt.as_bytes());
        match self.method {
            Method::Scrypt { .. } => self
                .scrypt_params()
                .is_some_and(|params| scrypt::scrypt(password, salt, &params, out).is_ok()),
            Method::Pbkdf2 { rounds } => {
                pbkdf2_hmac::<Sha256>(password, salt, rounds, out);
                true
            }
        }
    }

    fn scrypt_params(&self) -> Option<scrypt::Params> {
        let Method::Scrypt { n, r, p } = self.method else {
            return None;
        };
        let log_n = u8::try_from(n.trailing_zeros()).ok()?;
        scrypt::Params::new(log_n, r, p).ok()
    }
}

/// Whether `hash` was made from `password`. `None` if it isn't a hash of this kind.
///
/// Takes some tens of milliseconds; not for async threads.
pub fn verify(hash: &str, password: &str) -> Option<bool> {
    Some(WerkzeugHash::parse(hash)?.matches(password))
}

/// Hashes `password` with a random salt, like Werkzeug's `generate_password_hash`.
///
/// Takes some tens of milliseconds and 32 MiB; not for async threads.
pub fn hash(password: &str) -> anyhow::Result<String> {
    hash_with(
        password,
        &Alphanumeric.sample_string(&mut rand::rng(), SALT_LENGTH),
    )
}

/// Hashes `password` with the given salt of letters and digits.
pub(super) fn hash_with(password: &str, salt: &str) -> anyhow::Result<String> {
    let (log_n, r, p) = NEW;
    let mut text = format!("scrypt:{}:{r}:{p}${salt}$", 1 << log_n);
    let mut key = [0; KEY_LENGTH];
    let params = scrypt::Params::new(log_n, r, p)?;
    scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut key)?;
    text.push_str(&hex::encode(key));
    Ok(text)
}

fn number(text: Option<&str>) -> Option<u32> {
    text?.parse().ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes = hex::decode(text).ok()?;
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's hashlib, like Werkzeug's.
    const VECTORS: [(&str, &str); 4] = [
        (
            "correct horse",
            "scrypt:32768:8:1$Gk2bV7wYtLh3QzXe$88f74df002033704b3392883e53018b7cdcd3cdfc8d434066f38dd170b70572a7fb9f3cc7b7dd0df6f82b15cdb3995de193bcd0c951fed5f167c09579ac5ebad",
        ),
        (
            "pässwörd ü",
            "scrypt:1024:8:2$abc$3f46f7b426d92dd3d1c68f9e681e9dbda1424793e2c05f9777fbc56b8235fb9abe20f413ffc379c7508561c6c54be6c5b8a916160459053c95f0b22eac7ff68d",
        ),
        (
            "correct horse",
            "pbkdf2:sha256:260000$Gk2bV7wYtLh3QzXe$fdaf9846fa38c689ad8da7a1fea8b078b984babf3cbe8e7b729ce65e69a4cb73",
        ),
        (
            "",
            "pbkdf2:sha256:1000$x$f51cfcf687851827d5c8e0d4865f147b7a71f512a7f8bd50ada82fe5a3214c8f",
        ),
    ];

    #[test]
    fn the_right_password_is_right_and_others_are_wrong() {
        for (password, hash) in VECTORS {
            assert_eq!(verify(hash, password), Some(true), "{hash}");
            assert_eq!(verify(hash, "something else"), Some(false), "{hash}");
        }
    }

    /// Made with `werkzeug.security.generate_password_hash` of Werkzeug 3.1.9.
    const OF_WERKZEUG: &str = "scrypt:32768:8:1$VSV9PMv2JauGcF8S$9cea2249fad48e793aa26c1dea9d1cffc9e309f9bf07648838082c09c81d6eab12bb073fff021163426bbf13b468d80bc3290dfc4cb3f43375f8ffdd814f28ba";

    #[test]
    fn a_hash_of_werkzeug_is_checked() {
        assert_eq!(verify(OF_WERKZEUG, "correct horse"), Some(true));
        assert_eq!(verify(OF_WERKZEUG, "correct horsf"), Some(false));
    }

    /// The expected texts are what Werkzeug 3.1.9 makes with this salt.
    #[test]
    fn a_hash_of_ours_is_the_one_that_werkzeug_makes() -> anyhow::Result<()> {
        let salt = "Gk2bV7wYtLh3QzXe";
        assert_eq!(hash_with("correct horse", salt)?, VECTORS[0].1);
        assert_eq!(
            hash_with("pässwörd ü", salt)?,
            "scrypt:32768:8:1$Gk2bV7wYtLh3QzXe$60de24f0689a9b060e3dfc2f8c08690deaa6daa1372420bf18f97182d81b18e7bec56cb55a4254ba297145e0e4edd2ad3e4138c6718b250efd3f1a277f53a3f0"
        );
        Ok(())
    }

    #[test]
    fn each_new_hash_has_a_salt_of_its_own() -> anyhow::Result<()> {
        let (one, other) = (hash("correct horse")?, hash("correct horse")?);
        assert_ne!(one, other);
        for made in [&one, &other] {
            let parsed = WerkzeugHash::parse(made).expect("a hash of this kind");
            assert!(parsed.is_affordable() && parsed.matches("correct horse"));
            assert_eq!((parsed.salt().len(), parsed.digest.len()), (16, 64));
            assert!(
                parsed
                    .salt()
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric())
            );
        }
        Ok(())
    }

    #[test]
    fn other_hashes_are_none_of_ours() {
        for other in [
            "",
            "plain",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
            "pbkdf2:sha512:1000$x$00",
            "scrypt:1024:8$x$00",
            "scrypt:1024:8:1:9$x$00",
            "scrypt:a:8:1$x$00",
            "scrypt:1024:8:1$x$0g",
            "scrypt:1024:8:1$x$",
            "scrypt:1024:8:1$x",
            "md5$x$00",
        ] {
            assert_eq!(verify(other, "x"), None, "{other}");
        }
        assert_eq!(
            verify(&format!("scrypt:2:1:1$x${}", "0".repeat(2_000)), "x"),
            None
        );
    }

    #[test]
    fn absurd_parameters_are_refused_at_once() {
        let (long, short) = ("00".repeat(64), "00".repeat(32));
        for absurd in [
            format!("scrypt:2147483648:8:1$x${long}"),
            format!("scrypt:32768:4294967295:1$x${long}"),
            format!("scrypt:32768:8:4294967295$x${long}"),
            format!("scrypt:32767:8:1$x${long}"),
            format!("scrypt:0:8:1$x${long}"),
            format!("scrypt:1024:0:1$x${long}"),
            format!("scrypt:1024:8:0$x${long}"),
            format!("scrypt:1024:8:1$x${short}"),
            // 288 MiB, including the blocks of the passes.
            format!("scrypt:2:262144:8$x${long}"),
            format!("scrypt:2:65536:8$x${long}"),
            // Little memory, and eight times the work of Werkzeug's own.
            format!("scrypt:32768:8:8$x${long}"),
            format!("scrypt:1024:8:256$x${long}"),
            format!("pbkdf2:sha256:4294967295$x${short}"),
            format!("pbkdf2:sha256:0$x${short}"),
            format!("pbkdf2:sha256:1000$x${long}"),
        ] {
            let hash = WerkzeugHash::parse(&absurd).expect("a hash of Werkzeug's");
            assert!(!hash.is_affordable(), "{absurd}");
            assert!(!hash.matches("x"), "{absurd}");
        }
        for (_, hash) in VECTORS {
            assert!(WerkzeugHash::parse(hash).is_some_and(|hash| hash.is_affordable()));
        }
    }
}
