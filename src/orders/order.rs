use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{OrderId, Position, Status, numeric};

/// Maximum length of the customer's name in a summary, in bytes: summaries are queued in memory for slow readers.
const SUMMARY_NAME: usize = 500;
/// Maximum length of its other texts, in bytes.
const SUMMARY_TEXT: usize = 120;

/// Fields that may hold the customer's name.
pub(super) const CUSTOMER_NAME: [&str; 4] = ["customerName", "userName", "customer", "name"];

/// An order as stored: the whole document, and the store's own times.
///
/// The fields may have any type. The methods never fail; they use what they can read.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The document's id.
    pub id: OrderId,
    /// Every field of the document, including unknown ones, in their order.
    pub fields: Map<String, Value>,
    /// Commit time of the document's creation, in microseconds since the epoch.
    pub created_micros: u64,
    /// Commit time of the document's last change, in microseconds since the epoch.
    pub updated_micros: u64,
}

/// An order in a stream: the seven fields that existing clients know.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The document's id.
    pub id: OrderId,
    /// The field `orderId`, or the document's id if it is missing.
    pub order_id: String,
    /// The amount, 0 if it can't be read.
    pub total_amount: f64,
    /// See [`Order::status`].
    pub status: String,
    /// When the order was placed, in milliseconds since the epoch; see [`Order::placed_millis`].
    pub timestamp: u64,
    /// The customer's name, or empty.
    pub customer_name: String,
    /// Number of entries of `items`.
    pub item_count: usize,
}

impl Order {
    /// Position of the order's last change.
    pub fn position(&self) -> Position {
        Position::new(self.updated_micros, &self.id)
    }

    /// `timestamp` in milliseconds, if it is a number.
    pub fn timestamp_millis(&self) -> Option<i64> {
        let value = self.fields.get("timestamp")?;
        // A double outside of i64 saturates, and still sorts as impossibly early or late.
        #[expect(clippy::cast_possible_truncation, reason = "saturating is meant")]
        value
            .as_i64()
            .or_else(|| value.as_f64().map(|millis| millis as i64))
    }

    /// When the order was placed, in microseconds since the epoch, for sorting.
    ///
    /// This is `timestamp`, which phones set from their own clocks, or the commit time of the creation if `timestamp` is
    /// missing or ahead of the store's clock. Of orders placed in the same millisecond, the one committed later is newer.
    pub fn placed_micros(&self) -> u64 {
        let millis = self
            .timestamp_millis()
            .map(|millis| u64::try_from(millis).unwrap_or_default());
        match millis {
            Some(millis) if millis == self.created_micros / 1_000 => self.created_micros,
            Some(millis) if millis <= self.updated_micros / 1_000 => millis * 1_000,
            _ => self.created_micros,
        }
    }

    /// When the order was placed, in milliseconds since the epoch, for display.
    pub fn placed_millis(&self) -> u64 {
        self.placed_micros() / 1_000
    }

    /// `status` as text: `PENDING` if it is missing, since the order is still untouched, and `UNKNOWN` if it isn't text.
    pub fn status(&self) -> &str {
        match self.fields.get("status") {
            None | Some(Value::Null) => Status::PENDING.as_str(),
            Some(Value::String(status)) => status,
            Some(_) => "UNKNOWN",
        }
    }

    /// `totalAmount` as a number; also parses text such as `"$12.50"`.
    pub fn total_amount(&self) -> Option<f64> {
        numeric::amount(self.fields.get("totalAmount")?)
    }

    /// Whether the order is acknowledged.
    pub fn acknowledged(&self) -> bool {
        self.fields.get("acknowledged") == Some(&Value::Bool(true))
    }

    /// The first of the fields `names` that holds text or a number, as text; empty if none does.
    pub(super) fn text(&self, names: &[&str]) -> String {
        names
            .iter()
            .find_map(|name| match self.fields.get(*name)? {
                Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// The field `orderId`, or the document's id if it is missing.
    pub(super) fn order_id(&self) -> String {
        match self.text(&["orderId"]) {
            text if text.is_empty() => self.id.to_string(),
            text => text,
        }
    }

    /// The customer's name, or empty.
    pub(super) fn customer_name(&self) -> String {
        self.text(&CUSTOMER_NAME)
    }

    /// Number of entries of `items`.
    pub(super) fn item_count(&self) -> usize {
        self.fields
            .get("items")
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    }

    /// The order's summary for streams.
    pub fn summary(&self) -> Summary {
        Summary {
            id: self.id.clone(),
            order_id: clip(self.order_id(), SUMMARY_TEXT),
            total_amount: self.total_amount().unwrap_or_default(),
            status: clip(self.status().to_owned(), SUMMARY_TEXT),
            timestamp: self.placed_millis(),
            customer_name: clip(self.customer_name(), SUMMARY_NAME),
            item_count: self.item_count(),
        }
    }

    /// The whole document as JSON, with the document's id as `id`.
    pub fn whole(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("id".to_owned(), json!(self.id));
        Value::Object(fields)
    }

    /// The same as JSON text.
    pub fn whole_json(&self) -> Bytes {
        if self.fields.contains_key("id") {
            return json_text(&self.whole());
        }
        let fields = json_text(&self.fields);
        let id = json_text(&self.id);
        let mut whole = BytesMut::with_capacity(fields.len() + id.len() + 6);
        whole.put_slice(&fields[..fields.len() - 1]);
        if fields.len() > 2 {
            whole.put_u8(b',');
        }
        whole.put_slice(b"\"id\":");
        whole.put_slice(&id);
        whole.put_u8(b'}');
        whole.freeze()
    }
}

/// Serializes values that can't fail to serialize: maps with text keys.
fn json_text(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Shortens `text` to `limit` bytes at a character boundary, and appends `…` if it was longer.
pub(super) fn clip(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(fields: Value) -> Order {
        let Value::Object(fields) = fields else {
            panic!("fields are an object")
        };
        Order {
            id: OrderId::sequential(7),
            fields,
            created_micros: 1_771_842_400_000_000,
            updated_micros: 1_771_842_500_000_000,
        }
    }

    #[test]
    fn a_timestamp_ahead_of_the_store_counts_as_the_commit_time() {
        let placed = |timestamp: Value| order(json!({"timestamp": timestamp})).placed_millis();
        assert_eq!(placed(json!(1_771_842_312_000_i64)), 1_771_842_312_000);
        assert_eq!(placed(json!(1_771_842_312_000.731)), 1_771_842_312_000);
        assert_eq!(placed(json!(4_102_444_800_000_i64)), 1_771_842_400_000);
        assert_eq!(placed(json!("yesterday")), 1_771_842_400_000);
        assert_eq!(order(json!({})).placed_millis(), 1_771_842_400_000);
    }

    #[test]
    fn odd_fields_still_make_a_summary() {
        let odd = order(
            json!({"orderId": 5, "totalAmount": {"amount": 3}, "status": [], "items": "2", "customerName": 7}),
        );
        assert_eq!(
            serde_json::to_value(odd.summary()).ok(),
            Some(
                json!({"id": "ORD7", "orderId": "5", "totalAmount": 0.0, "status": "UNKNOWN",
                "timestamp": 1_771_842_400_000_u64, "customerName": "7", "itemCount": 0})
            )
        );
        assert_eq!(
            order(json!({"totalAmount": "$12.50"})).total_amount(),
            Some(12.5)
        );
        assert_eq!(order(json!({"totalAmount": "free"})).total_amount(), None);
        assert_eq!(order(json!({})).status(), "PENDING");
    }

    #[test]
    fn the_whole_document_as_text_is_the_whole_document() {
        for fields in [
            json!({}),
            json!({"a": [1.5, "ü\n"], "b": {}}),
            json!({"a": 1, "id": 5, "z": 2}),
        ] {
            let order = order(fields);
            let text: Value = serde_json::from_slice(&order.whole_json()).expect("JSON");
            assert_eq!(text, order.whole());
            assert_eq!(text.to_string(), order.whole().to_string());
        }
    }
}
