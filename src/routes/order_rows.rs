//! Responses that list orders, written in pieces to bound memory, whatever the number and size of the orders.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web;
use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

use super::state::AppState;
use crate::hub::Item;
use crate::orders::HeldOrder;

/// Minimum size of a piece before it is passed to the connection, in bytes.
const PIECE: usize = 32 << 10;

/// One order of a response.
pub(super) enum Row {
    /// The document as text.
    Document(Bytes),
    /// The document was dropped from memory and has to be read.
    Missing(Arc<HeldOrder>),
    /// The card, encoded when it is written.
    Card(Arc<Item>),
}

impl Row {
    /// The document of an item, or the remains of a removed order.
    pub(super) fn document(item: &Item) -> Self {
        match (item.document(), item.order()) {
            (None, Some(order)) => Self::Missing(Arc::clone(order)),
            (document, _) => Self::Document(document.unwrap_or_default()),
        }
    }

    /// The document of an order from the store's list.
    pub(super) fn of_order(order: HeldOrder) -> Self {
        match order.document() {
            Some(document) => Self::Document(document),
            None => Self::Missing(Arc::new(order)),
        }
    }
}

/// A JSON array of orders, between two texts.
pub(super) struct OrderRows {
    before: Bytes,
    rows: VecDeque<Row>,
    after: Bytes,
    state: web::Data<AppState>,
    reading: Option<Pin<Box<dyn Future<Output = Bytes>>>>,
    is_first: bool,
    is_done: bool,
    /// Held until the response was sent or dropped.
    _permit: Option<OwnedSemaphorePermit>,
}

impl OrderRows {
    pub(super) fn new(
        before: impl Into<Bytes>,
        rows: impl IntoIterator<Item = Row>,
        after: impl Into<Bytes>,
        state: web::Data<AppState>,
    ) -> Self {
        Self {
            before: before.into(),
            rows: rows.into_iter().collect(),
            after: after.into(),
            state,
            reading: None,
            is_first: true,
            is_done: false,
            _permit: None,
        }
    }

    /// Holds a permit for large answers while the response is sent.
    pub(super) fn with_permit(mut self, permit: OwnedSemaphorePermit) -> Self {
        self._permit = Some(permit);
        self
    }

    /// The length, if every row is encoded already.
    fn length(&self) -> Option<u64> {
        let mut length = self.before.len() + self.after.len() + self.rows.len().saturating_sub(1);
        for row in &self.rows {
            match row {
                Row::Document(document) => length += document.len(),
                Row::Missing(_) | Row::Card(_) => return None,
            }
        }
        Some(length as u64)
    }

    /// The next piece. Never empty, since actix takes an empty piece as the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<BytesMut> {
        let mut piece = BytesMut::from(&*std::mem::take(&mut self.before));
        loop {
            if let Some(reading) = &mut self.reading {
                match reading.as_mut().poll(cx) {
                    Poll::Ready(document) => piece.put_slice(&document),
                    Poll::Pending if piece.is_empty() => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(piece),
                }
                self.reading = None;
            }
            if piece.len() >= PIECE {
                return Poll::Ready(piece);
            }
            let Some(row) = self.rows.pop_front() else {
                piece.put_slice(&std::mem::take(&mut self.after));
                self.is_done = true;
                return Poll::Ready(piece);
            };
            if !std::mem::replace(&mut self.is_first, false) {
                piece.put_u8(b',');
            }
            match row {
                Row::Document(document) => piece.put_slice(&document),
                Row::Card(item) => item.write_card(&mut piece),
                Row::Missing(order) => {
                    self.reading = Some(Box::pin(read(self.state.clone(), order)));
                }
            }
        }
    }
}

/// Reads the document from the store. If that fails, returns what is in memory, marked as `partial`.
async fn read(state: web::Data<AppState>, held: Arc<HeldOrder>) -> Bytes {
    match state.store.get(&held.id).await {
        Ok(Some(order)) => order.whole_json(),
        outcome => {
            if let Err(error) = outcome {
                tracing::warn!(%error, "can't read a document that is no longer in memory");
            }
            let summary = held.summary();
            let mut partial = BytesMut::from(&summary[..summary.len() - 1]);
            partial.put_slice(b",\"partial\":true}");
            partial.freeze()
        }
    }
}

impl MessageBody for OrderRows {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.length().map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        self.poll_piece(cx).map(|piece| Some(Ok(piece.freeze())))
    }
}
