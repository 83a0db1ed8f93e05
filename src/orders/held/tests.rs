use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn order(fields: Map<String, Value>) -> Order {
    Order {
        id: OrderId::sequential(7),
        fields,
        created_micros: 1_771_842_400_000_000,
        updated_micros: 1_771_842_500_000_000,
    }
}

/// Fields that cards and searches read, with values of every type.
fn fields() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(vec![
        "id",
        "orderId",
        "status",
        "timestamp",
        "customerName",
        "phone",
        "email",
        "totalAmount",
        "items",
        "notes",
        "deliveryAddress",
        "deliveryLocation",
        "statusSetBy",
        "readyAt",
        "staffNote",
        "itemsDone",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        let key = prop::sample::select(vec!["name", "price", "quantity", "street", "latitude"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|pairs| {
                let pairs = pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value));
                Value::Object(pairs.collect())
            }),
        ]
    });
    prop::collection::vec((name, value), 0..8).prop_map(|pairs| {
        let pairs = pairs.into_iter();
        pairs
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

proptest! {
    #[test]
    fn texts_made_on_first_use_are_those_of_the_order(fields in fields(), drops_first: bool) {
        let order = order(fields);
        let held = HeldOrder::from(&order);
        if drops_first {
            held.drop_document();
        }
        prop_assert_eq!(held.card(), &json_line(&Card::from(&order))[..]);
        prop_assert_eq!(held.searched_text(), &*search_text::text_of(&order));
    }
}

#[test]
fn the_reserved_memory_holds_the_texts_and_only_a_dropped_document_changes_the_size() {
    let item = |n: usize| json!({"productName": format!("Product {n}"), "productPrice": "$2.50", "quantity": 2.5});
    let items = |count: usize| json!({"items": (0..count).map(item).collect::<Vec<_>>()});
    let one = json!({
        "orderId": "ORD7", "status": "PENDING", "timestamp": 1_771_842_399_000_u64, "customerName": "Zoë Γιώργος",
        "customerPhone": "+213 555 01", "totalAmount": 18.75, "notes": "ring twice",
        "deliveryLocation": {"latitude": 36.7538, "longitude": 3.0588}, "items": [item(1), item(2)],
    });
    let long = json!({"customerName": "x".repeat(100_000), "notes": "y".repeat(100_000)});
    let nothing = json!({"items": vec![1; 500]});
    for fields in [
        json!({}),
        one,
        items(10),
        items(60),
        items(2_000),
        long,
        nothing,
    ] {
        let Value::Object(fields) = fields else {
            panic!("fields are an object")
        };
        let held = HeldOrder::from(&order(fields));
        let size = held.size();
        let texts = held.card().len() + held.searched_text().len();
        assert!(
            texts <= held.reserved as usize,
            "{held:?}: {texts} of {}",
            held.reserved
        );
        assert_eq!(held.size(), size);
        let freed = held.drop_document();
        assert_eq!(held.size() + freed, size);
        assert_eq!(held.drop_document(), 0);
    }
}
