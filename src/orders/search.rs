use super::HeldOrder;
use super::search_text::{digits, folded};

/// Conditions on an order's amount and texts. By default every order matches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    min_amount: Option<f64>,
    max_amount: Option<f64>,
    text: Option<Box<str>>,
    /// The digits of `text`, if it may be part of a phone number with other punctuation.
    digits: Option<Box<str>>,
}

impl Search {
    /// Only orders with an amount from `min` to `max`, both inclusive and optional. Excludes orders whose amount can't be read.
    pub fn with_amount(mut self, min: Option<f64>, max: Option<f64>) -> Self {
        (self.min_amount, self.max_amount) = (min, max);
        self
    }

    /// Only orders that contain `text` in their number, their id, the customer's name or phone number, or an item's name.
    /// Ignores case, and the punctuation of phone numbers. Searches the first 4 KiB of these texts.
    pub fn with_text(mut self, text: &str) -> Self {
        self.text = Some(folded(text).collect());
        let is_like_a_phone = text.bytes().all(|byte| b"0123456789 +-()".contains(&byte));
        self.digits = Some(digits(text))
            .filter(|digits| is_like_a_phone && !digits.is_empty() && **digits != *text);
        self
    }

    /// Whether every order matches.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the order matches.
    pub fn matches(&self, order: &HeldOrder) -> bool {
        let is_amount = |wanted: Option<f64>, is_within: fn(&f64, &f64) -> bool| {
            wanted.is_none_or(|wanted| order.total.is_some_and(|total| is_within(&total, &wanted)))
        };
        is_amount(self.min_amount, f64::ge)
            && is_amount(self.max_amount, f64::le)
            && self.text.as_deref().is_none_or(|text| {
                let searched = order.searched_text();
                let has_digits = |digits: &str| searched.contains(digits);
                searched.contains(text) || self.digits.as_deref().is_some_and(has_digits)
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::orders::search_text::TEXT;
    use crate::orders::{Order, OrderId};

    fn held(fields: Value) -> HeldOrder {
        let Value::Object(fields) = fields else {
            panic!("fields are an object")
        };
        HeldOrder::from(&Order {
            id: OrderId::sequential(7),
            fields,
            created_micros: 1,
            updated_micros: 1,
        })
    }

    #[test]
    fn text_is_found_in_number_id_name_phone_and_items_in_any_case() {
        let order = held(json!({
            "orderId": "A-12", "customerName": "Zoë Γιώργος", "customerPhone": "+213 555 01", "notes": "ring twice",
            "items": [{"productName": "Crème brûlée"}, {"name": "Tea"}, "Bread", {"productId": 77}],
        }));
        order.drop_document();
        for text in [
            "a-12",
            "ord7",
            "RD7",
            "zoË",
            "ΓΙΏΡΓΟΣ",
            "213 555",
            "BRÛLÉE",
            "tea",
            "bread",
            "77",
        ] {
            assert!(Search::default().with_text(text).matches(&order), "{text}");
        }
        for text in ["ring", "coffee", "8", "tea bread"] {
            assert!(!Search::default().with_text(text).matches(&order), "{text}");
        }
    }

    #[test]
    fn a_phone_number_is_found_however_it_is_punctuated() {
        let stored = |phone: Value| held(json!({"customerPhone": phone}));
        for phone in [
            json!("+213 555 01"),
            json!("(213) 555-01"),
            json!("21355501"),
            json!(21_355_501),
        ] {
            let order = stored(phone.clone());
            for text in [
                "21355501",
                "+213 555 01",
                "213-555",
                "(213)55501",
                "55 501",
                "5501",
            ] {
                let search = Search::default().with_text(text);
                assert!(search.matches(&order), "{text} in {phone}");
            }
        }
        for text in ["213 555 02", "13x555", "x21355501", "-", "+ ()"] {
            let search = Search::default().with_text(text);
            assert!(!search.matches(&stored(json!("21355501"))), "{text}");
        }
        let nothing = stored(json!("none"));
        assert!(!Search::default().with_text("+1").matches(&nothing));
        assert!(
            Search::default()
                .with_text("+1")
                .matches(&stored(json!("1")))
        );
    }

    #[test]
    fn amounts_are_inclusive_and_an_unreadable_one_is_in_no_range() {
        let wants = |min, max, total: Value| {
            let search = Search::default().with_amount(min, max);
            search.matches(&held(json!({"totalAmount": total})))
        };
        assert!(wants(Some(7.5), Some(7.5), json!("$7.50")));
        assert!(!wants(Some(7.51), None, json!(7.5)));
        assert!(!wants(None, Some(7.49), json!(7.5)));
        assert!(!wants(Some(9.0), Some(1.0), json!(5)));
        assert!(!wants(Some(0.0), None, json!("free")));
        assert!(!wants(None, Some(9.0), json!(null)));
        assert!(wants(None, None, json!("free")));
    }

    #[test]
    fn an_order_of_any_size_has_a_bounded_text() {
        let names =
            |length: usize| json!({"items": vec![json!({"name": "ΐ".repeat(length)}); 500]});
        for length in [1, 200, 100_000] {
            let order = held(names(length));
            let bytes = order.searched_text().len();
            assert!(bytes <= TEXT + 1, "{bytes}");
        }
    }
}
