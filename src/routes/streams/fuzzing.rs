use std::str::from_utf8;

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use actix_web::web;

use super::{BATCH_MILLIS, Query, Start, batch, recent, start};

/// Input: the query of a stream, then a line end and the header `Last-Event-ID`.
pub(crate) fn stream_query(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (query, header) = (parts.next().unwrap_or_default(), parts.next());
    let Ok(query) = from_utf8(query) else { return };
    let Ok(query) = web::Query::<Query>::from_query(query) else {
        return;
    };
    let mut request = TestRequest::default();
    let header = header.and_then(|value| HeaderValue::from_bytes(value).ok());
    if let Some(value) = &header {
        request = request.insert_header(("last-event-id", value.clone()));
    }
    match start(&request.to_http_request(), &query) {
        Start::After(position) => {
            let header = header.filter(|header| !header.is_empty());
            let text = match &header {
                Some(header) => header.to_str().ok(),
                None => query.since.as_deref(),
            };
            assert_eq!(text.and_then(|text| text.parse().ok()), Some(position));
        }
        Start::Now => {
            assert!(header.is_none_or(|header| header.is_empty()));
            assert!(query.since.as_deref().unwrap_or_default().is_empty());
        }
        Start::Unreadable => {}
    }
    if let Some(Ok(time)) = query.batch.as_deref().map(batch) {
        assert!(BATCH_MILLIS.contains(&u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
    }
    let text = query.status.as_deref();
    if let Ok(filter) = recent::filter(text) {
        let text = text.unwrap_or_default();
        let wanted: Vec<_> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        assert_eq!(filter.is_none(), wanted.is_empty());
        let again = recent::filter(Some(&wanted.join(",")));
        assert_eq!(again.ok(), Some(filter));
    }
}
