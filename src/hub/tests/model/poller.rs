use std::collections::BTreeMap;

use super::super::*;

pub(super) struct Poller {
    pub(super) cursor: Position,
    pub(super) known: BTreeMap<String, String>,
}

impl Poller {
    pub(super) fn poll(&mut self, hub: &Hub, limit: usize) {
        let recent = hub.since(&self.cursor, limit, None);
        if recent.reset {
            self.known.clear();
        }
        assert!(recent.cursor >= self.cursor);
        self.cursor = recent.cursor;
        for item in recent.items {
            match item.order() {
                Some(order) => self
                    .known
                    .insert(item.id().to_string(), order.status().to_owned()),
                None => self.known.remove(item.id().as_str()),
            };
        }
    }
}
