use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::json_line;
use super::status::is_finished;
use super::{Card, Order, OrderId, Position, card, search_text};

/// Memory overhead of a held order beside its texts, in bytes.
const OVERHEAD: usize = 600;

/// An order in memory: the values for sorting and filtering, and its texts, each encoded once.
///
/// The document is kept as text, since parsed JSON may take fifty times as much memory. The card and the text for searches
/// are made from it on first use: streams send the summary alone, so that in a burst most orders are never asked for them.
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
    card: OnceLock<Box<[u8]>>,
    /// See [`Search`](super::Search).
    searched: OnceLock<Box<str>>,
    /// Memory reserved for `card` and `searched`, in bytes.
    reserved: u32,
    /// The whole document as JSON; `None` after it was dropped, which is not before `card` and `searched` are made.
    document: Mutex<Option<Bytes>>,
}

impl From<&Order> for HeldOrder {
    fn from(order: &Order) -> Self {
        let document = order.whole_json();
        Self {
            id: order.id.clone(),
            created_micros: order.created_micros,
            updated_micros: order.updated_micros,
            placed_micros: order.placed_micros(),
            total: order.total_amount(),
            status: order.status().into(),
            summary: json_line(&order.summary()),
            card: OnceLock::new(),
            searched: OnceLock::new(),
            reserved: reserved(order, document.len()),
            document: Mutex::new(Some(document)),
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
        self.searched
            .get_or_init(|| search_text::text_of(&self.parsed()))
    }

    fn card(&self) -> &[u8] {
        self.card
            .get_or_init(|| Vec::from(json_line(&Card::from(&self.parsed()))).into())
    }

    /// The order, parsed from its document.
    fn parsed(&self) -> Order {
        let document = self.document().unwrap_or_default();
        Order {
            id: self.id.clone(),
            // The text was encoded from such a map.
            fields: serde_json::from_slice(&document).unwrap_or_default(),
            created_micros: self.created_micros,
            updated_micros: self.updated_micros,
        }
    }

    /// Appends the order's [`Card`] as JSON, with the position of its last change.
    pub fn write_card(&self, position: &Position, to: &mut BytesMut) {
        // A cursor has no character that JSON would escape.
        to.put_slice(format!("{{\"position\":\"{position}\",").as_bytes());
        to.put_slice(&self.card()[1..]);
    }

    /// Approximate number of bytes that [`write_card`](Self::write_card) appends.
    pub fn card_size(&self) -> usize {
        self.card().len() + 64
    }

    /// The whole document as JSON, with the document's id as `id`; `None` after it was dropped.
    pub fn document(&self) -> Option<Bytes> {
        self.lock().clone()
    }

    /// Drops the document, and returns how many bytes that frees. Makes the texts first that are made from it.
    pub fn drop_document(&self) -> usize {
        self.card();
        self.searched_text();
        self.lock().take().map_or(0, |document| document.len())
    }

    /// Memory that the order uses or has reserved, in bytes: only [`drop_document`](Self::drop_document) changes it.
    pub fn size(&self) -> usize {
        let document = self.lock().as_ref().map_or(0, Bytes::len);
        OVERHEAD + 2 * self.summary.len() + self.reserved as usize + document
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Bytes>> {
        self.document.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About how many bytes the card and the text for searches take at most.
fn reserved(order: &Order, document: usize) -> u32 {
    // Both repeat texts of the document, without most of its field names.
    let texts = document.min(card::CARD_TEXT + search_text::TEXT);
    let bytes = card::FIELD_NAMES
        + card::ITEM_FIELD_NAMES * order.item_count().min(card::MAX_ITEMS)
        + texts;
    u32::try_from(bytes).unwrap_or(u32::MAX)
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

#[cfg(test)]
mod tests;
