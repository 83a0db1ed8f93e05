use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Digest;

/// How long a repeated idempotency key is recognised, in hours.
pub const IDEMPOTENCY_HOURS: u64 = 24;
/// The same in milliseconds.
pub const IDEMPOTENCY_MILLIS: u64 = IDEMPOTENCY_HOURS * 3_600_000;

/// A client's idempotency key, bound to a submit: a repeat must come from the same user with the same body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    text: String,
    fingerprint: Digest,
}

impl IdempotencyKey {
    /// The key `text` for a `body` that `user` submits. The order of map fields doesn't matter.
    pub fn new(text: &str, user: &str, body: &Value) -> Self {
        let mut hash = Sha256::new();
        add_text(&mut hash, user);
        add(&mut hash, body);
        Self {
            text: text.to_owned(),
            fingerprint: hash.finalize().into(),
        }
    }

    /// The key as sent by the client.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the key as sent by the client.
    pub fn digest(&self) -> Digest {
        Sha256::digest(&self.text).into()
    }

    /// SHA-256 of the user and the body.
    pub fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    /// Whether a stored fingerprint is this submit's. `None`, of keys from earlier versions, matches any.
    pub fn matches(&self, stored: Option<&[u8]>) -> bool {
        stored.is_none_or(|stored| stored == self.fingerprint)
    }
}

/// Hashes every part with a tag and a length, so that no two values have the same encoding.
fn add(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update(b"0"),
        Value::Bool(flag) => hash.update(if *flag { b"t" } else { b"f" }),
        Value::Number(number) => {
            hash.update(b"n");
            add_text(hash, &number.to_string());
        }
        Value::String(text) => add_text(hash, text),
        Value::Array(list) => {
            hash.update(b"a");
            hash.update((list.len() as u64).to_be_bytes());
            for inner in list {
                add(hash, inner);
            }
        }
        Value::Object(map) => {
            hash.update(b"o");
            hash.update((map.len() as u64).to_be_bytes());
            for (name, inner) in map.iter().collect::<BTreeMap<_, _>>() {
                add_text(hash, name);
                add(hash, inner);
            }
        }
    }
}

fn add_text(hash: &mut Sha256, text: &str) {
    hash.update(b"s");
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_user_and_the_body_count_and_the_order_of_fields_does_not() {
        let body = json!({"a": 1, "b": {"c": [1, "2"], "d": null}});
        let key = IdempotencyKey::new("k", "u", &body);
        let reordered = json!({"b": {"d": null, "c": [1, "2"]}, "a": 1});
        assert_eq!(IdempotencyKey::new("k", "u", &reordered), key);
        for other in [
            IdempotencyKey::new("k", "v", &body),
            IdempotencyKey::new("k", "u", &json!({"a": 1, "b": {"c": [1, 2], "d": null}})),
            IdempotencyKey::new("k", "u", &json!({"a": 1, "b": {"c": ["2", 1], "d": null}})),
            IdempotencyKey::new("k", "u", &json!({"a": 1, "b": {"c": [1, "2"]}, "d": null})),
        ] {
            assert!(!key.matches(Some(other.fingerprint())), "{other:?}");
        }
        assert!(key.matches(None) && key.matches(Some(key.fingerprint())));
    }

    proptest! {
        #[test]
        fn parts_cannot_be_moved_between_the_user_and_the_body(text in "[a-z/]{1,8}", cut in 0_usize..8) {
            let cut = cut.min(text.len());
            let whole = IdempotencyKey::new("k", &text, &json!(""));
            let moved = IdempotencyKey::new("k", &text[..cut], &json!(text[cut..]));
            prop_assert_eq!(cut == text.len(), whole == moved);
        }
    }
}
