use std::fmt;
use std::str::FromStr;

/// A status that an order can be set to, and that readers can filter by.
///
/// Documents may hold any other text, which is shown unchanged (see [`Order::status`](super::Order::status)) but never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(&'static str);

/// The text is no known status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {0:?}; known are {known}", known = Status::ALL.join(", "))]
pub struct UnknownStatus(String);

/// Statuses of finished orders. All others, including unknown ones, are *open*.
pub const FINISHED: [&str; 4] = ["DELIVERED", "COMPLETED", "CANCELLED", "RETURNED"];

/// Whether an order with this status is finished.
pub fn is_finished(status: &str) -> bool {
    FINISHED.contains(&status)
}

impl Status {
    /// The status of every new order.
    pub const PENDING: Self = Self("PENDING");
    /// The shop or the customer has cancelled the order.
    pub const CANCELLED: Self = Self("CANCELLED");

    /// All known statuses; the last two appear only in older documents.
    pub const ALL: [&'static str; 13] = [
        "PENDING",
        "CONFIRMED",
        "PREPARING_ORDER",
        "READY_FOR_PICKUP",
        "ON_WAY",
        "OUT_FOR_DELIVERY",
        "DELIVERED",
        "DELIVERY_ATTEMPT_FAILED",
        "COMPLETED",
        "CANCELLED",
        "RETURNED",
        "PREPARING",
        "DELIVERING",
    ];

    /// The status as stored in documents.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Parses a comma-separated list such as `PENDING,CONFIRMED`, ignoring case and empty parts. Each status is in the result once,
    /// however often the list repeats it.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UnknownStatus> {
        let mut found = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let status = Self::find(part, str::eq_ignore_ascii_case)?;
            if !found.contains(&status) {
                found.push(status);
            }
        }
        Ok(found)
    }

    fn find(text: &str, is_same: impl Fn(&str, &str) -> bool) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|known| is_same(known, text))
            .map(Self)
            .ok_or_else(|| UnknownStatus(text.chars().take(60).collect()))
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::find(text, |known, text| known == text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_each_status_once() {
        let many = "delivered,DELIVERED, Pending ,,".repeat(200);
        let found = Status::parse_list(&many).expect("known statuses");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].as_str(), "DELIVERED");
        assert!(Status::parse_list("DELIVERED,LOST").is_err());
    }
}
