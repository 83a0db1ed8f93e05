//! The same desk on Cloud Firestore: what can only be seen with the whole service on Google's emulator.

#[path = "../store/firestore/outside.rs"]
#[expect(
    dead_code,
    reason = "shared with the store's own tests, which use more of it"
)]
mod outside;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use orderbell::firestore::{Access, FirestoreSettings};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{PASSWORD, TestApp, eventually, json_of, refusal, small_order};
use crate::sse::Stream;
use outside::{Outside, order};

/// Where the emulator is; the test fails without one.
pub(crate) fn emulator() -> String {
    std::env::var("FIRESTORE_EMULATOR_HOST")
        .expect("these tests need Google's Firestore emulator: `source tests/emulator.sh && emulator_start`")
}

pub(crate) fn fresh_project() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("app-{}-{count}", std::process::id())
}

pub(crate) fn phone(project: &str) -> Outside {
    Outside::new(&FirestoreSettings::new(
        project,
        Access::Emulator(emulator()),
    ))
}

pub(crate) async fn start(project: &str) -> TestApp {
    let app = start_away(project, &emulator()).await;
    eventually("the listener", || async {
        ready(&app).await == StatusCode::OK
    })
    .await;
    app
}

async fn start_away(project: &str, host: &str) -> TestApp {
    start_with(project, host, &[]).await
}

/// Starts with settings over those of all tests here; the listener may not be live yet.
pub(crate) async fn start_with(project: &str, host: &str, more: &[(&str, &str)]) -> TestApp {
    let settings = [
        ("ORDERBELL_STORE__KIND", "firestore"),
        ("ORDERBELL_FIRESTORE__PROJECT_ID", project),
        ("FIRESTORE_EMULATOR_HOST", host),
        ("ORDERBELL_STORE__WINDOW", "100"),
        ("ORDERBELL_LOG__LEVEL", "off"),
    ];
    TestApp::start_with(&[&settings, more].concat()).await
}

async fn ready(app: &TestApp) -> StatusCode {
    app.bare(Method::GET, "/health/ready")
        .send()
        .await
        .expect("an answer")
        .status()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_phones_write_rings_and_what_was_there_does_not() {
    let project = fresh_project();
    let phone = phone(&project);
    phone
        .put(
            "orders/OLD",
            &order("PENDING", &json!({"integerValue": "1771842312000"})),
        )
        .await;
    let app = start(&project).await;
    let mut stream = app.stream().await;
    let times = [
        ("A", json!({"integerValue": "1771842312001"})),
        ("B", json!({"doubleValue": 1_771_842_312_002.5})),
        (
            "C",
            json!({"timestampValue": "2026-02-23T10:25:12.345678Z"}),
        ),
    ];
    for (id, time) in &times[..2] {
        phone
            .put(&format!("orders/{id}"), &order("PENDING", time))
            .await;
        assert_eq!(
            stream.orders(1).await,
            [("new_order".to_owned(), (*id).to_owned())]
        );
    }
    phone.put("orders/C", &order("PENDING", &times[2].1)).await;
    assert_eq!(
        stream.orders(1).await,
        [("new_order".to_owned(), "C".to_owned())]
    );
    phone.set("orders/OLD", "status", "CANCELLED").await;
    let changed = stream.next_order().await.expect("an event");
    assert_eq!(
        (
            changed.name.as_str(),
            changed.order(),
            changed.data["status"].as_str()
        ),
        ("order_update", "OLD", Some("CANCELLED"))
    );
    phone.delete("orders/B").await;
    assert_eq!(
        stream.orders(1).await,
        [("order_removed".to_owned(), "B".to_owned())]
    );
    let placed = json_of(app.post_order(&small_order()).await).await;
    assert_eq!(placed["orderId"], "ORD1");
    assert_eq!(
        stream.orders(1).await,
        [("new_order".to_owned(), "ORD1".to_owned())]
    );
    app.stop().await;
}

/// Made by Werkzeug's own rules: scrypt, N 32768, r 8, p 1, salt "salt".
pub(crate) const WERKZEUG: &str = "scrypt:32768:8:1$salt$a3479fbdc10408db76d4413bd916aa53e8cc54bb088da32666d81ab4aa1ea93785eb9961ff19a798354551a9f2f3d5ba86469bb1b7d5e2b63fef5a723830f720";

#[tokio::test(flavor = "multi_thread")]
async fn existing_admins_sign_in_with_the_password_they_have() {
    let project = fresh_project();
    let phone = phone(&project);
    let admin = json!({"email": {"stringValue": "omar@shop.example"}, "name": {"stringValue": "Omar"}, "password": {"stringValue": WERKZEUG}});
    phone.put("admins/omar-1", &admin).await;
    let app = start(&project).await;
    let login = app.login("omar@shop.example", PASSWORD).await;
    assert_eq!(login.status(), StatusCode::OK);
    assert_eq!(json_of(login).await["adminId"], "omar-1");
    refusal(app.login("omar@shop.example", "another").await, 401).await;
    let recent = |token: &'static str| {
        app.bare(Method::GET, "/api/admin/orders/recent")
            .bearer_auth(token)
            .send()
    };
    assert_eq!(
        recent("omar-1").await.expect("an answer").status(),
        StatusCode::OK
    );
    refusal(recent("omar-2").await.expect("an answer"), 401).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_cursors_sessions_and_numbers() {
    let project = fresh_project();
    let admin = json!({"email": {"stringValue": "omar@shop.example"}, "name": {"stringValue": "Omar"}, "password": {"stringValue": WERKZEUG}});
    phone(&project).put("admins/omar-1", &admin).await;
    let (one, other) = (start(&project).await, start(&project).await);
    let session = json_of(one.login("omar@shop.example", PASSWORD).await).await["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let known = other
        .bare(Method::GET, "/api/admin/orders")
        .bearer_auth(&session)
        .send()
        .await
        .expect("an answer");
    assert_eq!(known.status(), StatusCode::OK);

    let (mut last, _) = one.stream_at("").await;
    let mut seen = Vec::new();
    let mut ids = Vec::new();
    for round in 0..6 {
        let (here, there) = if round % 2 == 0 {
            (&one, &other)
        } else {
            (&other, &one)
        };
        // Orders are placed at both while the reader is at one of them, and go on while it moves.
        for app in [here, there, here] {
            assert_eq!(
                app.post_order(&small_order()).await.status(),
                StatusCode::OK
            );
        }
        let since = last.clone().expect("an id");
        let mut stream = Stream::connected(there.request(
            Method::GET,
            &format!("/api/admin/stream/orders?since={since}"),
        ))
        .await
        .1;
        while seen.len() < (round + 1) * 3 {
            let event = stream.next_order().await.expect("an event");
            seen.push(event.order().to_owned());
            ids.push(event.id.clone().expect("an id"));
            last = event.id;
        }
    }
    let unique: BTreeSet<_> = seen.iter().cloned().collect();
    let expected: BTreeSet<_> = (1..=18).map(|n| format!("ORD{n}")).collect();
    assert_eq!((unique, seen.len()), (expected, 18));
    assert!(ids.is_sorted(), "{ids:?}");
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_cost_no_reads() {
    let mut reads = Vec::new();
    for viewers in [1, 100] {
        // No admin is made meanwhile, which costs reads at a time of its own.
        let settings = [("ORDERBELL_AUTH__ADMIN_EMAIL", "")];
        let app = start_with(&fresh_project(), &emulator(), &settings).await;
        eventually("the listener", || async {
            ready(&app).await == StatusCode::OK
        })
        .await;
        let mut streams = Vec::new();
        for _ in 0..viewers {
            streams.push(app.stream().await);
        }
        for _ in 0..20 {
            assert_eq!(
                app.post_order(&small_order()).await.status(),
                StatusCode::OK
            );
            for _ in 0..viewers / 10 {
                app.get("/api/admin/orders/recent").await;
            }
        }
        for stream in &mut streams {
            stream.orders(20).await;
        }
        let mut causes = Vec::new();
        for cause in ["listener", "lookup", "write"] {
            let name = format!("orderbell_firestore_reads_total{{cause=\"{cause}\"}}");
            causes.push((cause, app.metric(&name).await));
        }
        reads.push(causes);
        app.stop().await;
    }
    assert_eq!(reads[0], reads[1], "reads with 1 and with 100 viewers");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_starts_with_firestore_away() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let app = start_away(&fresh_project(), &closed.to_string()).await;
    assert_eq!(
        app.bare(Method::GET, "/health/live")
            .send()
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    assert_eq!(ready(&app).await, StatusCode::SERVICE_UNAVAILABLE);
    let refused = app.post_order(&small_order()).await;
    assert!(refused.headers().contains_key("retry-after"));
    refusal(refused, 503).await;
    let mut stream = Stream::open(app.request(Method::GET, "/api/admin/stream/orders")).await;
    assert_eq!(stream.next().await.and_then(|event| event.id), None);
    let source = stream.next().await.expect("an event");
    assert_eq!(
        (source.name.as_str(), &source.data["state"]),
        ("source", &json!("away"))
    );
    app.stop().await;
}

/// 300 orders, a reader that is cut off six times, and one restart of the server.
#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_order_is_seen_exactly_once() {
    let (project, host) = (fresh_project(), emulator());
    crate::lifecycle::exactly_once(&[
        ("ORDERBELL_STORE__KIND", "firestore"),
        ("ORDERBELL_FIRESTORE__PROJECT_ID", project.as_str()),
        ("FIRESTORE_EMULATOR_HOST", host.as_str()),
        ("ORDERBELL_STORE__WINDOW", "400"),
        ("ORDERBELL_LOG__LEVEL", "off"),
    ])
    .await;
}

/// Screens and scripts that stay cost nothing for as long as nobody's rights change, and what is taken away ends at once.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_is_not_asked_again_and_again() {
    let project = fresh_project();
    let phone = phone(&project);
    let admin = json!({"email": {"stringValue": "omar@shop.example"}, "name": {"stringValue": "Omar"}, "password": {"stringValue": WERKZEUG}});
    phone.put("admins/omar-1", &admin).await;
    let app = start(&project).await;
    let recent = || async {
        app.bare(Method::GET, "/api/admin/orders/recent")
            .bearer_auth("omar-1")
            .send()
            .await
            .expect("an answer")
            .status()
    };
    let lookups = || app.metric("orderbell_firestore_reads_total{cause=\"lookup\"}");
    assert_eq!(recent().await, StatusCode::OK);
    let before = lookups().await;
    for _ in 0..50 {
        assert_eq!(recent().await, StatusCode::OK);
    }
    assert_eq!(lookups().await, before);
    let stream = Stream::connected(
        app.bare(Method::GET, "/api/admin/stream/orders")
            .bearer_auth("omar-1"),
    )
    .await
    .1;
    let mut disabled = admin.clone();
    disabled["disabled"] = json!({"booleanValue": true});
    phone.put("admins/omar-1", &disabled).await;
    eventually("the end of a disabled admin's rights", || async {
        recent().await == StatusCode::FORBIDDEN
    })
    .await;
    tokio::time::timeout(std::time::Duration::from_secs(60), stream.rest_slowly())
        .await
        .expect("the stream ends within a minute");
    app.stop().await;
}
