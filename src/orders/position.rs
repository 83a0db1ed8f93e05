use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::OrderId;

/// Characters to encode: all but letters, digits, `.`, `_`, `~` and `-`, so that a cursor is safe in a header, a URL and an
/// event's `id` line.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'-');

/// A position in the total order of changes: the store's commit time, then the document's id.
///
/// As text, `<microseconds>-<percent-encoded id>`, it is the *cursor* that clients keep. Both parts come from the store, so it
/// stays valid after a restart and on every instance on the same store.
///
/// ```
/// use orderbell::orders::{OrderId, Position};
///
/// let id = OrderId::parse("ORD13")?;
/// let position = Position::new(1_771_842_399_000_001, &id);
/// assert_eq!(position.to_string(), "1771842399000001-ORD13");
/// let cursor: Position = "1771842399000001-ORD13".parse()?;
/// assert_eq!(cursor, position);
/// // The time counts first, then the id.
/// assert!(cursor < "1771842399000001-ORD14".parse()?);
/// assert!(cursor < "1771842399000002-ORD1".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    micros: u64,
    /// `None` at the beginning, and at a bare point in time.
    id: Option<OrderId>,
}

/// The text is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is <commit time in microseconds>-<percent-encoded document id>")]
pub struct InvalidCursor;

impl Position {
    /// Before every order.
    pub fn beginning() -> Self {
        Self::at(0)
    }

    /// Before every order of this time, and after all that are older.
    pub fn at(micros: u64) -> Self {
        Self { micros, id: None }
    }

    /// Position of the change of `id` committed at `micros`.
    pub fn new(micros: u64, id: &OrderId) -> Self {
        Self {
            micros,
            id: Some(id.clone()),
        }
    }

    /// Commit time in microseconds since the Unix epoch.
    pub fn micros(&self) -> u64 {
        self.micros
    }

    /// The document's id; empty if there is none.
    pub fn id(&self) -> &str {
        self.id.as_ref().map_or("", OrderId::as_str)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}",
            self.micros,
            utf8_percent_encode(self.id(), ENCODED)
        )
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Position {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (micros, id) = text.split_once('-').ok_or(InvalidCursor)?;
        if micros.is_empty() || !micros.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidCursor);
        }
        let micros = micros.parse().map_err(|_| InvalidCursor)?;
        // A raw '%' that starts no escape, or a control character, is in no cursor of this program.
        if !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidCursor);
        }
        let id = percent_decode_str(id)
            .decode_utf8()
            .map_err(|_| InvalidCursor)?;
        let id = match &*id {
            "" => None,
            id => Some(OrderId::parse(id).map_err(|_| InvalidCursor)?),
        };
        Ok(Self { micros, id })
    }
}

impl serde::Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> impl Strategy<Value = OrderId> {
        any::<String>().prop_filter_map("an order id", |text| OrderId::parse(&text).ok())
    }

    proptest! {
        #[test]
        fn text_round_trips_and_is_plain_ascii(micros: u64, id in id()) {
            let position = Position::new(micros, &id);
            let text = position.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            prop_assert_eq!(text.parse::<Position>(), Ok(position));
        }

        #[test]
        fn order_is_by_time_and_then_by_id(a: (u64, u8), b: (u64, u8)) {
            let at = |(micros, n): (u64, u8)| Position::new(micros, &OrderId::sequential(n.into()));
            let expected = a.0.cmp(&b.0).then_with(|| format!("ORD{}", a.1).cmp(&format!("ORD{}", b.1)));
            prop_assert_eq!(at(a).cmp(&at(b)), expected);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            if let Ok(position) = text.parse::<Position>() {
                prop_assert_eq!(position.to_string().parse::<Position>(), Ok(position));
            }
        }
    }

    #[test]
    fn refuses_what_is_no_cursor() {
        for bad in [
            "",
            "-",
            "12",
            "-ORD1",
            "+1-ORD1",
            "1.5-ORD1",
            "1-a/b",
            "1-%2F",
            "1-%FF",
            "1-a b",
            "1-..",
            "99999999999999999999999-ORD1",
            "1-a\nb",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(InvalidCursor), "{bad}");
        }
        assert_eq!("0-".parse(), Ok(Position::beginning()));
    }
}
