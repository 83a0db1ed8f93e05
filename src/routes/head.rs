//! `HEAD` requests: answered like `GET`, without the body.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use bytes::Bytes;

/// Excluded, because streams have no end: a client that only wants the headers would count as a reader.
const STREAMS: [&str; 2] = ["/api/admin/stream/orders", "/api/stream-orders"];

/// Middleware that handles `HEAD` as `GET`, and drops the body unread.
pub async fn answer_head<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> actix_web::Result<ServiceResponse<EitherBody<B, NoBody>>> {
    if *request.method() != Method::HEAD || STREAMS.contains(&request.path()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    // The connection remembers `HEAD`, and writes no body in any case.
    request.head_mut().method = Method::GET;
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| EitherBody::right(NoBody(body.size()))))
}

/// A body of this size that isn't sent.
pub struct NoBody(BodySize);

impl MessageBody for NoBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
