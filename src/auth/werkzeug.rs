//! Password hashes as Werkzeug (the library under Flask) writes them, for admins who were added by other programs.

use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Most memory that a check may take, in bytes. Werkzeug's own parameters take 32 MiB.
const MAX_MEMORY: u64 = 64 << 20;
/// Most passes over that memory; Werkzeug's own parameters make one.
const MAX_PARALLEL: u32 = 8;
/// Most rounds of PBKDF2; Werkzeug's newest makes a million.
const MAX_ROUNDS: u32 = 2_000_000;
/// Longest hash that is looked at.
const MAX_LENGTH: usize = 1_024;

/// Whether `hash` was made from `password`; `None` where it isn't a hash of this kind.
///
/// Understands `scrypt:N:r:p$salt$hex` and `pbkdf2:sha256:N$salt$hex`. Parameters that would take absurdly long or much
/// memory are refused: no password is right then. Takes some tens of milliseconds; not for async threads.
pub fn verify(hash: &str, password: &str) -> Option<bool> {
    if hash.len() > MAX_LENGTH {
        return None;
    }
    let (method, rest) = hash.split_once('$')?;
    let (salt, digest) = rest.split_once('$')?;
    let expected = unhex(digest)?;
    let mut method = method.split(':');
    let kind = method.next()?;
    let mut computed = vec![0; expected.len()];
    let computable = match kind {
        "scrypt" => {
            let (n, r, p) = (
                number(method.next())?,
                number(method.next())?,
                number(method.next())?,
            );
            scrypt(password, salt, (n, r, p), &mut computed)
        }
        "pbkdf2" if method.next() == Some("sha256") => {
            let rounds = number(method.next())?;
            pbkdf2(password, salt, rounds, &mut computed)
        }
        _ => return None,
    };
    if method.next().is_some() {
        return None;
    }
    Some(computable && bool::from(computed.ct_eq(&expected)))
}

fn scrypt(password: &str, salt: &str, (n, r, p): (u32, u32, u32), out: &mut [u8]) -> bool {
    let memory = 128_u64.saturating_mul(n.into()).saturating_mul(r.into());
    if !n.is_power_of_two() || memory > MAX_MEMORY || p > MAX_PARALLEL || out.len() != 64 {
        return false;
    }
    // At most 31, which fits.
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or_default();
    let Ok(params) = scrypt::Params::new(log_n, r, p) else {
        return false;
    };
    scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, out).is_ok()
}

fn pbkdf2(password: &str, salt: &str, rounds: u32, out: &mut [u8]) -> bool {
    if rounds == 0 || rounds > MAX_ROUNDS || out.len() != 32 {
        return false;
    }
    pbkdf2_hmac::<Sha256>(password.as_bytes(), salt.as_bytes(), rounds, out);
    true
}

fn number(text: Option<&str>) -> Option<u32> {
    text?.parse().ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's hashlib, as Werkzeug does.
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
        let started = std::time::Instant::now();
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
            format!("pbkdf2:sha256:4294967295$x${short}"),
            format!("pbkdf2:sha256:0$x${short}"),
            format!("pbkdf2:sha256:1000$x${long}"),
        ] {
            assert_eq!(verify(&absurd, "x"), Some(false), "{absurd}");
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(1));
    }
}
