//! Harnesses for input from outside: each takes any bytes and panics if a guarantee is broken.
//!
//! Called by the fuzz targets in `fuzz/` and by the property tests below. Inputs found by fuzzing are kept in `fuzz/seeds/`,
//! which the tests run too.

mod id_token;
#[cfg(test)]
mod tests;

use std::str::from_utf8;

use serde_json::Value;

pub use id_token::id_token;

use crate::auth::werkzeug;
use crate::orders::{Card, DraftError, DraftLimits, Order, OrderDraft, OrderId, Position};

/// A function that checks any bytes.
pub type Harness = fn(&[u8]);

/// All harnesses by the names of their targets.
pub const HARNESSES: [(&str, Harness); 7] = [
    ("cursor", cursor),
    ("order_draft", order_draft),
    ("firestore_document", firestore_document),
    ("stream_query", stream_query),
    ("werkzeug_hash", werkzeug_hash),
    ("id_token", id_token),
    ("forwarding", forwarding),
];

/// A cursor, as a client sends it back.
pub fn cursor(bytes: &[u8]) {
    let Some(position) = from_utf8(bytes).ok().and_then(|text| text.parse().ok()) else {
        return;
    };
    let position: Position = position;
    let text = position.to_string();
    // A cursor is used unescaped in headers, addresses and events.
    assert!(
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte))
    );
    assert_eq!(text.parse().as_ref(), Ok(&position));
    assert!(position >= Position::beginning());
}

/// The body of a submit.
pub fn order_draft(bytes: &[u8]) {
    const NOW: u64 = 1_771_842_312_000;
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let limits = DraftLimits { max_items: 50 };
    let draft = match OrderDraft::parse(body, limits) {
        Ok(draft) => draft,
        Err(DraftError(details)) => {
            assert!((1..=20).contains(&details.len()));
            assert!(details.iter().all(|detail| !detail.field.is_empty()));
            assert!(
                details
                    .iter()
                    .all(|detail| detail.field.chars().count() <= 201)
            );
            return;
        }
    };
    let id = OrderId::sequential(7);
    let fields = draft.into_fields(&id, NOW);
    assert_eq!(fields.get("status"), Some(&"PENDING".into()));
    assert_eq!(fields.get("orderId"), Some(&"ORD7".into()));
    assert_eq!(fields.get("timestamp"), Some(&NOW.into()));
    for name in [
        "id",
        "acknowledged",
        "acknowledgedBy",
        "statusHistory",
        "historyCheckedAt",
        "updatedBy",
        "staffNote",
        "driverName",
    ] {
        assert!(!fields.contains_key(name), "{name}");
    }
    let items = fields["items"].as_array().expect("an array").len();
    assert!((1..=limits.max_items).contains(&items));
    let order = Order {
        id,
        fields,
        created_micros: NOW * 1_000,
        updated_micros: NOW * 1_000,
    };
    assert_eq!(order.placed_millis(), NOW);
    assert!(
        order
            .total_amount()
            .is_some_and(|total| (0.0..=1e12).contains(&total))
    );
    assert_eq!(order.summary().item_count, items);
    serde_json::to_string(&Card::from(&order)).expect("JSON");
    let whole = serde_json::to_string(&order.whole()).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Value>(&whole).ok(),
        Some(order.whole())
    );
}

/// A document of the orders' collection, as Firestore sends it.
pub fn firestore_document(bytes: &[u8]) {
    crate::firestore::fuzzing::document(bytes);
}

/// The query of a stream, and on the next line its `Last-Event-ID`.
pub fn stream_query(bytes: &[u8]) {
    crate::routes::stream_query(bytes);
}

/// `X-Forwarded-For`, and on the next line `Forwarded`.
pub fn forwarding(bytes: &[u8]) {
    crate::routes::forwarding(bytes);
}

/// A password hash of another program, and on the next line a password.
pub fn werkzeug_hash(bytes: &[u8]) {
    // Cheaper parameters take a few milliseconds. Larger ones are either refused or too slow to try many.
    const CHEAP: u64 = 20_000;
    let Ok(text) = from_utf8(bytes) else { return };
    let (hash, password) = text.split_once('\n').unwrap_or((text, ""));
    let method = hash.split('$').next().unwrap_or_default();
    let cost = method
        .split(':')
        .filter_map(|part| part.parse::<u32>().ok())
        .fold(1_u64, |cost, part| cost.saturating_mul(part.into()));
    // Beyond every limit: must be refused at once.
    let is_absurd = cost > 1 << 40;
    if cost > CHEAP && !is_absurd {
        return;
    }
    let is_right = werkzeug::verify(hash, password);
    assert!(!(is_absurd && is_right == Some(true)));
    if is_right == Some(true) {
        assert_eq!(werkzeug::verify(hash, &format!("{password}x")), Some(false));
    }
}
