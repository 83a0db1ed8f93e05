//! The service on a free port with a store of its own, and a verb for each thing that clients do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orderbell::app::App;
use orderbell::clock::Clock;
use orderbell::settings::Settings;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::certificate::{AUTHORITY, Files};
use crate::sse::Stream;

pub(crate) const EMAIL: &str = "ana@shop.example";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const TOKEN: &str = "a token for tests only, of 38 letters";
const STORE: &str = "orders.db";

/// What clients speak with the service. [`over_http_and_https!`] runs tests with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Makes tests of functions that take a [`Scheme`]: each runs over plain HTTP, and over HTTPS.
macro_rules! over_http_and_https {
    ($($name:ident),* $(,)?) => {
        mod over_http {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::app::Scheme::Http).await;
            })*
        }

        mod over_https {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::app::Scheme::Https).await;
            })*
        }
    };
}
pub(crate) use over_http_and_https;

pub(crate) struct TestApp {
    pub base: String,
    pub client: reqwest::Client,
    shutdown: CancellationToken,
    running: Option<JoinHandle<anyhow::Result<()>>>,
    folder: Option<tempfile::TempDir>,
}

/// The settings of all tests, as a service reads them from its environment.
pub(crate) fn environment(path: &Path) -> BTreeMap<String, String> {
    [
        ("ORDERBELL_SERVER__PORT", "0"),
        ("ORDERBELL_SERVER__WORKERS", "2"),
        (
            "ORDERBELL_EMBEDDED__PATH",
            path.to_str().expect("a path of UTF-8"),
        ),
        ("ORDERBELL_AUTH__ADMIN_EMAIL", EMAIL),
        ("ORDERBELL_AUTH__ADMIN_PASSWORD", PASSWORD),
        ("ORDERBELL_AUTH__ADMIN_TOKEN", TOKEN),
        ("ORDERBELL_LOG__LEVEL", "warn"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// A client without a pool of kept connections, and without a cookie of its own.
pub(crate) fn client() -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(AUTHORITY.root.as_bytes()).expect("a certificate");
    reqwest::Client::builder()
        .tls_certs_only([root])
        .redirect(reqwest::redirect::Policy::none())
        // A library below has the client understand gzip; here, what was sent is looked at as it is.
        .no_gzip()
        .timeout(std::time::Duration::from_secs(60))
        .build()
        .expect("a client")
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with settings over those of all tests.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_over(Scheme::Http, settings).await
    }

    /// The same over plain HTTP or HTTPS.
    pub(crate) async fn start_over(scheme: Scheme, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut environment = environment(&folder.path().join(STORE));
        if scheme == Scheme::Https {
            let settings = Files::write(folder.path()).settings();
            environment.extend(settings.map(|(name, value)| (name.to_owned(), value)));
        }
        environment.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let settings = Settings::load(None, &environment).expect("good settings");
        let app = App::build(settings, Clock::system())
            .await
            .expect("the app builds");
        let base = app.url();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(app.run(shutdown.clone()));
        Self {
            base,
            client: client(),
            shutdown,
            running: Some(running),
            folder: Some(folder),
        }
    }

    /// The same verbs for a server that runs as a process of its own.
    pub(crate) fn at(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            client: client(),
            shutdown: CancellationToken::new(),
            running: None,
            folder: None,
        }
    }

    /// The file of the embedded store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder
            .as_ref()
            .expect("a folder of its own")
            .path()
            .join(STORE)
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let running = self.running.take().expect("it runs");
        running.await.expect("no panic").expect("a clean end");
    }

    /// A request with the bearer token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(TOKEN)
    }

    /// A request with nothing but its address.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        json_of(
            self.request(Method::GET, path)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    /// Places an order of one item, and answers with its id.
    pub(crate) async fn submit(&self) -> String {
        let answer = self.post_order(&small_order()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        json_of(answer).await["orderId"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// Places an order and finishes it: it leaves the window when newer ones come.
    pub(crate) async fn submit_finished(&self) -> String {
        let id = self.submit().await;
        let answer = self.put(&id, &json!({"status": "DELIVERED"})).await;
        assert_eq!(answer.status(), StatusCode::OK);
        id
    }

    pub(crate) async fn post_order(&self, body: &Value) -> Response {
        self.bare(Method::POST, "/api/order/submit")
            .json(body)
            .send()
            .await
            .expect("an answer")
    }

    pub(crate) async fn put(&self, id: &str, patch: &Value) -> Response {
        self.request(Method::PUT, &format!("/api/admin/orders/{id}"))
            .json(patch)
            .send()
            .await
            .expect("an answer")
    }

    pub(crate) async fn delete(&self, id: &str) -> Response {
        self.request(Method::DELETE, &format!("/api/admin/orders/{id}"))
            .send()
            .await
            .expect("an answer")
    }

    pub(crate) async fn order_count(&self) -> u64 {
        self.get("/api/admin/dashboard-stats").await["totalOrders"]
            .as_u64()
            .expect("a number")
    }

    /// The admin stream from now on; its first block has been read.
    pub(crate) async fn stream(&self) -> Stream {
        self.stream_at("").await.1
    }

    /// The admin stream with this query, and its first block's id.
    pub(crate) async fn stream_at(&self, query: &str) -> (Option<String>, Stream) {
        Stream::connected(self.request(Method::GET, &format!("/api/admin/stream/orders{query}")))
            .await
    }

    /// Signs in as a browser does, and answers with the cookie.
    pub(crate) async fn sign_in(&self) -> String {
        let answer = self.try_sign_in(EMAIL, PASSWORD).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        cookie_of(&answer)
    }

    pub(crate) async fn try_sign_in(&self, email: &str, password: &str) -> Response {
        let form = format!(
            "email={}&password={}&next=",
            encode(email),
            encode(password)
        );
        self.bare(Method::POST, "/login")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &self.base)
            .body(form)
            .send()
            .await
            .expect("an answer")
    }

    /// Signs in as a script does, and answers with what the server says.
    pub(crate) async fn login(&self, email: &str, password: &str) -> Response {
        self.bare(Method::POST, "/api/admin/login")
            .json(&json!({"email": email, "password": password}))
            .send()
            .await
            .expect("an answer")
    }

    /// One figure of `/metrics`.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let answer = self
            .request(Method::GET, "/metrics")
            .send()
            .await
            .expect("an answer");
        let text = answer.text().await.expect("text");
        let line = text.lines().find(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        let value = line
            .unwrap_or_else(|| panic!("{name} is not in\n{text}"))
            .rsplit(' ')
            .next()
            .expect("a value");
        value.parse().expect("a number")
    }
}

pub(crate) fn small_order() -> Value {
    json!({"userId": "u1", "order": {"items": [{"name": "Apple", "price": 2.5, "quantity": 3}], "totalAmount": 7.5}})
}

pub(crate) async fn json_of(response: Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Asserts that the answer is an error in the fixed form, and answers with it.
pub(crate) async fn refusal(response: Response, status: u16) -> Value {
    assert_eq!(response.status().as_u16(), status, "{response:?}");
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = json_of(response).await;
    assert_eq!(body["status"], "error", "{body}");
    assert_eq!(body["statusCode"], status, "{body}");
    assert!(
        body["message"].is_string() && body["code"].is_string() && body["details"].is_array(),
        "{body}"
    );
    body
}

pub(crate) fn cookie_of(response: &Response) -> String {
    session_cookie(response)
        .split(';')
        .next()
        .expect("a name and a value")
        .to_owned()
}

/// The header that sets the session cookie, whole.
pub(crate) fn session_cookie(response: &Response) -> &str {
    let cookies = response.headers().get_all("set-cookie").iter();
    cookies
        .filter_map(|cookie| cookie.to_str().ok())
        .find(|cookie| cookie.starts_with("desk=") || cookie.starts_with("__Host-desk="))
        .expect("a session cookie")
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Waits until `check` holds; fails with `what` after a while.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !check().await {
        assert!(
            std::time::Instant::now() < deadline,
            "it never came: {what}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
