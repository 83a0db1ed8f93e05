use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, json_of, refusal};

const RECENT: &str = "/api/admin/orders/recent";

fn ids(recent: &Value) -> Vec<&str> {
    recent["orders"]
        .as_array()
        .expect("orders")
        .iter()
        .map(|order| order["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_come_first_and_ten_where_nothing_is_said() {
    let app = TestApp::start_with(&[("ORDERBELL_STORE__WINDOW", "15")]).await;
    for _ in 0..12 {
        app.submit().await;
    }
    assert_eq!(ids(&app.get(RECENT).await).len(), 10);
    assert_eq!(
        ids(&app.get(&format!("{RECENT}?limit=3")).await),
        ["ORD12", "ORD11", "ORD10"]
    );
    assert_eq!(ids(&app.get(&format!("{RECENT}?limit=15")).await).len(), 12);
    for bad in [
        "limit=0",
        "limit=16",
        "limit=-1",
        "limit=ten",
        "limit=",
        "limit=1.5",
        "since=x",
        "since=",
        "view=all",
    ] {
        let answer = app
            .request(Method::GET, &format!("{RECENT}?{bad}"))
            .send()
            .await
            .expect("an answer");
        let error = refusal(answer, 400).await;
        assert_eq!(
            error["details"][0]["field"].as_str(),
            bad.split('=').next(),
            "{bad}"
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn since_answers_with_what_has_changed_oldest_change_first() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        app.submit().await;
    }
    let cursor = app.get(RECENT).await["cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    let changed = app.get(&format!("{RECENT}?since={cursor}")).await;
    assert_eq!(changed, json!({"orders": [], "cursor": cursor}));
    app.put("ORD3", &json!({"status": "CONFIRMED"})).await;
    app.put("ORD1", &json!({"status": "CANCELLED"})).await;
    app.delete("ORD2").await;
    app.submit().await;
    let changed = app.get(&format!("{RECENT}?since={cursor}")).await;
    assert_eq!(ids(&changed), ["ORD3", "ORD1", "ORD2", "ORD4"]);
    assert_eq!(changed["orders"][2], json!({"id": "ORD2", "removed": true}));
    assert_eq!(changed["orders"][0]["status"], "CONFIRMED");

    let short = app.get(&format!("{RECENT}?limit=3&since={cursor}")).await;
    assert_eq!(ids(&short), ["ORD3", "ORD1", "ORD2"]);
    let rest = app
        .get(&format!(
            "{RECENT}?since={}",
            short["cursor"].as_str().expect("a cursor")
        ))
        .await;
    assert_eq!(ids(&rest), ["ORD4"]);
    assert_eq!(rest["cursor"], changed["cursor"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_since_older_than_the_window_answers_with_all_of_it() {
    let app = TestApp::start_with(&[("ORDERBELL_STORE__WINDOW", "2")]).await;
    app.submit_finished().await;
    let cursor = app.get(RECENT).await["cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    app.submit_finished().await;
    app.submit_finished().await;
    assert_eq!(
        app.get(&format!("{RECENT}?since={cursor}"))
            .await
            .get("reset"),
        None
    );
    app.submit_finished().await;
    let all = app.get(&format!("{RECENT}?since={cursor}")).await;
    assert_eq!(
        (ids(&all), &all["reset"]),
        (vec!["ORD3", "ORD4"], &json!(true))
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_answer_has_no_body() {
    let app = TestApp::start().await;
    app.submit().await;
    let first = app
        .request(Method::GET, RECENT)
        .send()
        .await
        .expect("an answer");
    let tag = first.headers()["etag"].to_str().expect("text").to_owned();
    assert_eq!(
        tag,
        format!(
            "\"{}\"",
            json_of(first).await["cursor"].as_str().expect("a cursor")
        )
    );
    let ask = |tag: &str| {
        app.request(Method::GET, RECENT)
            .header("if-none-match", tag)
            .send()
    };
    let again = ask(&tag).await.expect("an answer");
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()["etag"].to_str().expect("text"), tag);
    assert_eq!(again.text().await.expect("text"), "");
    assert_eq!(
        ask(&format!("\"x\", W/{tag}"))
            .await
            .expect("an answer")
            .status(),
        StatusCode::NOT_MODIFIED
    );
    app.submit().await;
    assert_eq!(ask(&tag).await.expect("an answer").status(), StatusCode::OK);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_in_the_next_poll_after_its_submit() {
    let app = TestApp::start().await;
    for number in 1..=100 {
        let id = app.submit().await;
        assert_eq!(id, format!("ORD{number}"));
        assert_eq!(
            ids(&app.get(&format!("{RECENT}?limit=1")).await),
            [id.as_str()]
        );
    }
    app.stop().await;
}
