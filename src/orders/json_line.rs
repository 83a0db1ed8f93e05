use bytes::Bytes;
use serde::Serialize;

/// Unicode line breaks that JSON leaves unescaped, and their escapes.
const LINE_BREAKS: [(char, &str); 3] = [
    ('\u{85}', "\\u0085"),
    ('\u{2028}', "\\u2028"),
    ('\u{2029}', "\\u2029"),
];

/// Serializes data as JSON on one line for every reader: Python, for example, also splits lines at Unicode breaks.
///
/// Types in this program always serialize; a failure would give `null`.
pub fn json_line(data: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    // First bytes of these characters in UTF-8, which most texts don't contain.
    let is_suspect = json.bytes().any(|byte| byte == 0xc2 || byte == 0xe2);
    if !is_suspect {
        return json.into();
    }
    let escaped = LINE_BREAKS.iter().fold(json, |json, (character, escape)| {
        if json.contains(*character) {
            json.replace(*character, escape)
        } else {
            json
        }
    });
    escaped.into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn no_character_ends_the_line() {
        let text = "a\u{85}b\u{2028}c\u{2029}d\r\n\u{b}\u{c}\u{1c}\u{1d}\u{1e}e £ … é فريزلي";
        let line = json_line(&json!({"name": text}));
        let line = std::str::from_utf8(&line).expect("UTF-8");
        let breaks = "\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}";
        assert!(!line.contains(|c| breaks.contains(c)), "{line}");
        assert!(line.contains("£ … é فريزلي"), "{line}");
        let read: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(read["name"], text);
    }
}
