//! Who may use the desk on Cloud Firestore, and what it costs to find out.

use orderbell::auth::new_token;
use orderbell::clock::Clock;
use orderbell::firestore::{Access, FirestoreSettings, FirestoreStore};
use orderbell::store::{AccountStore as _, SessionKind};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp, cookie_of, eventually, json_of, refusal};
use crate::firestore::{WERKZEUG, emulator, fresh_project, phone, start_with};
use crate::sse::Stream;

const RECENT: &str = "/api/admin/orders/recent";
const MANY: [(&str, &str); 1] = [("ORDERBELL_AUTH__FAILURES_PER_MINUTE", "100000")];

fn admin(email: &str) -> Value {
    json!({"email": {"stringValue": email}, "name": {"stringValue": email}, "password": {"stringValue": WERKZEUG}})
}

/// A service whose watch over accounts is live.
async fn start(project: &str, more: &[(&str, &str)]) -> TestApp {
    let app = start_with(project, &emulator(), &[&MANY, more].concat()).await;
    eventually("the watch over accounts", || async {
        let before = lookups(&app).await;
        bearer(&app, &orderbell::store::random_id()).await;
        (lookups(&app).await - before).abs() < 0.5
    })
    .await;
    app
}

async fn reads(app: &TestApp, cause: &str) -> f64 {
    let name = format!("orderbell_firestore_reads_total{{cause=\"{cause}\"}}");
    app.metric(&name).await
}

async fn lookups(app: &TestApp) -> f64 {
    reads(app, "lookup").await
}

/// All reads, once those that sign-ins have caused are over.
async fn settled_reads(app: &TestApp) -> Vec<f64> {
    let now = async || {
        let mut now = Vec::new();
        for cause in ["lookup", "listener", "write"] {
            now.push(reads(app, cause).await);
        }
        now
    };
    let mut last = now().await;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let next = now().await;
        if next == last {
            return next;
        }
        last = next;
    }
}

async fn bearer(app: &TestApp, secret: &str) -> StatusCode {
    let request = app.bare(Method::GET, RECENT).bearer_auth(secret);
    request.send().await.expect("an answer").status()
}

async fn cookie(app: &TestApp, cookie: &str) -> StatusCode {
    let request = app.bare(Method::GET, RECENT).header("cookie", cookie);
    request.send().await.expect("an answer").status()
}

async fn sign_in(app: &TestApp, email: &str) -> String {
    let answer = json_of(app.login(email, PASSWORD).await).await;
    answer["token"].as_str().expect("a token").to_owned()
}

/// The cookie of a browser that signs in.
async fn browser(app: &TestApp, email: &str) -> String {
    let answer = app.try_sign_in(email, PASSWORD).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    cookie_of(&answer)
}

/// The same length and prefix, and another letter in the middle.
fn forged(secret: &str) -> String {
    let other = if &secret[20..21] == "x" { "y" } else { "x" };
    format!("{}{other}{}", &secret[..20], &secret[21..])
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_credentials_cost_no_reads() {
    let project = fresh_project();
    for name in ["omar", "lina", "sami"] {
        let document = admin(&format!("{name}@shop.example"));
        phone(&project)
            .put(&format!("admins/{name}-1"), &document)
            .await;
    }
    let app = start(&project, &[]).await;
    let session = sign_in(&app, "omar@shop.example").await;
    assert_eq!(bearer(&app, &session).await, StatusCode::OK);
    let unused = sign_in(&app, "lina@shop.example").await;
    let browser_cookie = browser(&app, "sami@shop.example").await;
    let before = settled_reads(&app).await;
    for number in 0..20 {
        for made_up in [
            format!("obt_{number}"),
            "obt_repeated".to_owned(),
            format!("word-{number}"),
            "obs_guess".to_owned(),
            forged(&session),
        ] {
            assert_eq!(bearer(&app, &made_up).await, StatusCode::UNAUTHORIZED);
            let made_up = format!("desk={made_up}");
            assert_eq!(cookie(&app, &made_up).await, StatusCode::UNAUTHORIZED);
        }
        // The signature of another session; a secret of this server, unsigned; another signature.
        let (signature, secret) = browser_cookie.split_at(browser_cookie.len() - 69);
        assert!(secret.starts_with("obs_"), "{secret}");
        for wrongly_signed in [
            format!("{signature}{session}"),
            format!("desk={secret}"),
            format!("desk={}{secret}", "A".repeat(44)),
            forged(&browser_cookie),
        ] {
            let refused = cookie(&app, &wrongly_signed).await;
            assert_eq!(refused, StatusCode::UNAUTHORIZED, "{wrongly_signed}");
        }
    }
    for email in [
        "omar@shop.example",
        "LINA@shop.example",
        "stranger@shop.example",
    ] {
        for _ in 0..3 {
            refusal(app.login(email, "wrong").await, 401).await;
        }
    }
    assert_eq!(settled_reads(&app).await, before);
    assert_eq!(bearer(&app, "omar-1").await, StatusCode::OK);
    assert_eq!(bearer(&app, &session).await, StatusCode::OK);
    assert_eq!(bearer(&app, &unused).await, StatusCode::OK);
    for _ in 0..10 {
        assert_eq!(cookie(&app, &browser_cookie).await, StatusCode::OK);
    }
    let stream = app
        .bare(Method::GET, "/api/stream-orders")
        .header("cookie", &browser_cookie);
    let (_, stream) = Stream::connected(stream).await;
    assert_eq!(
        settled_reads(&app).await,
        before,
        "known ones cost none either"
    );
    drop(stream);
    app.stop().await;
}

/// Without a watch: the same number of reads, whether there is such an admin or not.
#[tokio::test(flavor = "multi_thread")]
async fn refused_sign_ins_cost_the_same_reads_without_a_watch() {
    let project = fresh_project();
    for name in ["omar", "lina", "sami"] {
        let document = admin(&format!("{name}@shop.example"));
        phone(&project)
            .put(&format!("admins/{name}-1"), &document)
            .await;
    }
    let store = FirestoreStore::start(
        FirestoreSettings::new(&project, Access::Emulator(emulator())),
        Clock::system(),
    );
    let streams = orderbell::auth::OpenStreams::new(orderbell::auth::StreamLimits {
        connections: 1,
        per_admin: 1,
        per_address: 1,
    });
    let folder = tempfile::tempdir().expect("a folder");
    let environment = crate::app::environment(&folder.path().join("unused.db"));
    let settings = orderbell::settings::Settings::load(None, &environment).expect("settings");
    let store = std::sync::Arc::new(store);
    let auth = orderbell::auth::Auth::new(
        std::sync::Arc::clone(&store) as _,
        &settings.auth,
        streams,
        Clock::system(),
    );
    let mut costs = Vec::new();
    for email in [
        "warm-up@x",
        "omar@shop.example",
        "OMAR@shop.example",
        "stranger@x",
    ] {
        let before = store.usage().reads;
        let address = [127, 0, 0, 1].into();
        let refused = auth
            .sign_in(
                email,
                "wrong".into(),
                address,
                "test",
                SessionKind::Api,
                &[],
            )
            .await;
        assert!(refused.is_err());
        costs.push(store.usage().reads - before);
    }
    // The first one has read the session key as well.
    assert_eq!(costs[1..], [3, 3, 3], "{costs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_good_and_ended_on_all_instances() {
    let project = fresh_project();
    phone(&project)
        .put("admins/omar-1", &admin("omar@shop.example"))
        .await;
    let (one, other) = (start(&project, &[]).await, start(&project, &[]).await);
    for _ in 0..5 {
        let session = browser(&one, "omar@shop.example").await;
        // At once, before either watch has delivered it.
        assert_eq!(cookie(&other, &session).await, StatusCode::OK);
        assert_eq!(cookie(&one, &session).await, StatusCode::OK);
        let sign_out = one
            .bare(Method::POST, "/logout")
            .header("cookie", &session)
            .header("origin", &one.base);
        let answer = sign_out.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(
            cookie(&one, &session).await,
            StatusCode::UNAUTHORIZED,
            "at once"
        );
        eventually("the end on the other instance", || async {
            cookie(&other, &session).await == StatusCode::UNAUTHORIZED
        })
        .await;
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_counts_at_once() {
    let project = fresh_project();
    phone(&project)
        .put("admins/omar-1", &admin("omar@shop.example"))
        .await;
    let app = start(&project, &[]).await;
    let session = sign_in(&app, "omar@shop.example").await;
    let change = app
        .bare(Method::POST, "/api/admin/password")
        .bearer_auth(&session)
        .json(&json!({"current": PASSWORD, "new": "another horse"}));
    let changed = change.send().await.expect("an answer");
    assert_eq!(changed.status(), StatusCode::OK);
    refusal(app.login("omar@shop.example", PASSWORD).await, 401).await;
    let login = app.login("omar@shop.example", "another horse").await;
    assert_eq!(login.status(), StatusCode::OK);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_admin_comes_and_ends_with_the_watch() {
    let project = fresh_project();
    let outside = phone(&project);
    outside
        .put("admins/omar-1", &admin("omar@shop.example"))
        .await;
    let app = start(&project, &[("ORDERBELL_AUTH__ACCEPT_ADMIN_IDS", "false")]).await;
    // As `orderbell token create --admin` does, in a process of its own.
    let command = FirestoreStore::start(
        FirestoreSettings::new(&project, Access::Emulator(emulator())),
        Clock::system(),
    );
    let add = async |admin: Option<&str>| {
        let (token, digest, secret) = new_token("till", admin.map(str::to_owned), &Clock::system());
        let id = token.id.clone();
        command.add_token(token, digest).await.expect("added");
        (id, secret.expose_secret().to_owned())
    };
    let (own_id, own) = add(None).await;
    let (_, omars) = add(Some("omar-1")).await;
    eventually("both tokens", || async {
        bearer(&app, &own).await == StatusCode::OK && bearer(&app, &omars).await == StatusCode::OK
    })
    .await;
    assert_eq!(bearer(&app, "omar-1").await, StatusCode::UNAUTHORIZED);
    let before = lookups(&app).await;
    assert_eq!(bearer(&app, &omars).await, StatusCode::OK);
    assert!((lookups(&app).await - before).abs() < 0.5);
    command.revoke_token(&own_id).await.expect("revoked");
    outside.delete("admins/omar-1").await;
    eventually("the end of both", || async {
        bearer(&app, &own).await == StatusCode::UNAUTHORIZED
            && bearer(&app, &omars).await == StatusCode::UNAUTHORIZED
    })
    .await;
    app.stop().await;
}
