use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::frame;
use crate::orders::{Card, Order, OrderId, Position};

/// One order in the view, or what is left of a removed one. Its encodings are made once, on first use.
pub struct Item {
    id: OrderId,
    position: Position,
    kind: Kind,
    whole: OnceLock<Bytes>,
    card: OnceLock<Bytes>,
}

enum Kind {
    Order {
        order: Arc<Order>,
        /// Readers at or after this position know the order, to others it is new.
        created: Position,
        as_new: OnceLock<Bytes>,
        as_update: OnceLock<Bytes>,
    },
    Removed {
        frame: OnceLock<Bytes>,
    },
}

impl Item {
    pub(super) fn order_at(order: Arc<Order>, position: Position, created: Position) -> Arc<Self> {
        Arc::new(Self {
            id: order.id.clone(),
            position,
            kind: Kind::Order {
                order,
                created,
                as_new: OnceLock::new(),
                as_update: OnceLock::new(),
            },
            whole: OnceLock::new(),
            card: OnceLock::new(),
        })
    }

    pub(super) fn removed_at(id: OrderId, position: Position) -> Arc<Self> {
        Arc::new(Self {
            id,
            position,
            kind: Kind::Removed {
                frame: OnceLock::new(),
            },
            whole: OnceLock::new(),
            card: OnceLock::new(),
        })
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
    pub fn order(&self) -> Option<&Arc<Order>> {
        match &self.kind {
            Kind::Order { order, .. } => Some(order),
            Kind::Removed { .. } => None,
        }
    }

    /// Where the order was created, `None` where it was removed.
    pub(super) fn created(&self) -> Option<&Position> {
        match &self.kind {
            Kind::Order { created, .. } => Some(created),
            Kind::Removed { .. } => None,
        }
    }

    /// The event for a reader that has seen everything up to `position`.
    pub(super) fn frame_for(&self, position: &Position) -> &Bytes {
        match &self.kind {
            Kind::Order {
                order,
                created,
                as_new,
                ..
            } if created > position => {
                as_new.get_or_init(|| frame::order("new_order", &self.position, order))
            }
            Kind::Order {
                order, as_update, ..
            } => as_update.get_or_init(|| frame::order("order_update", &self.position, order)),
            Kind::Removed { frame } => {
                frame.get_or_init(|| frame::removed(&self.position, &self.id))
            }
        }
    }

    /// The whole order as JSON, or `{"id","removed":true}`.
    pub fn whole_json(&self) -> &Bytes {
        self.whole.get_or_init(|| match self.order() {
            Some(order) => frame::json(&order.whole()),
            None => self.removed_json(),
        })
    }

    /// The order's [`Card`] as JSON, or `{"id","removed":true}`.
    pub fn card_json(&self) -> &Bytes {
        self.card.get_or_init(|| match self.order() {
            Some(order) => frame::json(&Card {
                position: self.position.clone(),
                ..Card::from(&**order)
            }),
            None => self.removed_json(),
        })
    }

    fn removed_json(&self) -> Bytes {
        frame::json(&serde_json::json!({"id": self.id, "removed": true}))
    }
}
