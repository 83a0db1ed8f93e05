use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::json_line;
use super::status::is_finished;
use super::{Card, Order, OrderId, Position, search};

/// Memory overhead of a held order beside its texts, in bytes.
const OVERHEAD: usize = 600;

/// An order in memory: the values for sorting and filtering, and its texts, encoded once.
///
/// The document is kept as text, since parsed JSON may take fifty times as much memory.
pub struct HeldOrder {
    /// The document's id.
    pub id: OrderId,
    /// Commit time of the document's creation, in microseconds since the epoch.
    pub created_micros: u64,
    /// Commit time of the document's last change, in microseconds since the epoch.
    pub updated_micros: u64,
    /// See [`Order::placed_micros`].
    pub placed_micros: u64,
    /// The amount, if it can be read.
    pub total: Option<f64>,
    status: Box<str>,
    /// The order's [`Summary`](super::Summary) as JSON.
    summary: Bytes,
    /// The order's [`Card`] as JSON, without its position.
    card: Bytes,
    /// See [`Search`](super::Search).
    searched: Box<str>,
    /// The whole document as JSON; `None` after it was dropped.
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
    /// Position of the order's last change.
    pub fn position(&self) -> Position {
        Position::new(self.updated_micros, &self.id)
    }

    /// See [`Order::status`].
    pub fn status(&self) -> &str {
        &self.status
    }

    /// Whether the order is finished: see [`is_finished`].
    pub fn is_finished(&self) -> bool {
        is_finished(&self.status)
    }

    /// The order's [`Summary`](super::Summary) as JSON.
    pub fn summary(&self) -> &Bytes {
        &self.summary
    }

    /// The text that a search looks at.
    pub(super) fn searched_text(&self) -> &str {
        &self.searched
    }

    /// Appends the order's [`Card`] as JSON, with the position of its last change.
    pub fn write_card(&self, position: &Position, to: &mut BytesMut) {
        // A cursor has no character that JSON would escape.
        to.put_slice(format!("{{\"position\":\"{position}\",").as_bytes());
        to.put_slice(&self.card[1..]);
    }

    /// Approximate number of bytes that [`write_card`](Self::write_card) appends.
    pub fn card_size(&self) -> usize {
        self.card.len() + 64
    }

    /// The whole document as JSON, with the document's id as `id`; `None` after it was dropped.
    pub fn document(&self) -> Option<Bytes> {
        self.lock().clone()
    }

    /// Drops the document, and returns how many bytes that frees.
    pub fn drop_document(&self) -> usize {
        self.lock().take().map_or(0, |document| document.len())
    }

    /// Memory used by the order, in bytes.
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
