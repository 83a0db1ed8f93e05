//! Checks for what no store can hold: too deep nesting, reserved or too long names.

use serde_json::{Map, Value};

use super::errors::Errors;
use super::path::Path;

/// Maximum nesting of maps and arrays in a document (Firestore's limit).
pub(super) const MAX_DEPTH: usize = 20;
/// Maximum length of a field's name in bytes (Firestore's limit).
pub(super) const MAX_FIELD_NAME: usize = 1_500;

/// Checks the fields of an order. Each value is visited once.
pub(super) fn check(fields: &Map<String, Value>, errors: &mut Errors) {
    let order = Path::Root("order");
    for (name, value) in fields {
        check_value(value, &Path::Field(&order, name), 1, errors);
        check_name(name, &order, errors);
    }
}

fn check_value(value: &Value, path: &Path<'_>, depth: usize, errors: &mut Errors) {
    if matches!(value, Value::Object(_) | Value::Array(_)) && depth > MAX_DEPTH {
        return errors.add_at(path, format!("is nested deeper than {MAX_DEPTH} levels"));
    }
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                check_name(name, path, errors);
                check_value(inner, &Path::Field(path, name), depth + 1, errors);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                check_value(inner, &Path::Entry(path, index), depth + 1, errors);
            }
        }
        _ => {}
    }
}

fn check_name(name: &str, parent: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        errors.add_at(parent, "has a field without a name");
    } else if name.len() > MAX_FIELD_NAME {
        errors.add_at(
            &Path::Field(parent, name),
            format!("has a name of more than {MAX_FIELD_NAME} bytes"),
        );
    } else if name.len() >= 4 && name.starts_with("__") && name.ends_with("__") {
        errors.add_at(&Path::Field(parent, name), "has a reserved name");
    }
}
