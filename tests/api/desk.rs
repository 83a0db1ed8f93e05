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

/// The start of a page, and its header `vary`.
async fn page(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> (String, String) {
    let mut request = app.bare(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    let vary = answer.headers().get_all("vary").iter();
    let vary: Vec<_> = vary.filter_map(|value| value.to_str().ok()).collect();
    let vary = vary.join(", ");
    let text = answer.text().await.expect("text");
    let start = text.split_once("<head>").expect("a head").0;
    (start.trim().to_owned(), vary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_the_language_of_device_shop_browser_or_english() {
    const AR: &str = "<!doctype html>\n<html lang=\"ar\" dir=\"rtl\">";
    const ES: &str = "<!doctype html>\n<html lang=\"es\" dir=\"ltr\">";
    const FR: &str = "<!doctype html>\n<html lang=\"fr\" dir=\"ltr\">";
    const EN: &str = "<!doctype html>\n<html lang=\"en\" dir=\"ltr\">";
    let browser = ("accept-language", "fr-DZ,fr;q=0.9,en;q=0.5");
    for (setting, with_browser, without) in [("auto", FR, EN), ("es", ES, ES)] {
        let app = TestApp::start_with(&[("ORDERBELL_SHOP__LANGUAGE", setting)]).await;
        let session = app.sign_in().await;
        let chosen = format!("{session}; lang=ar");
        let unknown = format!("{session}; other=1; lang=tlh");
        for (path, session) in [("/", true), ("/login", false), ("/nothing", false)] {
            let cookie = |text: &str| {
                if session {
                    text.to_owned()
                } else {
                    text.split_once("; ")
                        .map_or("", |(_, rest)| rest)
                        .to_owned()
                }
            };
            let (start, vary) = page(&app, path, &[browser, ("cookie", &cookie(&chosen))]).await;
            assert_eq!(start, AR, "{path}");
            assert!(vary.contains("accept-language, cookie"), "{path}: {vary}");
            let (start, _) = page(&app, path, &[browser, ("cookie", &cookie(&unknown))]).await;
            assert_eq!(start, with_browser, "{path}");
            let only_session = if session {
                cookie(&unknown)
            } else {
                String::new()
            };
            let (start, _) = page(&app, path, &[("cookie", &only_session)]).await;
            assert_eq!(start, without, "{path}");
        }
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_page_keeps_a_choice_of_language_and_no_other_text() {
    let app = TestApp::start().await;
    for (query, wanted) in [
        ("ar", Some("lang=ar")),
        ("tlh", None),
        ("ar%3B%20x", None),
        ("", None),
    ] {
        let path = format!("/login?lang={query}&next=%2F%3Fview%3Dhistory");
        let answer = app
            .bare(Method::GET, &path)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let cookie = answer
            .headers()
            .get("set-cookie")
            .map(|value| value.to_str().expect("text"));
        assert_eq!(
            cookie.map(|text| text.split(';').next().expect("a value")),
            wanted
        );
    }
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
