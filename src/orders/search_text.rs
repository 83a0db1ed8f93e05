use super::Order;
use super::card::{PHONE, item_name};

/// Maximum bytes of an order that a text search looks at.
pub(super) const TEXT: usize = 4_096;

/// The searchable texts of an order, one per line.
pub(super) fn text_of(order: &Order) -> Box<str> {
    let mut text = String::new();
    let mut add = |part: &str| {
        let room = TEXT.saturating_sub(text.len());
        let part = &part[..part.floor_char_boundary(room)];
        if !part.is_empty() {
            text.extend(folded(part));
            // Folding makes some letters longer.
            text.truncate(text.floor_char_boundary(TEXT));
            text.push('\n');
        }
        room > 0
    };
    let number = order.order_id();
    add(&number);
    if number != order.id.as_str() {
        add(order.id.as_str());
    }
    add(&order.customer_name());
    let phone = order.text(&PHONE);
    add(&phone);
    let phone_digits = digits(&phone);
    if *phone_digits != *phone {
        add(&phone_digits);
    }
    let items = order.fields.get("items").and_then(|items| items.as_array());
    for item in items.into_iter().flatten() {
        if !add(&item_name(item)) {
            break;
        }
    }
    text.into()
}

/// The digits of `text`.
pub(super) fn digits(text: &str) -> Box<str> {
    let digits = text.chars().filter(char::is_ascii_digit);
    digits.collect::<String>().into()
}

/// Folds case: to upper case first, since some letters have two lower cases.
pub(super) fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}
