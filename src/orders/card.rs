use serde::Serialize;
use serde_json::{Map, Value};

use super::changed_by::{ChangedBy, changed_by};
use super::order::{self, CUSTOMER_NAME, Order};
use super::{OrderId, Status, numeric};

/// Maximum bytes of text in a card; the order's own page shows all.
pub(super) const CARD_TEXT: usize = 4_096;
/// Maximum number of listed items.
pub(super) const MAX_ITEMS: usize = 60;
/// About how many bytes of a card's JSON are field names, numbers and punctuation.
pub(super) const FIELD_NAMES: usize = 450;
/// The same of one listed item.
pub(super) const ITEM_FIELD_NAMES: usize = 40;
/// Maximum length of a number, status, admin's name, or phone number, in bytes.
const SHORT: usize = 120;
/// Maximum length of a customer's or item's name, or e-mail address, in bytes.
const NAME: usize = 254;
/// Maximum length of an address, in bytes.
const ADDRESS: usize = 600;
/// Maximum length of a customer's note, in bytes.
const NOTES: usize = 1_200;
/// Maximum length of a price, or a reason of a cancellation, in bytes.
const PRICE: usize = 40;
/// Maximum length of a driver's name, in bytes.
const DRIVER: usize = 200;
/// Maximum length of an admin's note, in bytes: what a board has room for.
const STAFF_NOTE: usize = 250;
/// Latest time that a browser can show, in milliseconds.
const END_OF_TIME: u64 = 8_640_000_000_000_000;

/// Fields that may hold the customer's phone number.
pub(super) const PHONE: [&str; 5] = [
    "customerPhone",
    "phone",
    "phoneNumber",
    "userPhone",
    "contactNumber",
];
/// Fields that may hold the customer's notes.
const NOTE_FIELDS: [&str; 6] = [
    "notes",
    "note",
    "specialInstructions",
    "deliveryNotes",
    "instructions",
    "comment",
];
/// Parts of an address that come first, in this order.
const STREET: [&str; 5] = ["street", "addressLine1", "line1", "address", "addressLine2"];
/// Parts of an address that are coordinates.
const DEGREES: [&str; 4] = ["latitude", "longitude", "lat", "lng"];

/// An order as the desk shows it: the field names and types of different programs are normalized, and sizes are bounded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// The document's id.
    pub id: OrderId,
    /// The order number for people.
    pub order_id: String,
    /// Commit time of the creation, in milliseconds.
    pub created_at: u64,
    /// Commit time of the last change, in milliseconds.
    pub updated_at: u64,
    /// When the order was placed, in milliseconds; never ahead of the store's clock.
    pub timestamp: u64,
    /// Any text; unknown values are shown unchanged.
    pub status: String,
    /// Whether the order is acknowledged.
    pub acknowledged: bool,
    /// When it was acknowledged, in milliseconds.
    pub acknowledged_at: Option<u64>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// Name of the admin who set the status, if the document proves it.
    pub changed_by: Option<String>,
    /// Whether another program set the status, or may have.
    #[serde(skip_serializing_if = "is_false")]
    pub changed_elsewhere: bool,
    /// The customer's name, or empty.
    pub customer_name: String,
    /// The customer's phone number, or empty.
    pub phone: String,
    /// The customer's e-mail address, or empty.
    pub email: String,
    /// The amount, if it can be read.
    pub total: Option<f64>,
    /// Number of entries of `items` in the document.
    pub item_count: usize,
    /// The first entries, within the limits.
    pub items: Vec<CardItem>,
    /// Number of entries not listed.
    pub more_items: usize,
    /// The customer's notes.
    pub notes: String,
    /// Delivery address, as text.
    pub address: String,
    /// Delivery location.
    pub location: Option<Location>,
    /// Keyed hash of the submitter's address, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Fields that admins set.
    #[serde(flatten)]
    pub staff: StaffFields,
}

/// Fields that admins set; absent if unset.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StaffFields {
    /// When the order will be ready, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<u64>,
    /// Reason of the cancellation; only for cancelled orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// The admin's note on the cancellation, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_note: Option<String>,
    /// A note for the shop's staff, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staff_note: Option<String>,
    /// Name of the driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_name: Option<String>,
    /// Indexes of the listed items that are ticked off, ascending.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items_done: Vec<usize>,
}

/// One entry of an order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CardItem {
    /// The product's name.
    pub name: String,
    /// Quantity; may be fractional.
    pub quantity: Option<f64>,
    /// Price of one, as written in the document.
    pub price: String,
}

/// Coordinates, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Location {
    /// -90 to 90.
    pub latitude: f64,
    /// -180 to 180.
    pub longitude: f64,
}

impl From<&Order> for Card {
    fn from(order: &Order) -> Self {
        let place = order.fields.get("deliveryLocation");
        let mut text = Text::default();
        let (changed_by, changed_elsewhere) = match changed_by(order) {
            ChangedBy::Admin(name) => (some(text.take(name.to_owned(), SHORT)), false),
            other => (None, other == ChangedBy::Elsewhere),
        };
        let mut first = |names: &[&str], limit| text.take(order.text(names), limit);
        let card = Self {
            id: order.id.clone(),
            order_id: first(&["orderId"], SHORT),
            created_at: order.created_micros / 1_000,
            updated_at: order.updated_micros / 1_000,
            timestamp: order.placed_millis(),
            status: String::new(),
            acknowledged: order.acknowledged(),
            acknowledged_at: order.fields.get("acknowledgedAt").and_then(Value::as_u64),
            acknowledged_by: some(first(&["acknowledgedBy"], SHORT)),
            changed_by,
            changed_elsewhere,
            customer_name: first(&CUSTOMER_NAME, NAME),
            phone: first(&PHONE, SHORT),
            email: first(&["customerEmail", "email", "userEmail"], NAME),
            total: order.total_amount(),
            item_count: order.item_count(),
            items: Vec::new(),
            more_items: 0,
            notes: first(&NOTE_FIELDS, NOTES),
            address: String::new(),
            location: place.and_then(Value::as_object).and_then(location),
            source: some(first(&["submitSource"], SHORT)),
            staff: StaffFields::default(),
        };
        let address = text.take(address(order), ADDRESS);
        let order_id = match card.order_id {
            id if id.is_empty() => text.take(order.id.to_string(), SHORT),
            id => id,
        };
        let mut staff = staff_fields(order, &mut text);
        let items = items(order, &mut text);
        staff.items_done = items_done(order, items.len());
        Self {
            staff,
            order_id,
            status: text.take(order.status().to_owned(), SHORT),
            more_items: card.item_count - items.len(),
            items,
            address,
            ..card
        }
    }
}

/// Counts the bytes of a card's texts.
#[derive(Default)]
struct Text {
    used: usize,
}

impl Text {
    /// Shortens a text and replaces control characters by spaces: they can't be shown, and take six times their size in JSON.
    /// Line breaks stay.
    fn take(&mut self, mut text: String, limit: usize) -> String {
        text = order::clip(text, limit);
        if text.contains(|c: char| c.is_control() && c != '\n') {
            text = text.replace(|c: char| c.is_control() && c != '\n', " ");
        }
        self.used += text.len();
        text
    }
}

/// Reads all fields except `items_done`, which depends on the number of listed items.
fn staff_fields(order: &Order, text: &mut Text) -> StaffFields {
    let mut first = |name: &str, limit| some(text.take(order.text(&[name]), limit));
    let is_cancelled = order.status() == Status::CANCELLED.as_str();
    let mut of_cancelled = |name, limit| is_cancelled.then(|| first(name, limit)).flatten();
    StaffFields {
        cancel_reason: of_cancelled("cancelReason", PRICE),
        cancel_note: of_cancelled("cancelNote", STAFF_NOTE),
        staff_note: first("staffNote", STAFF_NOTE),
        driver_name: first("driverName", DRIVER),
        ready_at: order
            .fields
            .get("readyAt")
            .and_then(Value::as_u64)
            .filter(|millis| *millis <= END_OF_TIME),
        items_done: Vec::new(),
    }
}

fn items_done(order: &Order, listed: usize) -> Vec<usize> {
    let done = order.fields.get("itemsDone").and_then(Value::as_array);
    let mut indexes: Vec<usize> = done
        .into_iter()
        .flatten()
        .filter_map(|index| usize::try_from(index.as_u64()?).ok())
        .filter(|index| *index < listed)
        .collect();
    indexes.sort_unstable();
    indexes.dedup();
    indexes
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// The first items, within the limits.
fn items(order: &Order, text: &mut Text) -> Vec<CardItem> {
    let Some(Value::Array(items)) = order.fields.get("items") else {
        return Vec::new();
    };
    let mut listed = Vec::new();
    for value in items.iter().take(MAX_ITEMS) {
        let item = item(value, text);
        if text.used > CARD_TEXT {
            break;
        }
        listed.push(item);
    }
    listed
}

fn item(value: &Value, text: &mut Text) -> CardItem {
    let price = first(value, &["productPrice", "price"]);
    CardItem {
        name: text.take(item_name(value), NAME),
        quantity: quantity(value),
        price: text.take(price, PRICE),
    }
}

/// The name of an entry of `items`, or empty.
pub(super) fn item_name(item: &Value) -> String {
    match item {
        Value::Object(_) => first(item, &["productName", "name", "title", "productId"]),
        other => plain(other),
    }
}

/// The first of `names` that the entry has, as text.
fn first(item: &Value, names: &[&str]) -> String {
    let found = names.iter().find_map(|name| item.get(name));
    found.map(plain).unwrap_or_default()
}

/// Quantity of an entry; 1 if it is missing.
fn quantity(item: &Value) -> Option<f64> {
    match item.as_object()?.get("quantity") {
        None | Some(Value::Null) => Some(1.0),
        Some(value) => numeric::quantity(value),
    }
}

/// The address as text, with the parts of an object joined.
fn address(order: &Order) -> String {
    let of_field = |name: &&str| match order.fields.get(*name)? {
        Value::Object(parts) if *name != "deliveryLocation" => some(joined(parts)),
        _ => some(order.text(&[name])),
    };
    let names = ["deliveryAddress", "deliveryLocation", "address"];
    names.iter().find_map(of_field).unwrap_or_default()
}

/// Joins the street first, then the other parts in their order: Firestore sorts map fields by name.
fn joined(parts: &Map<String, Value>) -> String {
    let is_street = |name: &str| STREET.contains(&name);
    let street = STREET.iter().filter_map(|name| parts.get(*name));
    let others = parts
        .iter()
        .filter(|(name, _)| !is_street(name) && !DEGREES.contains(&name.as_str()))
        .map(|(_, value)| value);
    let mut text = String::new();
    for part in street.chain(others).map(plain) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(part);
        if text.len() > ADDRESS {
            break;
        }
    }
    text
}

/// Text and numbers unchanged; anything else as empty text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn location(map: &Map<String, Value>) -> Option<Location> {
    let degrees = |name: &str, limit: f64| {
        let value = map.get(name)?.as_f64()?;
        (value.abs() <= limit).then_some(value)
    };
    Some(Location {
        latitude: degrees("latitude", 90.0)?,
        longitude: degrees("longitude", 180.0)?,
    })
}

#[cfg(test)]
mod tests;
