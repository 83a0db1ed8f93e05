use super::*;
use serde_json::json;

fn card(fields: Value) -> Card {
    let Value::Object(fields) = fields else {
        panic!("fields are an object")
    };
    Card::from(&Order {
        id: OrderId::sequential(1),
        fields,
        created_micros: 5_000_000,
        updated_micros: 6_000_000,
    })
}

#[test]
fn both_shapes_of_items_are_read() {
    let card = card(json!({"items": [
        {"productName": "Tomato", "productPrice": "$2.50", "quantity": 1.5},
        {"productId": "p-1", "name": "Apple", "price": 10.0, "quantity": 5},
        "bread", null]}));
    let read: Vec<_> = card
        .items
        .iter()
        .map(|item| (item.name.as_str(), item.quantity, item.price.as_str()))
        .collect();
    assert_eq!(
        read,
        [
            ("Tomato", Some(1.5), "$2.50"),
            ("Apple", Some(5.0), "10.0"),
            ("bread", None, ""),
            ("", None, "")
        ]
    );
    assert_eq!(card.item_count, 4);
}

#[test]
fn a_place_is_a_map_or_text_or_absent() {
    let map = card(json!({"deliveryLocation": {"latitude": 36.75, "longitude": 3.05}}));
    assert_eq!(
        map.location,
        Some(Location {
            latitude: 36.75,
            longitude: 3.05
        })
    );
    assert_eq!(
        card(json!({"deliveryLocation": "Rue Didouche 4"})).address,
        "Rue Didouche 4"
    );
    assert_eq!(
        card(json!({"deliveryLocation": {"latitude": 361.0, "longitude": 3.0}})).location,
        None
    );
    assert_eq!(card(json!({})).address, "");
}

#[test]
fn an_entry_without_a_quantity_is_one_and_numeric_text_is_read() {
    let card = card(json!({"items": [
        {"name": "a"}, {"name": "b", "quantity": null}, {"name": "c", "quantity": "2.5"},
        {"productId": 17, "quantity": "some"}]}));
    let read: Vec<_> = card
        .items
        .iter()
        .map(|item| (item.name.as_str(), item.quantity))
        .collect();
    assert_eq!(
        read,
        [
            ("a", Some(1.0)),
            ("b", Some(1.0)),
            ("c", Some(2.5)),
            ("17", None)
        ]
    );
}

#[test]
fn an_address_in_parts_is_one_line_with_the_street_first() {
    let address = |value| card(json!({"deliveryAddress": value, "address": "else"})).address;
    assert_eq!(
        address(
            json!({"city": "Alger", "floor": 3, "latitude": 36.7, "note": " ", "street": "12 rue X", "tags": []})
        ),
        "12 rue X, Alger, 3"
    );
    assert_eq!(address(json!({"latitude": 36.7, "longitude": 3.0})), "else");
    let long = address(json!({"a": "x".repeat(100_000), "b": "y"}));
    assert!(long.len() <= ADDRESS + '…'.len_utf8() && long.ends_with('…'));
}

#[test]
fn a_card_is_bounded_whatever_the_document_holds() {
    let long = "ä\u{1}/\"".repeat(20_000);
    let item = json!({"name": long, "price": long, "quantity": 1});
    let mut fields = json!({"items": vec![item; 500], "status": long, "orderId": long, "deliveryLocation": long});
    for name in [
        "notes",
        "customerName",
        "phone",
        "email",
        "acknowledgedBy",
        "submitSource",
        "cancelReason",
        "cancelNote",
        "staffNote",
        "driverName",
    ] {
        fields[name] = json!(long);
    }
    // The name of the status's author is shortened too.
    fields["status"] = json!("CANCELLED");
    fields["statusHistory"] = json!([{"status": "CANCELLED", "at": 6_000, "by": long}]);
    fields["itemsDone"] = (0..500).map(|index| json!(499 - index)).collect();
    let card = card(fields);
    assert!(card.notes.len() <= NOTES + '…'.len_utf8() && card.notes.ends_with('…'));
    assert!(!card.items.is_empty() && card.items.len() + card.more_items == 500);
    assert!(
        card.changed_by
            .as_ref()
            .is_some_and(|name| name.len() <= SHORT + '…'.len_utf8())
    );
    assert!(card.staff.staff_note.is_some() && card.staff.cancel_note.is_some());
    assert_eq!(
        card.staff.items_done,
        (0..card.items.len()).collect::<Vec<_>>()
    );
    let text = serde_json::to_string(&card).expect("JSON");
    assert!(text.len() < 2 * CARD_TEXT + 2_000, "{}", text.len());
    assert!(!text.contains("u0001"));
}

#[test]
fn an_ordinary_order_is_shown_whole() {
    let item = json!({"productName": "Tomatoes, the small red ones", "productPrice": "$2.50", "quantity": 1.5});
    let card =
        card(json!({"items": vec![item; 40], "notes": "x".repeat(1_000), "customerName": "Amina"}));
    assert_eq!((card.items.len(), card.more_items), (40, 0));
    assert_eq!(card.notes.len(), 1_000);
}

#[test]
fn what_admins_have_written_is_shown_where_it_can_be_read() {
    let mut fields = json!({"items": [{"name": "a"}, {"name": "b"}], "status": "CANCELLED", "readyAt": 1_771_842_312_000_u64,
        "cancelReason": "TOO_BUSY", "cancelNote": "until 8", "staffNote": "ring twice", "driverId": "d1", "driverName": "Sami",
        "itemsDone": [1, 0, 1, 9, "x"]});
    let written = |fields: &Value| {
        let Value::Object(card) = serde_json::to_value(card(fields.clone())).expect("JSON") else {
            panic!("a card is an object")
        };
        let names = [
            "readyAt",
            "cancelReason",
            "cancelNote",
            "staffNote",
            "driverName",
            "itemsDone",
        ];
        names.map(|name| card.get(name).cloned().unwrap_or_default())
    };
    assert_eq!(
        json!(written(&fields)),
        json!([
            1_771_842_312_000_u64,
            "TOO_BUSY",
            "until 8",
            "ring twice",
            "Sami",
            [0, 1]
        ])
    );
    // Another program has reopened it, and left the reason.
    fields["status"] = json!("CONFIRMED");
    assert_eq!(written(&fields)[1..3], [Value::Null, Value::Null]);
    let odd = json!({"readyAt": "soon", "cancelReason": {}, "staffNote": [], "driverName": null, "itemsDone": 5});
    assert_eq!(written(&odd), [const { Value::Null }; 6]);
    assert_eq!(written(&json!({"readyAt": u64::MAX}))[0], Value::Null);
}
