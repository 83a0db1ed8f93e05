use serde::Serialize;
use serde_json::{Map, Value};

use super::order::{self, Order};
use super::{OrderId, Position};

/// Longest text that a card carries of one field, in characters; the order's own page shows the whole.
const TEXT_LIMIT: usize = 1_000;
/// Most items that a card lists.
const ITEM_LIMIT: usize = 60;

/// An order as the desk shows it: the many shapes that writers use, read into one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// The document's id.
    pub id: OrderId,
    /// The number that people use.
    pub order_id: String,
    /// Cursor of the order's last change.
    pub position: Position,
    /// Commit time of the creation, in milliseconds.
    pub created_at: u64,
    /// Commit time of the last change, in milliseconds.
    pub updated_at: u64,
    /// When the order was placed, in milliseconds; never ahead of the store's clock.
    pub timestamp: u64,
    /// Any text; unknown values are shown as they are.
    pub status: String,
    /// Whether somebody has taken note of the order.
    pub acknowledged: bool,
    /// When, in milliseconds.
    pub acknowledged_at: Option<u64>,
    /// And who.
    pub acknowledged_by: Option<String>,
    /// Who changed the order last in the desk.
    pub updated_by: Option<String>,
    /// The customer's name, or nothing.
    pub customer_name: String,
    /// The customer's telephone number, or nothing.
    pub phone: String,
    /// The customer's e-mail address, or nothing.
    pub email: String,
    /// The amount, where it can be read.
    pub total: Option<f64>,
    /// How many entries `items` has in the document.
    pub item_count: usize,
    /// The first entries.
    pub items: Vec<CardItem>,
    /// What the customer wants to be heeded.
    pub notes: String,
    /// Where to bring it, as text.
    pub address: String,
    /// Where to bring it, on the map.
    pub location: Option<Location>,
}

/// One entry of an order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CardItem {
    /// The product's name.
    pub name: String,
    /// How much of it; may be fractional.
    pub quantity: Option<f64>,
    /// The price of one, as it was written.
    pub price: String,
}

/// A point on the map, in degrees.
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
        Self {
            id: order.id.clone(),
            order_id: clip(order.order_id()),
            position: order.position(),
            created_at: order.created_micros / 1_000,
            updated_at: order.updated_micros / 1_000,
            timestamp: order.placed_millis(),
            status: clip(order.status().to_owned()),
            acknowledged: order.acknowledged(),
            acknowledged_at: order.fields.get("acknowledgedAt").and_then(Value::as_u64),
            acknowledged_by: some_text(order, "acknowledgedBy"),
            updated_by: some_text(order, "updatedBy"),
            customer_name: clip(order.customer_name()),
            phone: clip(order.text(&[
                "customerPhone",
                "phone",
                "phoneNumber",
                "userPhone",
                "contactNumber",
            ])),
            email: clip(order.text(&["customerEmail", "email", "userEmail"])),
            total: order.total_amount(),
            item_count: order.item_count(),
            items: items(order),
            notes: clip(order.text(&[
                "notes",
                "note",
                "specialInstructions",
                "deliveryNotes",
                "instructions",
                "comment",
            ])),
            address: clip(order.text(&["deliveryAddress", "deliveryLocation", "address"])),
            location: place.and_then(Value::as_object).and_then(location),
        }
    }
}

fn some_text(order: &Order, name: &str) -> Option<String> {
    Some(clip(order.text(&[name]))).filter(|text| !text.is_empty())
}

fn items(order: &Order) -> Vec<CardItem> {
    let Some(Value::Array(items)) = order.fields.get("items") else {
        return Vec::new();
    };
    items.iter().take(ITEM_LIMIT).map(item).collect()
}

fn item(value: &Value) -> CardItem {
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| value.get(name));
        clip(found.map(plain).unwrap_or_default())
    };
    CardItem {
        name: match value {
            Value::Object(_) => first(&["productName", "name", "title", "productId"]),
            other => clip(plain(other)),
        },
        quantity: value.get("quantity").and_then(Value::as_f64),
        price: first(&["productPrice", "price"]),
    }
}

/// Text and numbers as they are written; anything else as nothing.
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

fn clip(text: String) -> String {
    order::clip(text, TEXT_LIMIT)
}

#[cfg(test)]
mod tests {
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
    fn long_texts_are_cut() {
        let card = card(json!({"notes": "ä".repeat(100_000)}));
        assert_eq!(card.notes.chars().count(), TEXT_LIMIT + 1);
    }
}
