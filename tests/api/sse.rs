//! A stream's client, by a parser that isn't ours.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio_util::codec::Decoder as _;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Stream {
    response: Response,
    bytes: BytesMut,
    decoder: russe::Decoder,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: Value,
}

impl Event {
    pub(crate) fn order(&self) -> &str {
        self.data["id"].as_str().unwrap_or_default()
    }
}

impl Stream {
    /// Opens a stream and reads its first block; answers with that block's id.
    pub(crate) async fn connected(request: RequestBuilder) -> (Option<String>, Self) {
        let mut stream = Self::open(request).await;
        let first = stream.next().await.expect("a first block");
        assert_eq!(
            (first.name.as_str(), first.data["type"].as_str()),
            ("message", Some("connected"))
        );
        (first.id, stream)
    }

    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(
            response.headers()["cache-control"],
            "no-cache, no-transform"
        );
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self {
            response,
            bytes: BytesMut::new(),
            decoder: russe::Decoder::default(),
        }
    }

    /// The next event that has data; `None` when the stream is over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.next_slowly(PATIENCE).await
    }

    /// The same, for a stream on which nothing may come for so long.
    pub(crate) async fn next_slowly(&mut self, patience: Duration) -> Option<Event> {
        loop {
            while let Some(event) = self
                .decoder
                .decode(&mut self.bytes)
                .expect("the rules of server-sent events")
            {
                if let russe::Event::Message(message) = event {
                    return Some(Event {
                        name: message
                            .event
                            .map_or_else(|| "message".to_owned(), |name| name.to_string()),
                        id: message.id.map(|id| id.to_string()),
                        data: serde_json::from_str(&message.data).expect("JSON"),
                    });
                }
            }
            match tokio::time::timeout(patience, self.response.chunk())
                .await
                .expect("something in time")
            {
                Ok(Some(chunk)) => self.bytes.extend_from_slice(&chunk),
                // A connection that is cut ends the stream as well.
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The next event about an order.
    pub(crate) async fn next_order(&mut self) -> Option<Event> {
        loop {
            let event = self.next().await?;
            if matches!(
                event.name.as_str(),
                "new_order" | "order_update" | "order_removed"
            ) {
                return Some(event);
            }
        }
    }

    /// The next so many events about orders, as (event, order).
    pub(crate) async fn orders(&mut self, count: usize) -> Vec<(String, String)> {
        let mut orders = Vec::new();
        while orders.len() < count {
            let event = self.next_order().await.expect("the stream goes on");
            orders.push((event.name.clone(), event.order().to_owned()));
        }
        orders
    }

    /// Waits for the end of a stream that is to be ended within a minute.
    pub(crate) async fn rest_slowly(mut self) {
        while self.next_slowly(Duration::from_secs(60)).await.is_some() {}
    }

    /// Reads to the end, for a stream that is about to be ended.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}
