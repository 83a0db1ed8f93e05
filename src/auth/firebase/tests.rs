use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

use super::keys::{FETCH_TIMEOUT, MAX_WAITING};
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

#[tokio::test]
async fn a_good_token_says_who_it_is() {
    let place = Place::new(false).await;
    for _ in 0..3 {
        let user = place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .expect("good");
        assert_eq!(user.as_str(), "u1");
    }
    assert_eq!(
        place.served.load(Ordering::Relaxed),
        1,
        "keys are fetched once"
    );
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let place = Place::new(false).await;
    let cases = [
        (
            with("iss", json!("https://securetoken.google.com/other")),
            "its issuer is not Firebase for this project",
        ),
        (
            with("iss", json!("https://accounts.google.com")),
            "its issuer is not Firebase for this project",
        ),
        (
            with("aud", json!("other")),
            "it was issued for another project",
        ),
        (
            with("exp", json!(NOW - 61)),
            "it has expired: get a new one",
        ),
        (
            with("iat", json!(NOW + 61)),
            "its time of issue is in the future",
        ),
        (
            with("auth_time", json!(NOW + 61)),
            "its time of issue is in the future",
        ),
        (with("sub", json!("")), "its user id is empty or too long"),
        (
            with("sub", json!("x".repeat(129))),
            "its user id is empty or too long",
        ),
        (
            with("sub", json!(7)),
            "its signature or one of its claims is wrong",
        ),
        (
            with("exp", json!(null)),
            "its signature or one of its claims is wrong",
        ),
        (
            with("aud", json!(["shop"])),
            "its signature or one of its claims is wrong",
        ),
    ];
    for (claims, reason) in cases {
        assert_eq!(
            place.reason(&place.signed(&claims)).await,
            reason,
            "{claims}"
        );
    }
    for claims in [
        with("exp", json!(NOW - 59)),
        with("iat", json!(NOW + 59)),
        with("auth_time", json!(NOW + 59)),
    ] {
        assert!(
            place.verifier.verify(&place.signed(&claims)).await.is_ok(),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn only_rs256_with_a_known_key_counts() {
    let place = Place::new(false).await;
    let good = place.signed(&claims());
    let mut forged = good.rsplit_once('.').expect("a signature").0.to_owned();
    forged.push_str(".AAAA");
    assert_eq!(
        place.reason(&forged).await,
        "its signature or one of its claims is wrong"
    );
    let other = token(
        &json!({"alg": "RS256", "kid": "k1"}),
        &claims(),
        Some(&new_key()),
    );
    assert_eq!(
        place.reason(&other).await,
        "its signature or one of its claims is wrong"
    );
    for alg in ["none", "HS256", "RS512", "ES256", "rs256"] {
        let token = token(
            &json!({"alg": alg, "kid": "k1"}),
            &claims(),
            Some(&place.key),
        );
        assert_eq!(
            place.reason(&token).await,
            "it is not signed with RS256",
            "{alg}"
        );
    }
    let unsigned = token(&json!({"alg": "none"}), &claims(), None);
    assert_eq!(place.reason(&unsigned).await, "it is not signed with RS256");
    for nonsense in ["", "a.b", "a.b.c", "a.b.c.d", "....", &"x".repeat(9_000)] {
        place.reason(nonsense).await;
    }
    let keyless = token(&json!({"alg": "RS256"}), &claims(), Some(&place.key));
    assert_eq!(
        place.reason(&keyless).await,
        "it is signed with a key that Google doesn't list"
    );
}

#[tokio::test]
async fn keys_are_renewed_when_they_expire_or_are_unknown() {
    let place = Place::new(false).await;
    let served = || place.served.load(Ordering::Relaxed);
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok()
    );
    let second = new_key();
    place.publish(Answer::Keys(
        json!({"keys": [jwk("k1", &place.key), jwk("k2", &second)]}),
    ));
    let rotated = token(
        &json!({"alg": "RS256", "kid": "k2"}),
        &claims(),
        Some(&second),
    );

    // Fetched at once, but not again within 30 seconds.
    assert_eq!(
        place.reason(&rotated).await,
        "it is signed with a key that Google doesn't list"
    );
    place.seconds.fetch_add(29, Ordering::Relaxed);
    assert_eq!(
        place.reason(&rotated).await,
        "it is signed with a key that Google doesn't list"
    );
    assert_eq!(served(), 1);
    place.seconds.fetch_add(1, Ordering::Relaxed);
    assert!(place.verifier.verify(&rotated).await.is_ok());
    assert_eq!(served(), 2);

    // Valid for the time in the response; removed keys are unknown then.
    place.publish(Answer::Keys(json!({"keys": [jwk("k2", &second)]})));
    place.seconds.fetch_add(599, Ordering::Relaxed);
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok()
    );
    place.seconds.fetch_add(1, Ordering::Relaxed);
    // Old keys are used until new ones arrive.
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok()
    );
    place.fetched(3).await;
    assert_eq!(
        place.reason(&place.signed(&claims())).await,
        "it is signed with a key that Google doesn't list"
    );
    assert_eq!(served(), 3);
}

#[tokio::test]
async fn without_keys_nobody_can_tell_and_old_ones_do_for_a_while() {
    let place = Place::new(false).await;
    let keys = place.answer.lock().expect("not poisoned").clone();
    place.publish(Answer::Error);
    let good = place.signed(&claims());
    let away = place.verifier.verify(&good).await;
    assert!(
        matches!(away, Err(FirebaseError::Unavailable(_))),
        "{away:?}"
    );
    place.publish(keys);
    place.seconds.fetch_add(1, Ordering::Relaxed);
    assert!(place.verifier.verify(&good).await.is_ok());

    place.publish(Answer::Error);
    place.seconds.fetch_add(1_800, Ordering::Relaxed);
    assert!(place.verifier.verify(&good).await.is_ok());
    place.seconds.fetch_add(7_200, Ordering::Relaxed);
    let away = place.verifier.verify(&good).await;
    assert!(
        matches!(away, Err(FirebaseError::Unavailable(_))),
        "{away:?}"
    );
}

#[tokio::test]
async fn tokens_of_the_emulator_need_the_flag() {
    let unsigned = token(&json!({"alg": "none", "typ": "JWT"}), &claims(), None);
    let place = Place::new(true).await;
    assert_eq!(
        place
            .verifier
            .verify(&unsigned)
            .await
            .expect("good")
            .as_str(),
        "u1"
    );
    let expired = token(
        &json!({"alg": "none"}),
        &with("exp", json!(NOW - 100)),
        None,
    );
    assert_eq!(
        place.reason(&expired).await,
        "it has expired: get a new one"
    );
    let signed = token(&json!({"alg": "none"}), &claims(), Some(&place.key));
    assert_eq!(place.reason(&signed).await, "it is not signed with RS256");
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok(),
        "real ones are good as well"
    );
}

/// Verifies `token` many times at once. Returns the duration and result of each.
async fn verify_at_once(
    place: Place,
    token: &str,
    times: usize,
) -> Vec<(Duration, Result<UserId, FirebaseError>)> {
    let place = Arc::new(place);
    let mut verifications = JoinSet::new();
    for _ in 0..times {
        let (place, token) = (Arc::clone(&place), token.to_owned());
        verifications.spawn(async move {
            let begun = Instant::now();
            let result = place.verifier.verify(&token).await;
            (begun.elapsed(), result)
        });
    }
    verifications.join_all().await
}

#[tokio::test]
async fn all_callers_wait_for_one_fetch_of_a_silent_server() {
    let place = Place::new(false).await;
    place.publish(Answer::Silence);
    let (served, good) = (Arc::clone(&place.served), place.signed(&claims()));
    tokio::time::pause();
    let results = verify_at_once(place, &good, MAX_WAITING + 10).await;
    let at_once = results.iter().filter(|(took, _)| took.is_zero()).count();
    assert_eq!(at_once, 10, "more than may wait are refused");
    for (took, result) in results {
        // One millisecond for the resolution of tokio's timers.
        assert!(
            took <= FETCH_TIMEOUT + Duration::from_millis(1),
            "{took:?}: all wait for one fetch"
        );
        assert!(
            matches!(result, Err(FirebaseError::Unavailable(_))),
            "{result:?}"
        );
    }
    assert!(served.load(Ordering::Relaxed) <= 1);
}

#[tokio::test]
async fn known_keys_serve_while_the_server_is_silent() {
    let place = Place::new(false).await;
    let good = place.signed(&claims());
    assert!(place.verifier.verify(&good).await.is_ok());
    place.publish(Answer::Silence);
    place.seconds.fetch_add(601, Ordering::Relaxed);
    let unknown = token(
        &json!({"alg": "RS256", "kid": "k9"}),
        &claims(),
        Some(&place.key),
    );
    tokio::time::pause();
    let begun = Instant::now();
    for _ in 0..3 {
        assert!(place.verifier.verify(&good).await.is_ok());
    }
    assert!(begun.elapsed().is_zero(), "no wait for the fetch");
    assert_eq!(
        place.reason(&unknown).await,
        "it is signed with a key that Google doesn't list"
    );
    assert!(begun.elapsed() <= FETCH_TIMEOUT + Duration::from_millis(1));
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_a_limit() {
    let place = Place::new(false).await;
    place.publish(Answer::Endless);
    let result = place.verifier.verify(&place.signed(&claims())).await;
    let Err(FirebaseError::Unavailable(trouble)) = result else {
        panic!("unavailable: {result:?}")
    };
    assert_eq!(trouble, "the answer of the key server is too long");
    // The server accepts the next connection when the verifier has closed this one.
    place.publish(Answer::Keys(json!({"keys": [jwk("k1", &place.key)]})));
    place.seconds.fetch_add(1, Ordering::Relaxed);
    assert!(
        place
            .verifier
            .verify(&place.signed(&claims()))
            .await
            .is_ok()
    );
    // No more than the kernel's buffers hold.
    assert!(place.endless.load(Ordering::Relaxed) < 32 << 20);
}

#[tokio::test]
async fn a_fetch_goes_on_when_its_first_caller_has_gone() {
    let place = Place::new(false).await;
    let good = place.signed(&claims());
    let mut first = Box::pin(place.verifier.verify(&good));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    drop(first);
    assert!(place.verifier.verify(&good).await.is_ok());
    assert_eq!(place.served.load(Ordering::Relaxed), 1);
}
