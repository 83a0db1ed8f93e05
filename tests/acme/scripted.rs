//! What `pebble` doesn't do: limits, and the authority's wish when to renew (ARI). A scripted authority does both, and issues
//! nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpResponse, web};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use orderbell::certificates::ProblemKind;
use orderbell::clock::Clock;
use orderbell::http::{
    Admission, AdmissionLimits, Certificates, CertifiedPair, Deadlines, HandshakeLimits,
    ServerSettings, SocketLimits, Tls,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::{Ahead, DOMAIN, Desk, eventually, listener, set_record, sockets_for_two};

const SECOND: Duration = Duration::from_secs(1);

/// What the authority has been asked.
#[derive(Default)]
struct Asked {
    base: String,
    orders: Mutex<Vec<Value>>,
    renewals: Mutex<Vec<String>>,
}

struct Scripted {
    asked: Arc<Asked>,
    root: String,
}

fn ca() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("a CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

impl Scripted {
    fn start() -> Self {
        let socket = listener();
        let address = socket.local_addr().expect("an address");
        let asked = Arc::new(Asked {
            base: format!("https://{address}"),
            ..Asked::default()
        });
        let ca = ca();
        let key = KeyPair::generate().expect("a key");
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]);
        let own = own
            .and_then(|own| own.signed_by(&key, &ca))
            .expect("a certificate");
        let pair = CertifiedPair::from_pem(own.pem().as_bytes(), key.serialize_pem().as_bytes());
        let certificates = Certificates::new();
        certificates.set(pair.expect("a pair"));
        let limits = HandshakeLimits {
            patience: 10 * SECOND,
            strangers: 100,
        };
        let tls = Tls::new(&certificates, limits).expect("TLS");
        let settings = ServerSettings {
            workers: 1,
            deadlines: Deadlines {
                request: 10 * SECOND,
                idle: 10 * SECOND,
                write: 10 * SECOND,
            },
            sockets: SocketLimits {
                write_timeout: 10 * SECOND,
                send_buffer: 1 << 16,
            },
            shutdown_seconds: 1,
        };
        let limits = AdmissionLimits {
            total: 100,
            per_address: 100,
        };
        let admission = Admission::new(limits, |_| true);
        let shared = Arc::clone(&asked);
        let app = move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&shared)))
                .route("/dir", web::get().to(directory))
                .route(
                    "/nonce",
                    web::head().to(|| async { with_nonce(HttpResponse::Ok()).finish() }),
                )
                .route("/account", web::post().to(account))
                .route("/order", web::post().to(order))
                .route("/renewal/{id}", web::get().to(renewal))
        };
        let server = orderbell::http::serve(socket, settings, admission, Some(tls), app);
        tokio::spawn(server.expect("a server").run());
        Self {
            asked,
            root: ca.pem(),
        }
    }

    fn directory(&self) -> String {
        format!("{}/dir", self.asked.base)
    }

    fn orders(&self) -> Vec<Value> {
        self.asked.orders.lock().expect("not poisoned").clone()
    }

    async fn desk(&self, folder: &Path, ahead: &Ahead) -> Desk {
        let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
        std::fs::write(path("root.pem"), &self.root).expect("written");
        let environment = [
            ("ORDERBELL_EMBEDDED__PATH", &*path("orders.db")),
            ("ORDERBELL_TLS__MODE", "acme"),
            ("ORDERBELL_TLS__DOMAINS", DOMAIN),
            ("ORDERBELL_TLS__DIRECTORY_URL", &self.directory()),
            ("ORDERBELL_TLS__DIRECTORY_CA_FILE", &path("root.pem")),
        ];
        Desk::start(sockets_for_two(), &environment, ahead).await
    }
}

fn with_nonce(mut answer: actix_web::HttpResponseBuilder) -> actix_web::HttpResponseBuilder {
    answer.insert_header(("replay-nonce", "bm9uY2U"));
    answer
}

async fn directory(asked: web::Data<Asked>) -> HttpResponse {
    let at = |path: &str| format!("{}/{path}", asked.base);
    HttpResponse::Ok().json(json!({
        "newNonce": at("nonce"), "newAccount": at("account"), "newOrder": at("order"),
        "revokeCert": at("revoke"), "keyChange": at("key"), "renewalInfo": at("renewal"),
    }))
}

async fn account(asked: web::Data<Asked>) -> HttpResponse {
    let mut answer = with_nonce(HttpResponse::Created());
    answer.insert_header(("location", format!("{}/account/1", asked.base)));
    answer.json(json!({"status": "valid"}))
}

async fn order(asked: web::Data<Asked>, body: web::Bytes) -> HttpResponse {
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let payload = body["payload"].as_str().expect("a payload");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("Base64");
    let payload = serde_json::from_slice(&payload).expect("JSON");
    asked.orders.lock().expect("not poisoned").push(payload);
    let mut answer = with_nonce(HttpResponse::TooManyRequests());
    answer.insert_header(("retry-after", "7200"));
    answer.json(json!({
        "type": "urn:ietf:params:acme:error:rateLimited",
        "detail": "too many certificates (5) already issued for this exact set of domains",
        "status": 429,
    }))
}

async fn renewal(asked: web::Data<Asked>, id: web::Path<String>) -> HttpResponse {
    asked
        .renewals
        .lock()
        .expect("not poisoned")
        .push(id.into_inner());
    HttpResponse::Ok()
        .insert_header(("retry-after", "21600"))
        .json(json!({"suggestedWindow": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}}))
}

async fn failure(desk: &Desk, count: u32) -> orderbell::certificates::Status {
    eventually("a failure", async || {
        let status = desk.renewal.as_ref().expect("by ACME").status();
        let has_failed = status
            .failure
            .as_ref()
            .is_some_and(|failure| failure.1 == count);
        (has_failed && !status.is_working).then_some(status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_authority_is_told_and_waited_for() {
    let (folder, ahead) = (tempfile::tempdir().expect("a folder"), Ahead::default());
    let authority = Scripted::start();
    let desk = authority.desk(folder.path(), &ahead).await;
    let before = ahead.clock().millis();
    let status = failure(&desk, 1).await;
    let (problem, _) = status.failure.expect("a failure");
    assert_eq!(problem.kind, ProblemKind::RateLimited, "{problem:?}");
    assert!(problem.to_string().contains("already issued"), "{problem}");
    assert!(status.next_attempt_at >= before + 7_200_000);
    let page = desk.get_plain("/").await.text().await.expect("a page");
    assert!(
        page.contains("too many requests") && !page.contains("exact set"),
        "{page}"
    );
    assert!(page.contains("minutes"), "{page}");

    // A restart doesn't begin anew, and after the time has come there is another attempt.
    desk.stop().await;
    let desk = authority.desk(folder.path(), &ahead).await;
    failure(&desk, 1).await;
    assert_eq!(authority.orders().len(), 1);
    ahead.add(Duration::from_secs(3 * 3_600));
    desk.wake();
    failure(&desk, 2).await;
    assert_eq!(authority.orders().len(), 2);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_says_when_to_renew() {
    let (folder, ahead) = (tempfile::tempdir().expect("a folder"), Ahead::default());
    let authority = Scripted::start();
    // A first start makes the store.
    let desk = authority.desk(folder.path(), &ahead).await;
    failure(&desk, 1).await;
    desk.stop().await;

    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![DOMAIN.to_owned()]).expect("a certificate");
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(0x00C0_FFEE_u64.into());
    let chain = params.signed_by(&key, &ca()).expect("a certificate");
    let (now, day) = (Clock::system().millis(), 86_400_000);
    let store = folder.path().join("orders.db");
    let mut record = crate::record(&store).await;
    record["failures"] = json!([]);
    record["certificate"] = json!({
        "directoryUrl": authority.directory(), "chain": chain.pem(), "key": key.serialize_pem(),
        "domains": [DOMAIN], "notBefore": now - 10 * day, "notAfter": now + 80 * day, "storedAt": now - 10 * day,
    });
    set_record(&store, &record).await;

    let desk = authority.desk(folder.path(), &ahead).await;
    failure(&desk, 1).await;
    let asked = authority
        .asked
        .renewals
        .lock()
        .expect("not poisoned")
        .clone();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].ends_with(".AMD_7g"), "{asked:?}");
    assert_eq!(
        authority.orders().last().expect("an order")["replaces"],
        *asked[0]
    );
    assert_eq!(
        authority.orders().len(),
        2,
        "a limit isn't tried again at once"
    );
    let https: SocketAddr = desk.https;
    tokio::net::TcpStream::connect(https)
        .await
        .expect("the desk serves meanwhile");
    desk.stop().await;
}
