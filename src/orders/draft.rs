mod errors;
mod lengths;
mod path;
mod shape;

use serde_json::{Map, Value, json};

use self::errors::Errors;
pub use self::errors::{DraftError, FieldError};
use self::path::Path;
use super::{OrderId, Status, numeric};

/// Field with the keyed hash of the submitter's address, written by [`OrderDraft::from_source`].
const SOURCE_FIELD: &str = "submitSource";
/// Fields that only the server writes; dropped from a customer's order.
const SERVER_FIELDS: [&str; 15] = [
    "id",
    "acknowledged",
    "acknowledgedAt",
    "acknowledgedBy",
    "statusHistory",
    "historyCheckedAt",
    "updatedBy",
    "readyAt",
    "cancelReason",
    "cancelNote",
    "staffNote",
    "driverId",
    "driverName",
    "itemsDone",
    SOURCE_FIELD,
];

/// Limits of a submitted order.
#[derive(Debug, Clone, Copy)]
pub struct DraftLimits {
    /// Maximum number of entries of `items`.
    pub max_items: usize,
}

/// A valid order that has no number yet.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderDraft {
    fields: Map<String, Value>,
}

impl OrderDraft {
    /// Parses the body of a submit, `{userId, order: {items, totalAmount, …}}`. Unknown fields are kept unchanged.
    pub fn parse(body: Value, limits: DraftLimits) -> Result<Self, DraftError> {
        Self::read(body, None, limits)
    }

    /// The same for the customer of a verified token. A `userId` in the body is ignored.
    pub fn parse_for(user_id: &str, body: Value, limits: DraftLimits) -> Result<Self, DraftError> {
        Self::read(body, Some(user_id), limits)
    }

    fn read(body: Value, user_id: Option<&str>, limits: DraftLimits) -> Result<Self, DraftError> {
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
        match user_id {
            Some(user_id) => {
                body.insert("userId".to_owned(), json!(user_id));
            }
            None => check_user(&body, &mut errors),
        }
        if errors.0.is_empty() {
            check_total(&order, &mut errors);
            check_items(&order, limits, &mut errors);
            check_texts(&order, &mut errors);
        }
        // Fields beside `order` are merged into it, so that nothing a client sent is lost.
        let mut fields = order;
        for (name, value) in body {
            if name == "userId" {
                fields.insert(name, value);
            } else {
                fields.entry(name).or_insert(value);
            }
        }
        shape::check(&fields, &mut errors);
        lengths::check(&fields, &mut errors);
        for name in SERVER_FIELDS {
            fields.shift_remove(name);
        }
        if errors.0.is_empty() {
            Ok(Self { fields })
        } else {
            Err(errors.into())
        }
    }

    /// Sets the field `submitSource` to the keyed hash of the submitter's address.
    #[must_use]
    pub fn from_source(mut self, source: &str) -> Self {
        self.fields.insert(SOURCE_FIELD.to_owned(), json!(source));
        self
    }

    /// The order's document with its id and its time, in milliseconds since the epoch.
    pub fn into_fields(self, id: &OrderId, timestamp_millis: u64) -> Map<String, Value> {
        let mut fields = self.fields;
        fields.insert("orderId".to_owned(), json!(id));
        fields.insert("status".to_owned(), json!(Status::PENDING.as_str()));
        fields.insert("timestamp".to_owned(), json!(timestamp_millis));
        fields
    }
}

fn check_user(body: &Map<String, Value>, errors: &mut Errors) {
    match body.get("userId") {
        Some(Value::String(user)) if user.is_empty() => errors.add("userId", "must not be empty"),
        Some(Value::String(user)) if user.len() > 128 => {
            errors.add("userId", "must have at most 128 bytes");
        }
        Some(Value::String(_)) => {}
        Some(_) => errors.add("userId", "must be text"),
        None => errors.add("userId", "is missing"),
    }
}

fn check_total(order: &Map<String, Value>, errors: &mut Errors) {
    match order.get("totalAmount") {
        None => errors.add("order.totalAmount", "is missing"),
        Some(value) => {
            let total = numeric::plain_amount(value);
            check_amount(total, &Path::Root("order.totalAmount"), errors);
        }
    }
}

fn check_amount(amount: Option<f64>, field: &Path<'_>, errors: &mut Errors) {
    match amount {
        Some(amount) if (0.0..=1e12).contains(&amount) => {}
        Some(_) => errors.add_at(field, "must be between 0 and 1000000000000"),
        None => errors.add_at(field, "must be a number"),
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
    let path = Path::Root("order.items");
    for (index, item) in items.iter().enumerate() {
        let path = Path::Entry(&path, index);
        match item {
            Value::Object(item) => check_item(item, &path, errors),
            _ => errors.add_at(&path, "must be an object"),
        }
    }
}

fn check_item(item: &Map<String, Value>, path: &Path<'_>, errors: &mut Errors) {
    let quantity = Path::Field(path, "quantity");
    match item.get("quantity") {
        // Means a quantity of one.
        None | Some(Value::Null) => {}
        Some(value) => match numeric::plain_quantity(value) {
            Some(quantity) if quantity > 0.0 && quantity <= 1e9 => {}
            Some(_) => errors.add_at(&quantity, "must be more than 0 and at most 1000000000"),
            None => errors.add_at(&quantity, "must be a number"),
        },
    }
    for name in ["productName", "name"] {
        if item
            .get(name)
            .is_some_and(|value| !value.is_string() && !value.is_null())
        {
            errors.add_at(&Path::Field(path, name), "must be text");
        }
    }
    match item.get("productId") {
        None | Some(Value::Null | Value::String(_) | Value::Number(_)) => {}
        Some(_) => errors.add_at(&Path::Field(path, "productId"), "must be text or a number"),
    }
    for name in ["productPrice", "price"] {
        match item.get(name) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(value) => check_amount(value.as_f64(), &Path::Field(path, name), errors),
        }
    }
}

/// Checks the fields that the desk reads as text or as a location.
fn check_texts(order: &Map<String, Value>, errors: &mut Errors) {
    for name in ["customerName", "notes"] {
        if order
            .get(name)
            .is_some_and(|value| !value.is_string() && !value.is_null())
        {
            errors.add_at(&Path::Field(&Path::Root("order"), name), "must be text");
        }
    }
    match order.get("deliveryAddress") {
        None | Some(Value::Null | Value::String(_) | Value::Object(_)) => {}
        Some(_) => errors.add("order.deliveryAddress", "must be text or an object"),
    }
    match order.get("deliveryLocation") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(Value::Object(place)) => {
            for (name, limit) in [("latitude", 90.0), ("longitude", 180.0)] {
                if let Some(value) = place.get(name)
                    && !value.as_f64().is_some_and(|degrees| degrees.abs() <= limit)
                {
                    errors.add_at(
                        &Path::Field(&Path::Root("order.deliveryLocation"), name),
                        format!("must be a number of degrees from -{limit} to {limit}"),
                    );
                }
            }
        }
        Some(_) => errors.add("order.deliveryLocation", "must be an object or text"),
    }
}

#[cfg(test)]
mod tests;
