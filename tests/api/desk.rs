use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::app::{TestApp, small_order};
use crate::sse::Stream;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_falls_between_the_page_and_its_stream() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    app.submit().await;
    let page = app
        .bare(Method::GET, "/")
        .header("cookie", &cookie)
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let state = desk_state(&page);
    assert_eq!(state["orders"][0]["id"], "ORD1");
    app.submit().await;
    let since = state["cursor"].as_str().expect("a cursor");
    let request = app
        .bare(Method::GET, &format!("/api/stream-orders?since={since}"))
        .header("cookie", &cookie);
    let (start, mut stream) = Stream::connected(request).await;
    assert_eq!(start.as_deref(), Some(since));
    assert_eq!(
        stream.orders(1).await,
        [("new_order".to_owned(), "ORD2".to_owned())]
    );
    app.stop().await;
}

/// The desk's state, which the page hands to its scripts.
fn desk_state(page: &str) -> Value {
    let mark = "id=\"page-data\">";
    let start = page.find(mark).expect("the data") + mark.len();
    let end = start + page[start..].find("</script>").expect("its end");
    let text = &page[start..end];
    let mut data: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    data["state"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_an_order_stays_text() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    let mut body = small_order();
    let hostile = "</script><img src=x onerror=alert(1)>\u{202e}\"'\u{2028}{{ 7*7 }}";
    for field in ["customerName", "notes", "deliveryAddress"] {
        body["order"][field] = hostile.into();
    }
    body["order"]["items"][0]["name"] = hostile.into();
    assert_eq!(app.post_order(&body).await.status(), StatusCode::OK);
    let page = app
        .bare(Method::GET, "/")
        .header("cookie", &cookie)
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    assert!(!page.contains("<img src=x"), "{page}");
    assert!(page.contains("{{ 7*7 }}") && !page.contains("49<"));
    assert_eq!(desk_state(&page)["orders"][0]["notes"], hostile);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_loads_is_there() {
    let app = TestApp::start().await;
    let page = app
        .bare(Method::GET, "/login")
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let page = page.replace("&#x2F;", "/");
    let mut count = 0;
    for part in page.split('"').filter(|part| part.starts_with("/static/")) {
        let answer = app.bare(Method::GET, part).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{part}");
        count += 1;
    }
    assert!(count >= 2, "{page}");
    for bad in [
        "/static/x/nothing.js",
        "/static/x/../../Cargo.toml",
        "/nothing",
    ] {
        let answer = app.bare(Method::GET, bad).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{bad}");
        assert!(
            answer.headers()["content-type"]
                .to_str()
                .is_ok_and(|kind| kind.starts_with("text/html"))
        );
    }
    app.stop().await;
}
