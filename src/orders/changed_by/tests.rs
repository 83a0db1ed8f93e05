//! Documents after writes by this server and other programs in turn.

use serde_json::{Map, json};

use super::*;
use crate::orders::{OrderId, OrderPatch};

/// Times of the writes, in milliseconds: hours apart.
const HOUR: u64 = 3_600_000;

fn placed() -> Order {
    let fields = json!({"status": "PENDING"});
    let Value::Object(fields) = fields else {
        panic!("fields are an object")
    };
    Order {
        id: OrderId::sequential(1),
        fields,
        created_micros: HOUR * 1_000,
        updated_micros: HOUR * 1_000,
    }
}

/// The order after a change by this server, committed a little after the time that the change records.
fn by_admin(order: &Order, body: Value, by: &str, millis: u64) -> Order {
    let patch = OrderPatch::parse(body).expect("a good change");
    let fields = order.patched(&patch, by, millis).expect("it fits");
    Order {
        fields: fields.expect("it changes something"),
        updated_micros: (millis + 40) * 1_000,
        ..order.clone()
    }
}

/// The order after another program has written these fields.
fn elsewhere(order: &Order, fields: Value, millis: u64) -> Order {
    let Value::Object(written) = fields else {
        panic!("fields are an object")
    };
    let fields: Map<_, _> = order.fields.clone().into_iter().chain(written).collect();
    Order {
        fields,
        updated_micros: millis * 1_000,
        ..order.clone()
    }
}

#[test]
fn an_order_that_was_only_placed_was_changed_by_nobody() {
    let order = placed();
    assert_eq!(changed_by(&order), ChangedBy::Nobody);
    let seen = by_admin(&order, json!({"acknowledged": true}), "Sara", 2 * HOUR);
    assert_eq!(changed_by(&seen), ChangedBy::Nobody);
    let moved = elsewhere(&order, json!({"driverPosition": 5}), 2 * HOUR);
    assert_eq!(changed_by(&moved), ChangedBy::Nobody);
    // Placed by a phone with this status.
    let mut confirmed = placed();
    confirmed.fields["status"] = json!("CONFIRMED");
    assert_eq!(changed_by(&confirmed), ChangedBy::Nobody);
    confirmed.updated_micros += 1;
    assert_eq!(changed_by(&confirmed), ChangedBy::Elsewhere);
}

#[test]
fn an_admin_is_named_until_another_program_sets_the_status() {
    let order = by_admin(&placed(), json!({"status": "CONFIRMED"}), "Sara", 2 * HOUR);
    assert_eq!(changed_by(&order), ChangedBy::Admin("Sara"));
    let cancelled = elsewhere(&order, json!({"status": "CANCELLED"}), 3 * HOUR);
    assert_eq!(changed_by(&cancelled), ChangedBy::Elsewhere);
    // Also right after the change.
    let cancelled = elsewhere(&order, json!({"status": "CANCELLED"}), 2 * HOUR + 41);
    assert_eq!(changed_by(&cancelled), ChangedBy::Elsewhere);
    let again = by_admin(&cancelled, json!({"status": "CONFIRMED"}), "Omar", 4 * HOUR);
    assert_eq!(changed_by(&again), ChangedBy::Admin("Omar"));
}

#[test]
fn the_same_status_set_again_elsewhere_is_not_the_admins() {
    let order = by_admin(&placed(), json!({"status": "CONFIRMED"}), "Sara", 2 * HOUR);
    let order = elsewhere(&order, json!({"status": "CANCELLED"}), 3 * HOUR);
    let order = elsewhere(&order, json!({"status": "CONFIRMED"}), 4 * HOUR);
    assert_eq!(changed_by(&order), ChangedBy::Elsewhere);
    // Nor does a later write by this server make Sara the author.
    let order = by_admin(&order, json!({"acknowledged": true}), "Sara", 5 * HOUR);
    assert_eq!(changed_by(&order), ChangedBy::Elsewhere);
    let order = by_admin(&order, json!({"staffNote": "x"}), "Sara", 6 * HOUR);
    assert_eq!(changed_by(&order), ChangedBy::Elsewhere);
}

#[test]
fn later_changes_of_other_fields_by_this_server_keep_the_name() {
    let mut order = by_admin(&placed(), json!({"status": "CONFIRMED"}), "Sara", 2 * HOUR);
    let changes = [
        json!({"acknowledged": true}),
        json!({"staffNote": "ring twice"}),
        json!({"driverName": "Sami"}),
        json!({"acknowledged": false}),
    ];
    for (hour, body) in (3..).zip(changes) {
        order = by_admin(&order, body, "Omar", hour * HOUR);
        assert_eq!(changed_by(&order), ChangedBy::Admin("Sara"));
    }
    let other = elsewhere(&order, json!({"status": "CANCELLED"}), 9 * HOUR);
    let other = elsewhere(&other, json!({"status": "CONFIRMED"}), 10 * HOUR);
    assert_eq!(changed_by(&other), ChangedBy::Elsewhere);
    // The mark of an earlier status doesn't count for a later one.
    let ready = by_admin(
        &order,
        json!({"status": "READY_FOR_PICKUP"}),
        "Lina",
        11 * HOUR,
    );
    assert_eq!(ready.fields.get(HISTORY_CHECKED_AT), None);
    assert_eq!(changed_by(&ready), ChangedBy::Admin("Lina"));
}

#[test]
fn after_another_programs_write_it_cannot_be_told_whose_the_status_is() {
    let order = by_admin(&placed(), json!({"status": "ON_WAY"}), "Sara", 2 * HOUR);
    let moved = elsewhere(&order, json!({"driverPosition": 5}), 3 * HOUR);
    assert_eq!(changed_by(&moved), ChangedBy::Elsewhere);
}

#[test]
fn odd_histories_name_nobody() {
    let at = 2 * HOUR;
    for history in [
        json!("x"),
        json!([]),
        json!([5]),
        json!([{"status": "CONFIRMED"}]),
        json!([{"status": "CONFIRMED", "by": "Sara"}]),
        json!([{"status": "CONFIRMED", "at": "noon", "by": "Sara"}]),
        json!([{"status": "CONFIRMED", "at": at, "by": 7}]),
        json!([{"status": "CONFIRMED", "at": at, "by": " "}]),
        json!([{"status": "CONFIRMED", "at": at, "by": "Sara"}, {"status": "PENDING", "at": at, "by": "Omar"}]),
    ] {
        let written = json!({"status": "CONFIRMED", "statusHistory": history});
        let order = elsewhere(&placed(), written, at);
        assert_eq!(changed_by(&order), ChangedBy::Elsewhere, "{history}");
    }
}
