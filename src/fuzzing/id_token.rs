use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::str::from_utf8;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tokio::runtime::Runtime;

use crate::auth::firebase::{FirebaseSettings, FirebaseVerifier};
use crate::clock::Clock;

/// The public key `k1`, whose private part is gone.
const KEYS: &str = include_str!("keys.json");
/// The one token that was signed with it, for the user `u1` of the project `shop`.
const TOKEN: &str = include_str!("token.txt");
/// A time at which it is good, in seconds.
const NOW: u64 = 1_771_842_312;

/// Verifiers without and with the emulator's unsigned tokens.
static PLACE: LazyLock<(Runtime, [FirebaseVerifier; 2])> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let keys_url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    std::thread::spawn(move || serve(&listener));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let verifiers = [false, true].map(|emulator_tokens| {
        let settings = FirebaseSettings {
            project_id: "shop".to_owned(),
            keys_url: keys_url.clone(),
            emulator_tokens,
        };
        FirebaseVerifier::new(settings, Clock::from_fn(|| NOW * 1_000_000))
    });
    (runtime, verifiers)
});

/// Answers every request with the keys, as long as the process runs.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let _ = stream.read(&mut [0; 4_096]);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{KEYS}",
            KEYS.len()
        );
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// A customer's ID token; or a header and claims as JSON in a line each, which are encoded and get the good token's signature.
pub fn id_token(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    let signature = TOKEN.rsplit('.').next().unwrap_or_default();
    let (token, unsigned) = match text.split_once('\n') {
        Some((header, claims)) => {
            let head = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
            (format!("{head}.{signature}"), Some(format!("{head}.")))
        }
        None => (text.to_owned(), None),
    };
    let (runtime, [strict, lenient]) = &*PLACE;
    match runtime.block_on(strict.verify(&token)) {
        Ok(user) => {
            assert_eq!(token.trim(), TOKEN.trim(), "only one token was ever signed");
            assert_eq!(user.as_str(), "u1");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let Some(unsigned) = unsigned else { return };
    assert!(runtime.block_on(strict.verify(&unsigned)).is_err());
    if let Ok(user) = runtime.block_on(lenient.verify(&unsigned)) {
        assert!((1..=128).contains(&user.as_str().len()));
        assert!(text.contains("securetoken.google.com"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_token_is_good_so_that_damaged_ones_come_close() {
        let (runtime, [strict, _]) = &*PLACE;
        let user = runtime.block_on(strict.verify(TOKEN.trim()));
        assert_eq!(
            user.map(|user| user.as_str().to_owned()),
            Ok("u1".to_owned())
        );
    }
}
