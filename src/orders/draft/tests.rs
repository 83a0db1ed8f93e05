use std::fmt::Write as _;

use proptest::prelude::*;

use super::errors::{MAX_ERRORS, MAX_PATH};
use super::path::work;
use super::*;

const LIMITS: DraftLimits = DraftLimits { max_items: 3 };

fn refused(body: Value) -> Vec<String> {
    match OrderDraft::parse(body, LIMITS) {
        Ok(draft) => panic!("accepted: {draft:?}"),
        Err(DraftError(errors)) => errors.into_iter().map(|error| error.field).collect(),
    }
}

fn with(name: &str, value: Value) -> Value {
    let mut body = json!({"userId": "u", "order": {"items": [{"name": "a", "quantity": 1}], "totalAmount": 1}});
    body["order"][name] = value;
    body
}

#[test]
fn the_field_at_fault_is_named() {
    assert_eq!(refused(json!([])), ["body"]);
    assert_eq!(refused(json!({})), ["order", "userId"]);
    assert_eq!(refused(json!({"userId": 7, "order": {}})), ["userId"]);
    assert_eq!(
        refused(json!({"userId": "", "order": "x"})),
        ["order", "userId"]
    );
    assert_eq!(
        refused(with("totalAmount", json!("twelve"))),
        ["order.totalAmount"]
    );
    assert_eq!(
        refused(with("totalAmount", json!(-1))),
        ["order.totalAmount"]
    );
    assert_eq!(refused(with("items", json!([]))), ["order.items"]);
    assert_eq!(refused(with("items", json!({}))), ["order.items"]);
    assert_eq!(
        refused(with("items", json!([{"quantity": 1}, 2]))),
        ["order.items[1]"]
    );
    assert_eq!(
        refused(with("items", json!([{"quantity": 0}]))),
        ["order.items[0].quantity"]
    );
    assert_eq!(
        refused(with("items", json!([{"quantity": 1, "name": {}}]))),
        ["order.items[0].name"]
    );
    assert_eq!(
        refused(with("items", json!(vec![json!({"quantity": 1}); 4]))),
        ["order.items"]
    );
    assert_eq!(
        refused(with("deliveryLocation", json!(5))),
        ["order.deliveryLocation"]
    );
    assert_eq!(
        refused(with("deliveryLocation", json!({"latitude": "n"}))),
        ["order.deliveryLocation.latitude"]
    );
    assert_eq!(refused(with("__x__", json!(5))), ["order.__x__"]);
    let deep = (0..30).fold(json!(1), |inner, _| json!([inner]));
    assert!(refused(with("deep", deep))[0].starts_with("order.deep[0]"));
}

#[test]
fn odd_fields_of_existing_clients_are_kept_as_they_came() {
    let accepted = |body: Value| {
        let draft = OrderDraft::parse(body.clone(), LIMITS);
        let fields = draft.unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(
            Value::Object(fields.fields)["items"],
            body["order"]["items"]
        );
    };
    accepted(with("totalAmount", json!("$12.50")));
    accepted(with("totalAmount", json!("12.50")));
    accepted(with("deliveryAddress", json!({"street": "x", "city": "y"})));
    accepted(with("items", json!([{"productId": 17}])));
    accepted(with("items", json!([{"name": "a", "quantity": "2"}])));
    for total in [json!("-1"), json!("1e999"), json!("Infinity"), json!(null)] {
        assert_eq!(refused(with("totalAmount", total)), ["order.totalAmount"]);
    }
    for quantity in [
        json!("0"),
        json!("-1"),
        json!("two"),
        json!("inf"),
        json!([]),
    ] {
        let items = json!([{"name": "a", "quantity": quantity}]);
        assert_eq!(refused(with("items", items)), ["order.items[0].quantity"]);
    }
    let long = json!("1".repeat(41));
    let errors = refused(with("totalAmount", long));
    assert!(errors.iter().all(|field| field == "order.totalAmount"));
    assert_eq!(
        refused(with("items", json!([{"quantity": 1, "productId": {}}]))),
        ["order.items[0].productId"]
    );
    assert_eq!(
        refused(with("deliveryAddress", json!(["x"]))),
        ["order.deliveryAddress"]
    );
}

#[test]
fn the_customer_of_a_token_stands_for_any_in_the_body() {
    for user in [
        json!(null),
        json!(7),
        json!({"__x__": 1}),
        json!("another"),
        json!(""),
    ] {
        let mut body = with("userId", user.clone());
        body["userId"] = user;
        let draft = OrderDraft::parse_for("u1", body, LIMITS);
        assert_eq!(
            draft.map(|draft| draft.fields["userId"].clone()),
            Ok(json!("u1"))
        );
    }
}

#[test]
fn server_fields_are_the_servers() {
    let mut body = with("acknowledged", json!(true));
    body["order"]["status"] = json!("DELIVERED");
    body["order"]["orderId"] = json!("TEMP-1");
    body["extra"] = json!({"kept": [1, null]});
    body["submitSource"] = json!("0123456789abcdef");
    let fields =
        OrderDraft::parse(body, LIMITS).map(|draft| draft.into_fields(&OrderId::sequential(9), 42));
    assert_eq!(
        fields.map(Value::Object),
        Ok(
            json!({"items": [{"name": "a", "quantity": 1}], "totalAmount": 1, "status": "PENDING",
            "orderId": "ORD9", "userId": "u", "extra": {"kept": [1, null]}, "timestamp": 42})
        )
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("items|order|userId|totalAmount|quantity|.*", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_body_is_taken_or_refused_with_a_named_field(body in any_json()) {
        if let Err(DraftError(errors)) = OrderDraft::parse(body, LIMITS) {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| !error.field.is_empty()));
        }
    }
}

#[test]
fn every_text_has_a_longest_length() {
    let long = |letters: usize| json!("ä".repeat(letters));
    let item = |name: &str, letters| {
        let mut item = json!({"quantity": 1});
        item[name] = long(letters);
        with("items", json!([item]))
    };
    for (name, limit) in [
        ("name", 200),
        ("productName", 200),
        ("productId", 200),
        ("price", 40),
        ("productPrice", 40),
        ("specialInstructions", 2_000),
        ("else", 4_000),
    ] {
        assert!(
            OrderDraft::parse(item(name, limit), LIMITS).is_ok(),
            "{name}"
        );
        assert_eq!(
            refused(item(name, limit + 1)),
            [format!("order.items[0].{name}")]
        );
    }
    for (name, limit) in [
        ("customerName", 200),
        ("customerPhone", 60),
        ("email", 254),
        ("deliveryAddress", 500),
        ("deliveryLocation", 500),
        ("notes", 2_000),
        ("specialInstructions", 2_000),
        ("else", 4_000),
    ] {
        assert!(
            OrderDraft::parse(with(name, long(limit)), LIMITS).is_ok(),
            "{name}"
        );
        assert_eq!(
            refused(with(name, long(limit + 1))),
            [format!("order.{name}")]
        );
    }
    let mut beside = with("nested", json!({"list": ["a", long(4_001)]}));
    beside["phone"] = long(61);
    assert_eq!(refused(beside), ["order.nested.list[1]", "order.phone"]);
}

/// 60 KiB of maps: long names at the outer levels, and as many fields as fit inside.
fn nested_names() -> Value {
    let wide = (0..5_000)
        .map(|n| (format!("{n:x}"), json!(1)))
        .collect::<Map<_, _>>();
    (0..18).fold(
        Value::Object(wide),
        |inner, _| json!({ ("n".repeat(1_000)): inner }),
    )
}

#[test]
fn fields_without_a_problem_cost_no_path() {
    let body = with("nested", nested_names());
    assert!(body.to_string().len() > 50_000);
    work::take();
    assert!(OrderDraft::parse(body, LIMITS).is_ok());
    assert_eq!(work::take(), 0);
}

#[test]
fn the_work_for_paths_is_bounded_however_many_fields_are_wrong() {
    let wide: Map<String, Value> = (0..4_000)
        .map(|n| (format!("__{n:x}__"), json!(1)))
        .collect();
    let deep = (0..15).fold(
        Value::Object(wide),
        |inner, _| json!({ ("n".repeat(1_000)): inner }),
    );
    work::take();
    let errors = refused(with("nested", deep));
    assert_eq!(errors.len(), MAX_ERRORS);
    assert!(
        errors
            .iter()
            .all(|path| path.chars().count() == MAX_PATH + 1)
    );
    // A path has at most two steps per level, and formatting stops where it is cut.
    assert!(work::take() <= MAX_ERRORS * 2 * shape::MAX_DEPTH);
}

/// The earlier check, which built a path for every field: the answers must not change.
fn check_with_built_paths(value: &Value, path: &str, depth: usize, found: &mut Vec<String>) {
    if matches!(value, Value::Object(_) | Value::Array(_)) && depth > shape::MAX_DEPTH {
        return found.push(path.to_owned());
    }
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let mut field = path.to_owned();
                let _ = write!(field, ".{name}");
                if name.is_empty() {
                    found.push(path.to_owned());
                } else if name.len() > shape::MAX_FIELD_NAME
                    || name.len() >= 4 && name.starts_with("__") && name.ends_with("__")
                {
                    found.push(field.clone());
                }
                check_with_built_paths(inner, &field, depth + 1, found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                check_with_built_paths(inner, &format!("{path}[{index}]"), depth + 1, found);
            }
        }
        _ => {}
    }
}

fn any_shape() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        4 => "[a-zé]{1,3}",
        1 => Just(String::new()),
        1 => "__[a-z]{0,2}__",
        1 => Just("n".repeat(shape::MAX_FIELD_NAME + 1)),
        1 => "[ä.]{190,210}",
    ];
    let leaf = prop_oneof![Just(json!(1)), Just(deep_list())];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn deep_list() -> Value {
    (0..shape::MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]))
}

proptest! {
    #[test]
    fn the_same_fields_are_named_as_with_built_paths(value in any_shape()) {
        let mut built = Vec::new();
        check_with_built_paths(&value, "order.field", 1, &mut built);
        let clip = |path: &String| match path.char_indices().nth(MAX_PATH) {
            Some((end, _)) => format!("{}…", &path[..end]),
            None => path.clone(),
        };
        let built: Vec<String> = built.iter().take(MAX_ERRORS).map(clip).collect();
        let mut errors = Errors::default();
        shape::check(&Map::from_iter([("field".to_owned(), value)]), &mut errors);
        let found: Vec<String> = errors.0.into_iter().map(|error| error.field).collect();
        prop_assert_eq!(found, built);
    }
}
