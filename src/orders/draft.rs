use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{OrderId, Status};

/// Fields that only the server writes; what a customer sends for them is dropped.
const SERVER_FIELDS: [&str; 6] = [
    "id",
    "acknowledged",
    "acknowledgedAt",
    "acknowledgedBy",
    "statusHistory",
    "updatedBy",
];

/// Deepest nesting of maps and arrays that a document may have (Firestore's limit).
const MAX_DEPTH: usize = 20;
/// Longest name of a field in bytes (Firestore's limit).
const MAX_FIELD_NAME: usize = 1_500;
/// Most problems that one answer lists.
const MAX_ERRORS: usize = 20;

/// Limits on what a customer may send.
#[derive(Debug, Clone, Copy)]
pub struct DraftLimits {
    /// Most entries of `items`.
    pub max_items: usize,
}

/// An order that may be placed: checked, and not yet numbered.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderDraft {
    fields: Map<String, Value>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Path of the field, such as `order.items[3].quantity`.
    pub field: String,
    /// What it must be.
    pub message: String,
}

/// The order can't be placed; says why for every field concerned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .0[0].field, .0[0].message)]
pub struct DraftError(pub Vec<FieldError>);

impl OrderDraft {
    /// Checks the body of a submit, `{userId, order: {items, totalAmount, …}}`. Unknown fields are kept as they are.
    pub fn parse(body: Value, limits: DraftLimits) -> Result<Self, DraftError> {
        let mut errors = Errors::default();
        let Value::Object(mut body) = body else {
            errors.add("body", "must be a JSON object");
            return Err(errors.into());
        };
        let order = match body.shift_remove("order") {
            Some(Value::Object(order)) => order,
            found => {
                errors.add(
                    "order",
                    if found.is_some() {
                        "must be an object"
                    } else {
                        "is missing"
                    },
                );
                Map::new()
            }
        };
        match body.get("userId") {
            Some(Value::String(user)) if user.is_empty() => {
                errors.add("userId", "must not be empty");
            }
            Some(Value::String(user)) if user.len() > 128 => {
                errors.add("userId", "must have at most 128 bytes");
            }
            Some(Value::String(_)) => {}
            Some(_) => errors.add("userId", "must be text"),
            None => errors.add("userId", "is missing"),
        }
        if errors.0.is_empty() {
            check_total(&order, &mut errors);
            check_items(&order, limits, &mut errors);
            check_texts(&order, &mut errors);
        }
        // What stands beside `order` belongs to it: nothing that a client sent is lost.
        let mut fields = order;
        for (name, value) in body {
            if name == "userId" {
                fields.insert(name, value);
            } else {
                fields.entry(name).or_insert(value);
            }
        }
        for (name, value) in &fields {
            check_shape(value, &format!("order.{name}"), 1, &mut errors);
            check_name(name, "order", &mut errors);
        }
        for name in SERVER_FIELDS {
            fields.shift_remove(name);
        }
        if errors.0.is_empty() {
            Ok(Self { fields })
        } else {
            Err(errors.into())
        }
    }

    /// The same order for another customer: `userId` as a verified token says.
    #[must_use]
    pub fn for_user(mut self, user_id: &str) -> Self {
        self.fields.insert("userId".to_owned(), json!(user_id));
        self
    }

    /// The document of the order once it has its id and its time, in milliseconds since the epoch.
    pub fn into_fields(self, id: &OrderId, timestamp_millis: u64) -> Map<String, Value> {
        let mut fields = self.fields;
        fields.insert("orderId".to_owned(), json!(id));
        fields.insert("status".to_owned(), json!(Status::PENDING.as_str()));
        fields.insert("timestamp".to_owned(), json!(timestamp_millis));
        fields
    }
}

#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < MAX_ERRORS {
            self.0.push(FieldError {
                field: clip_path(field.into()),
                message: message.into(),
            });
        }
    }
}

impl From<Errors> for DraftError {
    fn from(errors: Errors) -> Self {
        Self(errors.0)
    }
}

/// Field names come from the client and may be long; an answer shows their beginning.
fn clip_path(path: String) -> String {
    match path.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path,
    }
}

fn check_total(order: &Map<String, Value>, errors: &mut Errors) {
    match order.get("totalAmount") {
        None => errors.add("order.totalAmount", "is missing"),
        Some(value) => check_amount(value, "order.totalAmount", errors),
    }
}

fn check_amount(value: &Value, field: &str, errors: &mut Errors) {
    match value.as_f64() {
        Some(amount) if (0.0..=1e12).contains(&amount) => {}
        Some(_) => errors.add(field, "must be between 0 and 1000000000000"),
        None => errors.add(field, "must be a number"),
    }
}

fn check_items(order: &Map<String, Value>, limits: DraftLimits, errors: &mut Errors) {
    let items = match order.get("items") {
        Some(Value::Array(items)) => items,
        Some(_) => return errors.add("order.items", "must be an array"),
        None => return errors.add("order.items", "is missing"),
    };
    if items.is_empty() {
        return errors.add("order.items", "must not be empty");
    }
    if items.len() > limits.max_items {
        return errors.add(
            "order.items",
            format!("must have at most {} entries", limits.max_items),
        );
    }
    for (index, item) in items.iter().enumerate() {
        let path = format!("order.items[{index}]");
        let Value::Object(item) = item else {
            errors.add(path, "must be an object");
            continue;
        };
        match item.get("quantity") {
            Some(value) => match value.as_f64() {
                Some(quantity) if quantity > 0.0 && quantity <= 1e9 => {}
                Some(_) => errors.add(
                    format!("{path}.quantity"),
                    "must be more than 0 and at most 1000000000",
                ),
                None => errors.add(format!("{path}.quantity"), "must be a number"),
            },
            None => errors.add(format!("{path}.quantity"), "is missing"),
        }
        for name in ["productName", "name", "productId"] {
            if item
                .get(name)
                .is_some_and(|value| !value.is_string() && !value.is_null())
            {
                errors.add(format!("{path}.{name}"), "must be text");
            }
        }
        for name in ["productPrice", "price"] {
            match item.get(name) {
                None | Some(Value::Null | Value::String(_)) => {}
                Some(value) => check_amount(value, &format!("{path}.{name}"), errors),
            }
        }
    }
}

/// Fields that the desk reads as text or as a place.
fn check_texts(order: &Map<String, Value>, errors: &mut Errors) {
    for name in ["customerName", "deliveryAddress", "notes"] {
        if order
            .get(name)
            .is_some_and(|value| !value.is_string() && !value.is_null())
        {
            errors.add(format!("order.{name}"), "must be text");
        }
    }
    match order.get("deliveryLocation") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(Value::Object(place)) => {
            for (name, limit) in [("latitude", 90.0), ("longitude", 180.0)] {
                if let Some(value) = place.get(name)
                    && !value.as_f64().is_some_and(|degrees| degrees.abs() <= limit)
                {
                    errors.add(
                        format!("order.deliveryLocation.{name}"),
                        format!("must be a number of degrees from -{limit} to {limit}"),
                    );
                }
            }
        }
        Some(_) => errors.add("order.deliveryLocation", "must be an object or text"),
    }
}

/// What no store could hold: nesting without end, reserved or overlong names.
fn check_shape(value: &Value, path: &str, depth: usize, errors: &mut Errors) {
    if matches!(value, Value::Object(_) | Value::Array(_)) && depth > MAX_DEPTH {
        return errors.add(path, format!("is nested deeper than {MAX_DEPTH} levels"));
    }
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                check_name(name, path, errors);
                check_shape(inner, &format!("{path}.{name}"), depth + 1, errors);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                if matches!(inner, Value::Object(_) | Value::Array(_)) {
                    check_shape(inner, &format!("{path}[{index}]"), depth + 1, errors);
                }
            }
        }
        _ => {}
    }
}

fn check_name(name: &str, path: &str, errors: &mut Errors) {
    if name.is_empty() {
        errors.add(path, "has a field without a name");
    } else if name.len() > MAX_FIELD_NAME {
        errors.add(
            format!("{path}.{name}"),
            format!("has a name of more than {MAX_FIELD_NAME} bytes"),
        );
    } else if name.len() >= 4 && name.starts_with("__") && name.ends_with("__") {
        errors.add(format!("{path}.{name}"), "has a reserved name");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            refused(with("totalAmount", json!("12"))),
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
    fn server_fields_are_the_servers() {
        let mut body = with("acknowledged", json!(true));
        body["order"]["status"] = json!("DELIVERED");
        body["order"]["orderId"] = json!("TEMP-1");
        body["extra"] = json!({"kept": [1, null]});
        let fields = OrderDraft::parse(body, LIMITS)
            .map(|draft| draft.into_fields(&OrderId::sequential(9), 42));
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
}
