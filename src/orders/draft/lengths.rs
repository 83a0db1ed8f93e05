//! Maximum lengths of texts, chosen for menus and addresses. Longer texts only cost the desk memory and room.

use serde_json::{Map, Value};

use super::errors::Errors;
use super::path::Path;

/// Maximum length of a product's name or id, in characters.
const MAX_PRODUCT: usize = 200;
/// Maximum length of a price, total or quantity written as text, in characters.
const MAX_NUMBER: usize = 40;
/// Maximum length of a customer's name, in characters.
const MAX_CUSTOMER: usize = 200;
/// Maximum length of a phone number, in characters.
const MAX_PHONE: usize = 60;
/// Maximum length of an e-mail address, in characters (RFC 5321).
const MAX_EMAIL: usize = 254;
/// Maximum length of a delivery address, in characters.
const MAX_ADDRESS: usize = 500;
/// Maximum length of a note to the shop, in characters.
const MAX_NOTES: usize = 2_000;
/// Maximum length of any other text, in characters.
const MAX_TEXT: usize = 4_000;

/// Checks every text of an order, at any depth.
pub(super) fn check(fields: &Map<String, Value>, errors: &mut Errors) {
    let order = Path::Root("order");
    for (name, value) in fields {
        let path = Path::Field(&order, name);
        match value {
            Value::Array(items) if name == "items" => check_items(items, &path, errors),
            _ => check_value(value, &path, of_order(name), errors),
        }
    }
}

fn check_items(items: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for (index, item) in items.iter().enumerate() {
        let path = Path::Entry(path, index);
        match item {
            Value::Object(item) => {
                for (name, value) in item {
                    check_value(value, &Path::Field(&path, name), of_item(name), errors);
                }
            }
            _ => check_value(item, &path, MAX_TEXT, errors),
        }
    }
}

/// `limit` applies to the value itself; nested texts have the limit of any text.
fn check_value(value: &Value, path: &Path<'_>, limit: usize, errors: &mut Errors) {
    match value {
        Value::String(text) if is_longer(text, limit) => {
            errors.add_at(path, format!("must have at most {limit} characters"));
        }
        Value::Object(map) => {
            for (name, inner) in map {
                check_value(inner, &Path::Field(path, name), MAX_TEXT, errors);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                check_value(inner, &Path::Entry(path, index), MAX_TEXT, errors);
            }
        }
        _ => {}
    }
}

/// Maximum length of an order's field. The names are those that the desk reads.
fn of_order(name: &str) -> usize {
    match name {
        "customerName" | "userName" | "customer" | "name" => MAX_CUSTOMER,
        "customerPhone" | "phone" | "phoneNumber" | "userPhone" | "contactNumber" => MAX_PHONE,
        "customerEmail" | "email" | "userEmail" => MAX_EMAIL,
        "deliveryAddress" | "deliveryLocation" | "address" => MAX_ADDRESS,
        "totalAmount" => MAX_NUMBER,
        "notes" | "note" | "specialInstructions" | "deliveryNotes" | "instructions" | "comment" => {
            MAX_NOTES
        }
        _ => MAX_TEXT,
    }
}

fn of_item(name: &str) -> usize {
    match name {
        "productName" | "name" | "title" | "productId" => MAX_PRODUCT,
        "productPrice" | "price" | "quantity" => MAX_NUMBER,
        "notes" | "note" | "specialInstructions" | "instructions" | "comment" => MAX_NOTES,
        _ => MAX_TEXT,
    }
}

fn is_longer(text: &str, limit: usize) -> bool {
    // A text never has more characters than bytes.
    text.len() > limit && text.chars().nth(limit).is_some()
}
