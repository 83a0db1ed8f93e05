use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::json_line;
use super::status::is_finished;
use super::{Card, Order, OrderId, Position, search};

/// What holding an order costs beside its texts, in bytes.
const OVERHEAD: usize = 600;

/// An order as it is held in memory: what sorting and filtering need, and its texts, encoded once.
///
/// A document as parsed JSON may take fifty times the memory of its text, so it is not kept.
pub struct HeldOrder {
    /// The document's id.
    pub id: OrderId,
    /// Commit time of the document's creation, in microseconds since the epoch.
    pub created_micros: u64,
    /// Commit time of the document's last change, in microseconds since the epoch.
    pub updated_micros: u64,
    /// See [`Order::placed_micros`].
    pub placed_micros: u64,
    /// The amount, where it can be read.
    pub total: Option<f64>,
    status: Box<str>,
    /// The order's [`Summary`](super::Summary) as JSON.
    summary: Bytes,
    /// The order's [`Card`] as JSON, but for its position.
    card: Bytes,
    /// See [`Search`](super::Search).
    searched: Box<str>,
    /// The whole document as JSON; `None` once it had to make room.
    document: Mutex<Option<Bytes>>,
}

impl From<&Order> for HeldOrder {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.clone(),
            created_micros: order.created_micros,
            updated_micros: order.updated_micros,
            placed_micros: order.placed_micros(),
            total: order.total_amount(),
            status: order.status().into(),
            summary: json_line(&order.summary()),
            card: json_line(&Card::from(order)),
            searched: search::text_of(order),
            document: Mutex::new(Some(order.whole_json())),
        }
    }
}

impl HeldOrder {
    /// Where the order's last change stands.
    pub fn position(&self) -> Position {
        Position::new(self.updated_micros, &self.id)
    }

    /// See [`Order::status`].
    pub fn status(&self) -> &str {
        &self.status
    }

    /// Whether nothing is left to be done: see [`is_finished`].
    pub fn is_finished(&self) -> bool {
        is_finished(&self.status)
    }

    /// The order's [`Summary`](super::Summary) as JSON.
    pub fn summary(&self) -> &Bytes {
        &self.summary
    }

    /// What a search for text looks at.
    pub(super) fn searched_text(&self) -> &str {
        &self.searched
    }

    /// Appends the order's [`Card`] as JSON, with the position that readers know the order's last change by.
    pub fn write_card(&self, position: &Position, to: &mut BytesMut) {
        // A cursor has no character that JSON would escape.
        to.put_slice(format!("{{\"position\":\"{position}\",").as_bytes());
        to.put_slice(&self.card[1..]);
    }

    /// Bytes that [`write_card`](Self::write_card) appends, about.
    pub fn card_size(&self) -> usize {
        self.card.len() + 64
    }

    /// The whole document as JSON, with the document's id as `id`; `None` where it had to make room.
    pub fn document(&self) -> Option<Bytes> {
        self.lock().clone()
    }

    /// Lets go of the document, and answers how many bytes that frees.
    pub fn drop_document(&self) -> usize {
        self.lock().take().map_or(0, |document| document.len())
    }

    /// Memory that the order takes, in bytes.
    pub fn size(&self) -> usize {
        let document = self.lock().as_ref().map_or(0, Bytes::len);
        OVERHEAD + 2 * self.summary.len() + self.card.len() + self.searched.len() + document
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Bytes>> {
        self.document.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for HeldOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldOrder")
            .field("id", &self.id)
            .field("updated_micros", &self.updated_micros)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
