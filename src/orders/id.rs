use std::fmt;
use std::sync::Arc;

/// The id of an order's document, unique in its store.
///
/// Any text that Firestore accepts as a document id: 1 to 1500 bytes, no `/`, not `.` or `..`, and not `__…__`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(Arc<str>);

/// The text can't be the id of an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an order id has 1 to 1500 bytes, no slash, and is not '.', '..' or '__…__'")]
pub struct InvalidOrderId;

impl OrderId {
    /// Maximum length of an id in bytes (Firestore's limit).
    pub const MAX_BYTES: usize = 1500;

    /// Parses an id.
    pub fn parse(text: &str) -> Result<Self, InvalidOrderId> {
        let reserved = text.len() >= 4 && text.starts_with("__") && text.ends_with("__");
        if text.is_empty()
            || text.len() > Self::MAX_BYTES
            || text.contains('/')
            || text == "."
            || text == ".."
            || reserved
        {
            return Err(InvalidOrderId);
        }
        Ok(Self(text.into()))
    }

    /// The id of the order with this sequential number: `ORD<n>`.
    pub fn sequential(number: u64) -> Self {
        Self(format!("ORD{number}").into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl serde::Serialize for OrderId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_firestore_takes() {
        for good in ["ORD1", "name with spaces, ünïcode & %2F", "-", "__a", "..."] {
            assert_eq!(
                OrderId::parse(good).map(|id| id.to_string()),
                Ok(good.into())
            );
        }
        let long = "x".repeat(1501);
        for bad in ["", "a/b", ".", "..", "__x__", "____", long.as_str()] {
            assert_eq!(OrderId::parse(bad), Err(InvalidOrderId), "{bad}");
        }
    }
}
