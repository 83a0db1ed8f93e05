use serde_json::{Map, json};

use super::*;
use crate::orders::OrderId;

const READY: u64 = 1_771_842_312_000;

fn order(fields: Value) -> Order {
    let Value::Object(fields) = fields else {
        panic!("fields are an object")
    };
    Order {
        id: OrderId::sequential(7),
        fields,
        created_micros: 1_000,
        updated_micros: 2_000,
    }
}

fn parse(body: Value) -> Result<OrderPatch, FieldError> {
    OrderPatch::parse(body)
}

/// The fields after a change by Ana at 99 ms; `None` where nothing changes.
fn changed(order: &Order, body: Value) -> Option<Value> {
    let patch = parse(body).expect("a good body");
    let fields: Option<Map<_, _>> = order.patched(&patch, "Ana", 99).expect("it fits");
    fields.map(Value::Object)
}

#[test]
fn a_change_touches_its_own_fields_only() {
    let before = order(json!({"status": "PENDING", "x": {"y": [1, null]}}));
    assert_eq!(
        changed(
            &before,
            json!({"status": "CONFIRMED", "acknowledged": true})
        ),
        Some(json!({"status": "CONFIRMED", "x": {"y": [1, null]},
            "statusHistory": [{"status": "CONFIRMED", "at": 99, "by": "Ana"}],
            "acknowledged": true, "acknowledgedAt": 99, "acknowledgedBy": "Ana", "updatedBy": "Ana"}))
    );
    assert_eq!(
        changed(&before, json!({"staffNote": "ring twice"})),
        Some(
            json!({"status": "PENDING", "x": {"y": [1, null]}, "staffNote": "ring twice", "updatedBy": "Ana"})
        )
    );
}

#[test]
fn saying_it_again_changes_nothing() {
    let before = order(
        json!({"status": "CANCELLED", "acknowledged": true, "acknowledgedBy": "Ana", "items": [1, 2],
        "cancelReason": "CLOSED", "staffNote": "x", "itemsDone": [0, 1], "readyAt": READY, "driverId": null}),
    );
    for body in [
        json!({"status": "CANCELLED", "acknowledged": true}),
        json!({"cancelReason": "CLOSED", "staffNote": "x", "itemsDone": [1, 0], "readyAt": READY as f64}),
        json!({"cancelNote": null, "driverId": null, "driverName": ""}),
    ] {
        assert_eq!(changed(&before, body.clone()), None, "{body}");
    }
}

#[test]
fn every_field_is_set_and_removed_by_null() {
    let bare = json!({"status": "CANCELLED", "items": ["a", "b", "c"]});
    for (name, value, kept) in [
        ("readyAt", json!(READY), json!(READY)),
        ("readyAt", json!(READY as f64), json!(READY)),
        ("cancelReason", json!("TOO_FAR"), json!("TOO_FAR")),
        (
            "cancelNote",
            json!("é".repeat(1_000)),
            json!("é".repeat(1_000)),
        ),
        ("staffNote", json!(" a\nb "), json!(" a\nb ")),
        ("driverId", json!("d".repeat(128)), json!("d".repeat(128))),
        ("driverName", json!("é".repeat(200)), json!("é".repeat(200))),
        ("itemsDone", json!([2, 0]), json!([0, 2])),
        ("itemsDone", json!([2.0]), json!([2])),
    ] {
        let mut with = bare.clone();
        with[name] = kept;
        with["updatedBy"] = json!("Ana");
        assert_eq!(
            changed(&order(bare.clone()), json!({ name: value })),
            Some(with.clone())
        );
        let mut without = bare.clone();
        without["updatedBy"] = json!("Ana");
        assert_eq!(changed(&order(with), json!({ name: null })), Some(without));
    }
    for (name, empty) in [
        ("itemsDone", json!([])),
        ("cancelReason", json!("")),
        ("cancelNote", json!("")),
        ("staffNote", json!(" ")),
        ("driverId", json!("")),
        ("driverName", json!(" ")),
    ] {
        let mut with = bare.clone();
        with[name] = json!([1]);
        assert!(
            changed(&order(with), json!({ name: empty }))
                .is_some_and(|fields| fields[name].is_null())
        );
    }
}

#[test]
fn a_bad_field_is_named() {
    let long = |length: usize| json!("é".repeat(length));
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "status"),
        (
            json!({"expectedStatus": "PENDING", "orderId": "ORD7"}),
            "status",
        ),
        (json!({"status": null}), "status"),
        (json!({"status": "LOST"}), "status"),
        (json!({"status": 5}), "status"),
        (json!({"acknowledged": "yes"}), "acknowledged"),
        (
            json!({"status": "PENDING", "expectedStatus": 1}),
            "expectedStatus",
        ),
        (json!({"status": "CONFIRMED", "notes": "x"}), "notes"),
        (
            json!({"status": "CONFIRMED", "updatedBy": null}),
            "updatedBy",
        ),
        (
            json!({"status": "CONFIRMED", "Status": "CONFIRMED"}),
            "Status",
        ),
        (json!({"status": "CONFIRMED", "": 1}), ""),
        (json!({"readyAt": "soon"}), "readyAt"),
        (json!({"readyAt": READY / 1_000}), "readyAt"),
        (json!({"readyAt": READY * 1_000}), "readyAt"),
        (json!({"readyAt": 1_771_842_312_000.5}), "readyAt"),
        (json!({"readyAt": -1}), "readyAt"),
        (json!({"cancelReason": "BORED"}), "cancelReason"),
        (json!({"cancelNote": long(1_001)}), "cancelNote"),
        (json!({"staffNote": long(1_001)}), "staffNote"),
        (json!({"staffNote": 5}), "staffNote"),
        (json!({"driverId": long(129)}), "driverId"),
        (json!({"driverId": 12}), "driverId"),
        (json!({"driverName": long(201)}), "driverName"),
        (json!({"itemsDone": 1}), "itemsDone"),
        (json!({"itemsDone": [-1]}), "itemsDone"),
        (json!({"itemsDone": [0.5]}), "itemsDone"),
        (json!({"itemsDone": ["0"]}), "itemsDone"),
        (json!({"itemsDone": [1, 0, 1]}), "itemsDone"),
    ] {
        let error = parse(body.clone()).expect_err("refused");
        assert_eq!(error.field, field, "{body}");
    }
    let error = parse(json!({"x".repeat(100_000): 1})).expect_err("refused");
    assert_eq!(error.field.len(), 200);
}

#[test]
fn a_body_may_repeat_the_orders_id() {
    let patch = parse(
        json!({"id": "ORD7", "orderId": "ORD7", "status": "ON_WAY", "driverId": "d1", "driverName": "Sami"}),
    );
    let fields = order(json!({})).patched(&patch.expect("a good body"), "Ana", 99);
    let fields = fields.expect("it fits").expect("a change");
    assert_eq!(
        (&fields["driverId"], &fields["driverName"]),
        (&json!("d1"), &json!("Sami"))
    );
    assert!(!fields.contains_key("orderId"));
    // Documents whose id is random hold the order's number, as text or as a number.
    for number in [json!("ORD3"), json!(3)] {
        let random = order(json!({"status": "PENDING", "orderId": number}));
        for id in ["ORD7", "ORD9"] {
            let patch = parse(json!({"id": id, "orderId": number, "status": "ON_WAY"}));
            let fields = random.patched(&patch.expect("a good body"), "Ana", 99);
            assert_eq!(fields.is_ok(), id == "ORD7");
        }
        let patch = parse(json!({"orderId": "ORD4", "status": "ON_WAY"})).expect("a good body");
        let error = random
            .patched(&patch, "Ana", 99)
            .expect_err("another order");
        assert_eq!(error.field, "orderId");
    }
}

#[test]
fn a_reason_of_an_earlier_cancellation_is_not_told_again() {
    // Another program has reopened it, and left the reason.
    let reopened = order(json!({"status": "PENDING", "cancelReason": "CLOSED", "cancelNote": "x"}));
    let again = changed(&reopened, json!({"status": "CANCELLED"})).expect("a change");
    assert!(again.get("cancelReason").is_none() && again.get("cancelNote").is_none());
    let with = changed(
        &reopened,
        json!({"status": "CANCELLED", "cancelReason": "TOO_FAR"}),
    );
    let with = with.expect("a change");
    assert_eq!(
        (&with["cancelReason"], &with["cancelNote"]),
        (&json!("TOO_FAR"), &json!(null))
    );
}

#[test]
fn a_field_that_does_not_fit_the_order_is_named() {
    let open = order(json!({"status": "PENDING", "items": ["a", "b"]}));
    let refused = |order: &Order, body: Value| {
        let patch = parse(body).expect("a good body");
        order.patched(&patch, "Ana", 99).expect_err("refused").field
    };
    assert_eq!(refused(&open, json!({"itemsDone": [0, 2]})), "itemsDone");
    assert_eq!(
        refused(&order(json!({"items": "2"})), json!({"itemsDone": [0]})),
        "itemsDone"
    );
    assert_eq!(
        refused(&open, json!({"cancelReason": "CLOSED"})),
        "cancelReason"
    );
    assert_eq!(refused(&open, json!({"cancelNote": "x"})), "cancelNote");
    assert_eq!(
        refused(
            &open,
            json!({"status": "CONFIRMED", "cancelReason": "CLOSED"})
        ),
        "cancelReason"
    );
    let cancelled = order(json!({"status": "CANCELLED"}));
    assert_eq!(
        refused(
            &cancelled,
            json!({"status": "PENDING", "cancelReason": "CLOSED"})
        ),
        "cancelReason"
    );
    assert!(
        changed(
            &open,
            json!({"status": "CANCELLED", "cancelReason": "CLOSED", "cancelNote": "x"})
        )
        .is_some()
    );
    assert!(changed(&cancelled, json!({"cancelReason": "CLOSED"})).is_some());
}

#[test]
fn an_order_that_is_no_longer_cancelled_has_no_reason() {
    let cancelled = order(
        json!({"status": "CANCELLED", "cancelReason": "CLOSED", "cancelNote": "x", "staffNote": "y"}),
    );
    let open = changed(&cancelled, json!({"status": "PENDING"})).expect("a change");
    assert!(open.get("cancelReason").is_none() && open.get("cancelNote").is_none());
    assert_eq!(open["staffNote"], "y");
}

#[test]
fn the_history_is_bounded() {
    let history: Vec<_> = (0..60)
        .map(|at| json!({"status": "PENDING", "at": at, "by": "Ben"}))
        .collect();
    let long = order(json!({"status": "PENDING", "statusHistory": history}));
    let fields = changed(&long, json!({"status": "CONFIRMED"})).expect("a change");
    let history = fields["statusHistory"].as_array().expect("an array");
    assert_eq!((history.len(), &history[49]["by"]), (50, &json!("Ana")));
}
