use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, refusal};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_for_everyone_and_is_sent_once() {
    let app = TestApp::start().await;
    let request = || app.bare(Method::GET, "/api/openapi.json");
    let answer = request().send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-cache");
    let tag = answer.headers()["etag"].clone();
    let document: Value = answer.json().await.expect("JSON");
    assert_eq!(document["openapi"], "3.2.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let cookie = &document["components"]["securitySchemes"]["session"];
    assert_eq!(
        (&cookie["in"], &cookie["name"]),
        (&json!("cookie"), &json!("desk"))
    );
    let events = "/paths/~1api~1admin~1stream~1orders/get/responses/200/content/text~1event-stream/itemSchema";
    assert!(document.pointer(events).is_some());
    let again = request()
        .header("if-none-match", tag)
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.bytes().await.expect("a body").is_empty());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_takes_the_methods_that_are_described_and_no_other() {
    let app = TestApp::start().await;
    let document = app.get("/api/openapi.json").await;
    let paths = document["paths"].as_object().expect("an object");
    for (path, item) in paths {
        let described: BTreeSet<_> = METHODS
            .into_iter()
            .filter(|method| !item[method].is_null())
            .map(str::to_uppercase)
            .collect();
        for method in METHODS {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let path = path.replace("{id}", "ORD1");
            let answer = app
                .bare(method.clone(), &path)
                .send()
                .await
                .expect("an answer");
            if described.contains(method.as_str()) {
                let status = answer.status();
                assert!(
                    status != StatusCode::NOT_FOUND && status != StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {path}: {status}"
                );
                let documented = &item[method.as_str().to_lowercase()]["responses"];
                assert!(
                    !documented[status.as_str()].is_null(),
                    "{method} {path}: {status}"
                );
            } else {
                assert_eq!(
                    answer.status(),
                    StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {path}"
                );
                let allowed = answer.headers()["allow"].to_str().expect("text").to_owned();
                let allowed: BTreeSet<_> = allowed.split(", ").map(str::to_owned).collect();
                assert_eq!(allowed, described, "{path}");
                if path.starts_with("/api") {
                    refusal(answer, 405).await;
                }
            }
        }
    }
    app.stop().await;
}
