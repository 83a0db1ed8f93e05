//! Events survive a parser of server-sent events.

use super::*;
use crate::orders::json_line;

proptest! {
    #[test]
    fn any_text_survives_encoding_and_parsing(id in "[^/]{1,40}", name: String, status: String, micros in 1..u64::MAX / 2) {
        prop_assume!(OrderId::parse(&id).is_ok());
        let mut fields = Map::new();
        fields.insert("customerName".to_owned(), json!(name));
        fields.insert("status".to_owned(), json!(status));
        let order = Order {
            id: OrderId::parse(&id).expect("assumed"),
            fields,
            created_micros: micros,
            updated_micros: micros,
        };
        let events = parse(&frame::event("new_order", &order.position(), &json_line(&order.summary())));
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(events[0].id.as_ref().and_then(|id| id.parse().ok()), Some(order.position()));
        prop_assert_eq!(&events[0].data["id"], &json!(id));
        prop_assert_eq!(&events[0].data["status"], &json!(status));
        let expected = if name.trim().is_empty() { String::new() } else { name };
        prop_assert_eq!(&events[0].data["customerName"], &json!(expected));
        let removed = parse(&frame::event("order_removed", &order.position(), &frame::removed(&order.id)));
        prop_assert_eq!(&removed[0].data["orderId"], &json!(id));
    }
}
