//! Numbers that programs write as numbers or as text.

use serde_json::Value;

/// An amount of money: a number, or text with a currency around it, such as `"$12.50"`.
pub(super) fn amount(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => finite(without_currency(text)),
        _ => None,
    }
}

/// The quantity of an item: a number, or numeric text.
pub(super) fn quantity(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => finite(text.trim()),
        _ => None,
    }
}

/// The amount of a submit: text must be a plain decimal, so that every reader parses the same number.
pub(super) fn plain_amount(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => decimal(without_currency(text), 12),
        other => other.as_f64(),
    }
}

/// The quantity of a submit's item; see [`plain_amount`].
pub(super) fn plain_quantity(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => decimal(text.trim_matches(' '), 9),
        other => other.as_f64(),
    }
}

fn without_currency(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-'))
}

/// Parses digits with at most one point in any place, without sign and exponent.
fn decimal(text: &str, most_whole_digits: usize) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    (whole.len() <= most_whole_digits && is_plain(whole) && is_plain(fraction))
        .then(|| finite(text))
        .flatten()
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_may_have_a_currency_and_quantities_may_not() {
        for (text, expected) in [
            ("12.50", Some(12.5)),
            ("$12.50", Some(12.5)),
            ("12.5 DA", Some(12.5)),
            (".5", Some(0.5)),
            ("7.", Some(7.0)),
            ("", None),
            (".", None),
            ("free", None),
            ("-3", None),
            ("1.2.3", None),
            ("1,200", None),
            ("1e3", None),
            ("inf", None),
            ("NaN", None),
            ("9999999999999", None),
        ] {
            assert_eq!(plain_amount(&json!(text)), expected, "{text}");
        }
        for (text, expected) in [
            ("2", Some(2.0)),
            (" 1.5 ", Some(1.5)),
            ("$2", None),
            ("2 kg", None),
            ("inf", None),
            ("-1", None),
        ] {
            assert_eq!(plain_quantity(&json!(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_a_submit_may_hold_is_read_the_same_when_it_is_shown() {
        for value in [
            json!(3),
            json!("3"),
            json!(" 3.5 "),
            json!(".5"),
            json!("7."),
        ] {
            assert_eq!(plain_quantity(&value), quantity(&value), "{value}");
            assert_eq!(plain_amount(&value), amount(&value), "{value}");
            assert!(amount(&value).is_some(), "{value}");
        }
    }
}
