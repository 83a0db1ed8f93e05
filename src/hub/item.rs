use std::sync::{Arc, OnceLock};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::frame::{self, Frame};
use crate::orders::{HeldOrder, OrderId, Position, json_line};

/// How many changes of its status an item remembers.
const PAST_LIMIT: usize = 8;

/// One order in the view, or what is left of a removed one. Its encodings are made once, on first use.
pub struct Item {
    id: OrderId,
    position: Position,
    /// Readers at or after this position know the order, to others it is new. `None` where that isn't known any more.
    created: Option<Position>,
    /// `None` where the order was removed.
    order: Option<Arc<HeldOrder>>,
    /// Since when it had which status, as far as this process has seen it; oldest first.
    past: Box<[(Position, Arc<str>)]>,
    as_new: OnceLock<Frame>,
    as_other: OnceLock<Frame>,
}

impl Item {
    /// The order as it is from `position` on; `known` is what it was before.
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

    /// What is left of an order that was removed at `position`.
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

    /// Where the last change stands.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The order, `None` where it was removed.
    pub fn order(&self) -> Option<&Arc<HeldOrder>> {
        self.order.as_ref()
    }

    /// Where the order was created, as far as that is known.
    pub(super) fn created(&self) -> Option<&Position> {
        self.created.as_ref()
    }

    /// The order's status at `position`; nothing where it didn't exist, `None` where that isn't remembered.
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

    /// The event's name for a reader that has seen everything up to `position`.
    fn event_for(&self, position: &Position) -> &'static str {
        match &self.order {
            None => "order_removed",
            Some(_) if self.is_new_to(position) => "new_order",
            Some(_) => "order_update",
        }
    }

    /// The event for a reader that has seen everything up to `position`.
    pub(super) fn frame_for(&self, position: &Position) -> &Frame {
        let event = self.event_for(position);
        let slot = if event == "new_order" {
            &self.as_new
        } else {
            &self.as_other
        };
        slot.get_or_init(|| Frame::new(frame::event(event, &self.position, &self.data())))
    }

    /// The same as one of several in a `batch`.
    pub(super) fn entry_for(&self, position: &Position) -> Bytes {
        frame::entry(self.event_for(position), &self.position, &self.data())
    }

    fn data(&self) -> Bytes {
        match &self.order {
            Some(order) => order.summary().clone(),
            None => frame::removed(&self.id),
        }
    }

    /// The whole order as JSON, or `{"id","removed":true}`; `None` where the document had to make room in memory.
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
