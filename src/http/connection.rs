use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::admission::{Cut, Place};
use super::exchange::{Deadlines, Exchange, Framing, Stage};
use super::stream::DetachedSocket;
use super::transport::Transport;

type DetachHandler = Box<dyn FnOnce(DetachedSocket)>;

/// A client's connection as actix reads and writes it.
///
/// It hands over one request at a time, and ends when the client is too slow. For every answer that is being sent, actix keeps
/// two buffers, timers and a copy of what it writes. An idle stream needs none of that: actix writes its head, then the socket
/// is detached, and actix frees what it held for the connection, which looks closed to it from then on.
pub struct Connection {
    open: Option<Open>,
    shared: Rc<RefCell<Shared>>,
}

/// What a connection holds until its socket is detached.
struct Open {
    transport: Transport,
    place: Place,
    deadlines: Deadlines,
    /// Bytes that were read and can't be handed over yet; empty most of the time.
    waiting: BytesMut,
    /// Whether a read was held back although the socket may be readable.
    is_read_held: bool,
    /// When the socket stopped accepting bytes.
    blocked_since: Option<Instant>,
    /// Runs to the next deadline, at most for the time of one request, so that it covers deadlines set later.
    timer: Option<Pin<Box<Sleep>>>,
}

/// State shared between the connection and the handlers and middleware of its requests.
struct Shared {
    exchange: Exchange,
    detach: Option<DetachHandler>,
}

/// Handle of a connection for handlers and middleware, found in the connection's data.
#[derive(Clone)]
pub struct ConnectionHandle {
    shared: Rc<RefCell<Shared>>,
    place: Place,
    is_tls: bool,
}

impl ConnectionHandle {
    /// Whether the client's requests come over TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Calls `handler` with the socket once actix has written everything.
    ///
    /// Must be called from the answer's body: the head is in actix's buffer then.
    pub(super) fn detach(&self, handler: DetachHandler) {
        self.shared.borrow_mut().detach = Some(handler);
    }

    /// Records that the client has presented a valid credential: its address may use the reserve.
    pub fn mark_known(&self) {
        self.place.mark_known();
    }
}

impl Connection {
    /// A new connection.
    pub(super) fn new(transport: Transport, place: Place, deadlines: Deadlines) -> Self {
        let exchange = Exchange::new(Instant::now());
        Self {
            open: Some(Open {
                transport,
                place,
                deadlines,
                waiting: BytesMut::new(),
                is_read_held: false,
                blocked_since: None,
                timer: None,
            }),
            shared: Rc::new(RefCell::new(Shared {
                exchange,
                detach: None,
            })),
        }
    }

    /// The handle for handlers and middleware; `None` once the socket is detached.
    pub fn handle(&self) -> Option<ConnectionHandle> {
        let open = self.open.as_ref()?;
        Some(ConnectionHandle {
            shared: Rc::clone(&self.shared),
            place: open.place.clone(),
            is_tls: open.transport.is_tls(),
        })
    }

    /// Address and port of the client.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.open.as_ref()?.transport.peer_addr().ok()
    }
}

/// Middleware that tells the connection when a request is being answered and when the answer ends. Must be the outermost.
pub(super) async fn track_exchange<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> actix_web::Result<ServiceResponse<TrackedBody<B>>> {
    let shared = request
        .conn_data::<ConnectionHandle>()
        .map(|handle| Rc::clone(&handle.shared));
    if let Some(shared) = &shared {
        let framing = framing(&request);
        shared.borrow_mut().exchange.begin(framing, Instant::now());
    }
    // Dropped with an error's answer as well, which goes out whole.
    let end = AnswerEnd { shared };
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| TrackedBody { body, end }))
}

pin_project_lite::pin_project! {
    /// The body of an answer. actix drops it at its end; until then the answer is unfinished, however long it pauses.
    pub struct TrackedBody<B> {
        #[pin]
        body: B,
        end: AnswerEnd,
    }
}

/// Tells the connection that the answer has ended, when dropped.
struct AnswerEnd {
    shared: Option<Rc<RefCell<Shared>>>,
}

impl Drop for AnswerEnd {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.borrow_mut().exchange.answered();
        }
    }
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.project().body.poll_next(cx)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, end } = self;
        body.try_into_bytes().map_err(|body| Self { body, end })
    }
}

/// actix has checked the headers: at most one length, and none beside a chunked body.
fn framing(request: &ServiceRequest) -> Framing {
    if request.chunked().unwrap_or(false) {
        return Framing::CHUNKED;
    }
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    length.map_or(Framing::NONE, Framing::Length)
}

impl Open {
    /// `Ready` with an error when a deadline has passed or the connection was evicted.
    fn poll_deadline(&mut self, exchange: &Exchange, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.place.poll_evicted(exchange.is_waiting(), cx) {
            self.place.count_cut(Cut::Evicted);
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        loop {
            let now = Instant::now();
            let reading = exchange
                .deadline(&self.deadlines)
                .map(|(at, stage)| (at, Cut::from(stage)));
            let writing = self
                .blocked_since
                .map(|since| (since + self.deadlines.write, Cut::NotRead));
            let next = [reading, writing]
                .into_iter()
                .flatten()
                .min_by_key(|(at, _)| *at);
            if let Some((_, cut)) = next.filter(|(at, _)| *at <= now) {
                self.place.count_cut(cut);
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            let latest = now + self.deadlines.request;
            let wake_at = next.map_or(latest, |(at, _)| at.min(latest));
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(wake_at)));
            if timer.deadline() > wake_at {
                timer.as_mut().reset(wake_at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            timer.as_mut().reset(wake_at);
        }
    }

    fn poll_read(
        &mut self,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_deadline(exchange, cx) {
            return Poll::Ready(Err(error));
        }
        // What an answer has to say comes before what is asked next.
        if self.blocked_since.is_some() || !exchange.may_read() {
            self.is_read_held = true;
            return Poll::Pending;
        }
        self.is_read_held = false;
        while buffer.has_remaining_mut() {
            if !self.waiting.is_empty() {
                let length = self.waiting.len().min(buffer.remaining());
                let part = exchange.take(&self.waiting[..length], Instant::now());
                self.waiting.advance(part.skip);
                buffer.put_slice(&self.waiting.split_to(part.take));
                if self.waiting.is_empty() {
                    self.waiting = BytesMut::new();
                }
                if part.take > 0 {
                    break;
                }
                continue;
            }
            let before = buffer.filled().len();
            ready!(self.transport.poll_read(cx, buffer))?;
            let read = &buffer.filled()[before..];
            if read.is_empty() {
                break;
            }
            let part = exchange.take(read, Instant::now());
            if part.skip == 0 && part.take == read.len() {
                break;
            }
            self.waiting.extend_from_slice(&read[part.skip..]);
            buffer.set_filled(before);
            buffer.put_slice(&self.waiting.split_to(part.take));
            if part.take > 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        exchange: &Exchange,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.transport.poll_write(cx, bytes) {
            Poll::Ready(result) => {
                self.blocked_since = None;
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.blocked_since.get_or_insert_with(Instant::now);
                self.poll_deadline(exchange, cx).map(Err)
            }
        }
    }

    /// Everything was written: wakes the task if a read was held back.
    fn flushed(&mut self, exchange: &mut Exchange, cx: &mut Context<'_>) {
        exchange.flushed(Instant::now());
        if !self.is_read_held || !exchange.may_read() {
            return;
        }
        if !self.waiting.is_empty() || self.transport.poll_read_ready(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

impl From<Stage> for Cut {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Idle => Self::Idle,
            Stage::Head => Self::SlowHead,
            Stage::Body => Self::SlowBody,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.open {
            Some(open) => open.poll_read(&mut this.shared.borrow_mut().exchange, cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match &mut this.open {
            Some(open) => open.poll_write(&this.shared.borrow().exchange, cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// actix flushes when its buffer is empty: the socket can be detached then.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let handler = this.shared.borrow_mut().detach.take();
        if let Some(handler) = handler {
            if let Some(open) = this.open.take() {
                let (transport, place) = (open.transport, open.place);
                handler(DetachedSocket { transport, place });
                // actix looks again and finds the connection closed.
                cx.waker().wake_by_ref();
            }
        } else if let Some(open) = &mut this.open {
            open.flushed(&mut this.shared.borrow_mut().exchange, cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.open {
            Some(open) => open.transport.poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_on_until_its_body_is_dropped() {
        let now = Instant::now();
        let mut exchange = Exchange::new(now);
        exchange.take(b"GET / HTTP/1.1\r\n\r\n", now);
        exchange.begin(Framing::NONE, now);
        let shared = Rc::new(RefCell::new(Shared {
            exchange,
            detach: None,
        }));
        let body = TrackedBody {
            body: "in pieces",
            end: AnswerEnd {
                shared: Some(Rc::clone(&shared)),
            },
        };
        let is_waiting = || {
            let exchange = &mut shared.borrow_mut().exchange;
            exchange.flushed(now);
            exchange.is_waiting()
        };
        assert!(!is_waiting(), "a piece was written, and others follow");
        drop(body);
        assert!(is_waiting());
    }
}
