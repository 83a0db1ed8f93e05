//! A stream on a socket of its own.

use std::cell::{RefCell, RefMut};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::Version;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;

use super::admission::Place;
use super::chunked::Unsent;
use super::connection::ConnectionHandle;
use super::transport::Transport;

/// What a stream's connection writes.
pub trait StreamSource {
    /// The next bytes of the body; `None` at its end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// Whether the stream has to end, also when the client reads nothing.
    fn is_revoked(&mut self) -> bool;
}

/// A socket that was detached from actix.
pub struct DetachedSocket {
    pub(super) transport: Transport,
    pub(super) place: Place,
}

/// Writes the bytes of a source to a socket of its own, for as long as the connection lives.
///
/// Chunks go from the source to the socket without a buffer in between, and nothing is kept for a client that has
/// everything. The task ([`run`](Self::run)) drives timers, slow clients and the end. When a source has something for all of
/// its streams, it calls [`notify`](Self::notify) on each, which writes without waking its task.
pub struct StreamConnection<S> {
    state: RefCell<State<S>>,
}

/// The task of a stream. A type of its own keeps each task at 128 bytes: the future of an `async fn` would double that.
pub struct Running<S>(Rc<StreamConnection<S>>);

impl<S: StreamSource + 'static> Future for Running<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

struct State<S> {
    transport: Transport,
    /// Counts as an open connection until it is dropped.
    _place: Place,
    source: S,
    /// Of the task, once it was polled.
    waker: Option<Waker>,
    /// False for HTTP/1.0 clients, which get the bytes as they are.
    is_chunked: bool,
    is_last: bool,
    is_over: bool,
    /// What the socket did not accept at once.
    unsent: Option<Box<Unsent>>,
}

impl<S: StreamSource + 'static> StreamConnection<S> {
    /// The connection of a client that has been sent the head of its answer.
    pub fn new(detached: DetachedSocket, source: S, version: Version) -> Rc<Self> {
        let DetachedSocket { transport, place } = detached;
        place.keep();
        Rc::new(Self {
            state: RefCell::new(State {
                transport,
                _place: place,
                source,
                waker: None,
                is_chunked: is_chunked(version),
                is_last: false,
                is_over: false,
                unsent: None,
            }),
        })
    }

    /// The source. Must not be held across a call of [`notify`](Self::notify).
    pub fn source(&self) -> RefMut<'_, S> {
        RefMut::map(self.state.borrow_mut(), |state| &mut state.source)
    }

    /// Writes what the source has, as much as the socket accepts without blocking. The rest is left to the task.
    pub fn notify(&self) {
        let state = &mut *self.state.borrow_mut();
        // Before its first poll the task has nothing registered; it will look for itself.
        let Some(waker) = state.waker.take() else {
            return;
        };
        if !state.is_over && state.unsent.is_none() {
            state.is_over = state
                .poll_deliver(&mut Context::from_waker(&waker))
                .is_ready();
        }
        if state.is_over || state.source.is_revoked() {
            waker.wake_by_ref();
        }
        state.waker = Some(waker);
    }

    /// Ends with the stream: when the source has ended, or the client has closed its side.
    pub fn run(self: Rc<Self>) -> Running<S> {
        Running(self)
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        if state.is_over || state.poll_deliver(cx).is_ready() {
            return Poll::Ready(());
        }
        if !matches!(&state.waker, Some(waker) if waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        // The source of a client that doesn't read is not polled, so it can't end the stream by itself.
        if state.unsent.is_some() && state.source.is_revoked() {
            return Poll::Ready(());
        }
        state.transport.poll_closed(cx)
    }
}

impl<S: StreamSource> State<S> {
    /// Writes what there is to write; `Ready` when the stream is over.
    fn poll_deliver(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(unsent) = self.unsent.take() {
            ready!(self.poll_write(*unsent, cx))?;
        }
        while !self.is_last {
            let unsent = match ready!(self.source.poll_chunk(cx)) {
                Some(chunk) => Unsent::new(chunk, self.is_chunked),
                None => {
                    self.is_last = true;
                    Unsent::last(self.is_chunked)
                }
            };
            ready!(self.poll_write(unsent, cx))?;
        }
        self.transport.poll_shutdown(cx)
    }

    /// Writes a chunk; what the socket doesn't accept is kept until it does.
    fn poll_write(&mut self, mut unsent: Unsent, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.transport.has_written(&unsent) {
            match self.transport.write_chunk(&mut unsent) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.transport.poll_write_ready(cx)?.is_pending() {
                        self.unsent = Some(Box::new(unsent));
                        return Poll::Pending;
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Ends `response` with a body whose socket goes to `begin` as soon as the answer's head was written.
///
/// Fails where the request's connection can't be detached: it was not served by [`Connection`](super::Connection).
pub fn detached(
    request: &HttpRequest,
    mut response: HttpResponseBuilder,
    begin: impl FnOnce(DetachedSocket) + 'static,
) -> anyhow::Result<HttpResponse> {
    let connection = request
        .conn_data::<ConnectionHandle>()
        .ok_or_else(|| anyhow::anyhow!("this connection's socket can't be detached"))?;
    // The connection ends with the stream, which clients that keep connections have to know.
    let mut response = response.force_close().body(DetachBody {
        connection: connection.clone(),
        begin: Some(Box::new(begin)),
    });
    // actix promises chunks also to clients that don't know them.
    response
        .head_mut()
        .no_chunking(!is_chunked(request.version()));
    Ok(response)
}

fn is_chunked(version: Version) -> bool {
    version >= Version::HTTP_11
}

/// A stream's body as actix sees it: it detaches the socket once the head is in actix's buffer, and never ends.
struct DetachBody {
    connection: ConnectionHandle,
    begin: Option<Box<dyn FnOnce(DetachedSocket)>>,
}

impl MessageBody for DetachBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if let Some(begin) = self.begin.take() {
            self.connection.detach(begin);
        }
        // actix drops the body together with the connection, which looks closed to it.
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
