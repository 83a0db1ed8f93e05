use std::sync::{Arc, OnceLock};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::frame::{self, Frame};
use crate::orders::{HeldOrder, OrderId, Position, json_line};

/// Maximum number of status changes that an item remembers.
const PAST_LIMIT: usize = 8;

/// One order in the view, or the tombstone of a removed one. Frames are encoded once, on first use.
pub struct Item {
    id: OrderId,
    position: Position,
    /// Position of the creation: to readers before it, the order is new. `None` where it is not known any more.
    created: Option<Position>,
    /// `None` where the order was removed.
    order: Option<Arc<HeldOrder>>,
    /// Status changes seen by this process, oldest first.
    past: Box<[(Position, Arc<str>)]>,
    as_new: OnceLock<Frame>,
    as_other: OnceLock<Frame>,
}

impl Item {
    /// The order as of `position`; `known` is its previous item.
    pub(super) fn order_at(
        order: Arc<HeldOrder>,
        position: Position,
        created: Position,
        known: Option<&Self>,
    ) -> Arc<Self> {
        let mut past = known.map(|known| known.past.to_vec()).unwrap_or_default();
        if past
            .last()
            .is_none_or(|(_, status)| **status != *order.status())
        {
            past.push((position.clone(), order.status().into()));
        }
        past.drain(..past.len().saturating_sub(PAST_LIMIT));
        let id = order.id.clone();
        Arc::new(Self::new(
            id,
            position,
            Some(created),
            Some(order),
            past.into(),
        ))
    }

    /// The tombstone of an order that was removed at `position`.
    pub(super) fn removed_at(id: OrderId, position: Position, known: Option<&Self>) -> Arc<Self> {
        let created = known.and_then(|known| known.created.clone());
        Arc::new(Self::new(id, position, created, None, Box::default()))
    }

    fn new(
        id: OrderId,
        position: Position,
        created: Option<Position>,
        order: Option<Arc<HeldOrder>>,
        past: Box<[(Position, Arc<str>)]>,
    ) -> Self {
        Self {
            id,
            position,
            created,
            order,
            past,
            as_new: OnceLock::new(),
            as_other: OnceLock::new(),
        }
    }

    /// The document's id.
    pub fn id(&self) -> &OrderId {
        &self.id
    }

    /// Position of the last change.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The order, `None` where it was removed.
    pub fn order(&self) -> Option<&Arc<HeldOrder>> {
        self.order.as_ref()
    }

    /// Position of the creation, if it is known.
    pub(super) fn created(&self) -> Option<&Position> {
        self.created.as_ref()
    }

    /// The order's status at `position`: empty before it was created, `None` where it is not remembered.
    pub(super) fn last_status(&self, position: &Position) -> Option<&str> {
        if self.is_new_to(position) {
            return Some("");
        }
        let then = self.past.iter().rev().find(|(since, _)| since <= position);
        then.map(|(_, status)| &**status)
    }

    /// Whether the order may ever have had a status that `is_wanted`.
    pub(super) fn may_have_been(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        let is_remembered_whole = self
            .past
            .first()
            .is_some_and(|(since, _)| Some(since) == self.created.as_ref());
        !is_remembered_whole || self.past.iter().any(|(_, status)| is_wanted(status))
    }

    fn is_new_to(&self, position: &Position) -> bool {
        self.created
            .as_ref()
            .is_some_and(|created| created > position)
    }

    /// Name of the event for a reader at `position`.
    fn event_for(&self, position: &Position) -> &'static str {
        match &self.order {
            None => "order_removed",
            Some(_) if self.is_new_to(position) => "new_order",
            Some(_) => "order_update",
        }
    }

    /// The frame for a reader at `position`.
    pub(super) fn frame_for(&self, position: &Position) -> &Frame {
        let event = self.event_for(position);
        let slot = if event == "new_order" {
            &self.as_new
        } else {
            &self.as_other
        };
        slot.get_or_init(|| Frame::new(frame::event(event, &self.position, &self.data())))
    }

    /// The same as an entry of a `batch`.
    pub(super) fn entry_for(&self, position: &Position) -> Bytes {
        frame::entry(self.event_for(position), &self.position, &self.data())
    }

    fn data(&self) -> Bytes {
        match &self.order {
            Some(order) => order.summary().clone(),
            None => frame::removed(&self.id),
        }
    }

    /// The whole order as JSON, or `{"id","removed":true}`; `None` if the document was dropped from memory.
    pub fn document(&self) -> Option<Bytes> {
        match self.order() {
            Some(order) => order.document(),
            None => Some(self.removed_json()),
        }
    }

    /// Appends the order's [`Card`](crate::orders::Card) as JSON, or `{"id","removed":true}`.
    pub fn write_card(&self, to: &mut BytesMut) {
        match self.order() {
            Some(order) => order.write_card(&self.position, to),
            None => to.put_slice(&self.removed_json()),
        }
    }

    fn removed_json(&self) -> Bytes {
        json_line(&serde_json::json!({"id": self.id, "removed": true}))
    }
}
