//! Submits and changes for tests.

use orderbell::orders::{DraftLimits, OrderDraft, OrderPatch};
use serde_json::{Value, json};

/// A submit of `user`, with a field that the server doesn't know.
pub(crate) fn draft(user: &str) -> OrderDraft {
    let order = json!({
        "items": [{"productName": "Tomato", "productPrice": "$2.50", "quantity": 1.5}],
        "totalAmount": 7.5,
        "unknown": {"kept": [1, null, {"as": "it is"}]},
    });
    OrderDraft::parse(
        json!({"userId": user, "order": order}),
        DraftLimits { max_items: 10 },
    )
    .expect("a valid order")
}

/// A change to this status, whatever the status is now.
pub(crate) fn to_status(status: &str) -> OrderPatch {
    OrderPatch {
        status: Some(status.parse().expect("a status")),
        ..OrderPatch::default()
    }
}

/// A change as an admin sends it.
pub(crate) fn patch(body: Value) -> OrderPatch {
    OrderPatch::parse(body).expect("a good change")
}
