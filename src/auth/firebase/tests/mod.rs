//! ID tokens, against a key server on this machine and a clock that the test sets.

mod claims;
mod keys;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Duration;

use super::*;

const NOW: u64 = 1_771_842_312;

fn new_key() -> RsaKeyPair {
    RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")
}

fn jwk(id: &str, key: &RsaKeyPair) -> Value {
    let public: PublicKeyComponents<Vec<u8>> = key.public_key().into();
    json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": id,
        "n": BASE64.encode(&public.n), "e": BASE64.encode(&public.e)})
}

fn claims() -> Value {
    json!({"iss": "https://securetoken.google.com/shop", "aud": "shop", "sub": "u1",
        "iat": NOW - 10, "auth_time": NOW - 100, "exp": NOW + 3_000, "firebase": {}})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn token(header: &Value, claims: &Value, key: Option<&RsaKeyPair>) -> String {
    let head = format!(
        "{}.{}",
        BASE64.encode(header.to_string()),
        BASE64.encode(claims.to_string())
    );
    let Some(key) = key else {
        return format!("{head}.");
    };
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        head.as_bytes(),
        &mut signature,
    )
    .expect("signed");
    format!("{head}.{}", BASE64.encode(signature))
}

/// A key server, a clock, and a verifier that uses both.
struct Place {
    verifier: FirebaseVerifier,
    seconds: Arc<AtomicU64>,
    served: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
    /// Bytes of endless responses written before the verifier closed the connection.
    endless: Arc<AtomicUsize>,
    key: RsaKeyPair,
}

/// What the key server does with a request.
#[derive(Debug, Clone)]
enum Answer {
    Keys(Value),
    Error,
    Silence,
    Endless,
}

impl Place {
    async fn new(emulator_tokens: bool) -> Self {
        let key = new_key();
        let answer = Arc::new(Mutex::new(Answer::Keys(json!({"keys": [jwk("k1", &key)]}))));
        let endless = Arc::new(AtomicUsize::new(0));
        let (served, seconds) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(NOW)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let keys_url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        tokio::spawn(serve(
            listener,
            Arc::clone(&answer),
            Arc::clone(&served),
            Arc::clone(&endless),
        ));
        let now = Arc::clone(&seconds);
        let clock = Clock::from_fn(move || now.load(Ordering::Relaxed) * 1_000_000);
        let settings = FirebaseSettings {
            project_id: "shop".to_owned(),
            keys_url,
            emulator_tokens,
        };
        Self {
            verifier: FirebaseVerifier::new(settings, clock),
            seconds,
            served,
            answer,
            endless,
            key,
        }
    }

    fn signed(&self, claims: &Value) -> String {
        token(
            &json!({"alg": "RS256", "kid": "k1", "typ": "JWT"}),
            claims,
            Some(&self.key),
        )
    }

    async fn reason(&self, token: &str) -> &'static str {
        match self.verifier.verify(token).await {
            Err(FirebaseError::Invalid(reason)) => reason,
            other => panic!("refused: {other:?}"),
        }
    }

    fn publish(&self, answer: Answer) {
        *self.answer.lock().expect("not poisoned") = answer;
    }

    /// Waits until `times` requests were answered, and the last answer was processed.
    async fn fetched(&self, times: usize) {
        while self.served.load(Ordering::Relaxed) < times || self.verifier.keys.is_fetching() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(
    listener: TcpListener,
    answer: Arc<Mutex<Answer>>,
    served: Arc<AtomicUsize>,
    endless: Arc<AtomicUsize>,
) {
    let mut silent = Vec::new();
    while let Ok((mut socket, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
        served.fetch_add(1, Ordering::Relaxed);
        let answer = answer.lock().expect("not poisoned").clone();
        let text = match answer {
            Answer::Keys(keys) => {
                let body = keys.to_string();
                format!(
                    "HTTP/1.1 200 OK\r\ncache-control: public, max-age=600\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            Answer::Error => {
                "HTTP/1.1 500 Oops\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()
            }
            Answer::Silence => {
                silent.push(socket);
                continue;
            }
            Answer::Endless => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n[".to_owned(),
        };
        let is_endless = text.ends_with('[');
        let _ = socket.write_all(text.as_bytes()).await;
        while is_endless && socket.write_all(&[b' '; 4_096]).await.is_ok() {
            endless.fetch_add(4_096, Ordering::Relaxed);
        }
    }
}
