//! The order that all servers tell of, and the time of sending inside it.

use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use orderbell::orders::{HeldOrder, Order, OrderId};
use serde_json::{Map, Value, json};

/// Marks a time of sending in a stream. Nothing else that a server writes contains it.
pub(crate) const STAMP_MARK: u8 = b'~';
/// Digits that follow the mark: microseconds since the epoch.
pub(crate) const STAMP_DIGITS: u8 = 16;

pub(crate) fn now_micros() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// The customer's name carries the time of sending: it is shown in every stream as it was sent.
fn stamp() -> String {
    format!("~{:016}", now_micros())
}

/// What a phone sends.
pub(crate) fn submit_body() -> String {
    json!({"userId": "kQ2b7VwYtLh3", "order": stamped()}).to_string()
}

/// An order as its store tells of it. Cheap: a server's CPU time is measured while it makes them.
pub(crate) fn order(number: u64, committed_micros: u64) -> Arc<HeldOrder> {
    let id = OrderId::sequential(number);
    let mut fields = stamped();
    fields.insert("orderId".to_owned(), json!(id.as_str()));
    fields.insert("status".to_owned(), json!("PENDING"));
    fields.insert("timestamp".to_owned(), json!(committed_micros / 1_000));
    Arc::new(HeldOrder::from(&Order {
        id,
        fields,
        created_micros: committed_micros,
        updated_micros: committed_micros,
    }))
}

/// The data of a `new_order` event.
pub(crate) fn data(number: u64) -> String {
    format!(
        r#"{{"id":"ORD{number}","orderId":"ORD{number}","totalAmount":18.75,"status":"PENDING","timestamp":{},"customerName":"{}","itemCount":2}}"#,
        now_micros() / 1_000,
        stamp()
    )
}

/// A `new_order` event as it goes over the wire, in a chunk of its own.
pub(crate) fn chunk(number: u64) -> String {
    let event = format!(
        "id: {}-ORD{number}\nevent: new_order\ndata: {}\n\n",
        now_micros(),
        data(number)
    );
    format!("{:X}\r\n{event}\r\n", event.len())
}

fn stamped() -> Map<String, Value> {
    static FIELDS: LazyLock<Map<String, Value>> = LazyLock::new(fields);
    let mut fields = FIELDS.clone();
    fields.insert("customerName".to_owned(), Value::String(stamp()));
    fields
}

fn fields() -> Map<String, Value> {
    let fields = json!({
        "customerName": "",
        "totalAmount": 18.75,
        "deliveryLocation": {"latitude": 36.7538, "longitude": 3.0588},
        "items": [
            {"productName": "Tomato", "productPrice": "$2.50", "quantity": 1.5},
            {"productName": "بطاطا", "productPrice": "$1.00", "quantity": 15.0},
        ],
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
