use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A status that an order can be set to, and that readers can filter by.
///
/// Documents may hold any other text, which is shown unchanged (see [`Order::status`](super::Order::status)) but never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(&'static str);

/// The text is no known status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {0:?}; known are {known}", known = Status::ALL.join(", "))]
pub struct UnknownStatus(String);

/// A column of the desk's board, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Orders that the shop has not accepted yet.
    New,
    /// Orders that are being prepared.
    Preparing,
    /// Orders that are ready or on their way.
    Ready,
    /// Finished orders, which have no column.
    Done,
}

impl Lane {
    /// The columns of the board, in the order of the work.
    pub const BOARD: [Self; 3] = [Self::New, Self::Preparing, Self::Ready];
}

/// What is known of a status: the only place that says it. Scripts get it with the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusFacts {
    /// As stored in documents.
    pub name: &'static str,
    /// Where the board shows it.
    pub lane: Lane,
    /// The next step of the work; `None` at its end.
    pub next: Option<&'static str>,
    /// The next step of a delivery, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_delivery: Option<&'static str>,
    /// The step before, to correct a mistake.
    pub previous: Option<&'static str>,
    /// Whether the order brings no revenue.
    #[serde(skip_serializing_if = "is_false")]
    pub is_void: bool,
    /// Whether only older documents hold it: the desk shows it but doesn't offer it.
    #[serde(skip_serializing_if = "is_false")]
    pub is_outdated: bool,
}

/// All known statuses. An unknown one is shown like the first: in the first column, where it is seen.
pub const STATUSES: [StatusFacts; 13] = {
    use Lane::{Done, New, Preparing, Ready};
    [
        facts("PENDING", New, Some("CONFIRMED"), None),
        facts(
            "CONFIRMED",
            Preparing,
            Some("PREPARING_ORDER"),
            Some("PENDING"),
        ),
        facts(
            "PREPARING_ORDER",
            Preparing,
            Some("READY_FOR_PICKUP"),
            Some("CONFIRMED"),
        ),
        StatusFacts {
            next_delivery: Some("OUT_FOR_DELIVERY"),
            ..facts(
                "READY_FOR_PICKUP",
                Ready,
                Some("COMPLETED"),
                Some("PREPARING_ORDER"),
            )
        },
        facts("ON_WAY", Ready, Some("DELIVERED"), Some("READY_FOR_PICKUP")),
        facts(
            "OUT_FOR_DELIVERY",
            Ready,
            Some("DELIVERED"),
            Some("READY_FOR_PICKUP"),
        ),
        facts("DELIVERED", Done, None, Some("OUT_FOR_DELIVERY")),
        facts(
            "DELIVERY_ATTEMPT_FAILED",
            Ready,
            Some("OUT_FOR_DELIVERY"),
            Some("READY_FOR_PICKUP"),
        ),
        facts("COMPLETED", Done, None, Some("READY_FOR_PICKUP")),
        StatusFacts {
            is_void: true,
            ..facts("CANCELLED", Done, None, Some("PENDING"))
        },
        StatusFacts {
            is_void: true,
            ..facts("RETURNED", Done, None, Some("DELIVERED"))
        },
        StatusFacts {
            is_outdated: true,
            ..facts(
                "PREPARING",
                Preparing,
                Some("READY_FOR_PICKUP"),
                Some("CONFIRMED"),
            )
        },
        StatusFacts {
            is_outdated: true,
            ..facts(
                "DELIVERING",
                Ready,
                Some("DELIVERED"),
                Some("READY_FOR_PICKUP"),
            )
        },
    ]
};

const fn facts(
    name: &'static str,
    lane: Lane,
    next: Option<&'static str>,
    previous: Option<&'static str>,
) -> StatusFacts {
    StatusFacts {
        name,
        lane,
        next,
        next_delivery: None,
        previous,
        is_void: false,
        is_outdated: false,
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// What is known of a status; an unknown one is like the first.
pub fn facts_of(status: &str) -> &'static StatusFacts {
    let found = STATUSES.iter().find(|known| known.name == status);
    found.unwrap_or(&STATUSES[0])
}

/// Statuses of finished orders. All others, including unknown ones, are *open*.
pub fn finished() -> impl Iterator<Item = &'static str> {
    let finished = STATUSES.iter().filter(|known| known.lane == Lane::Done);
    finished.map(|known| known.name)
}

/// Whether an order with this status is finished.
pub fn is_finished(status: &str) -> bool {
    facts_of(status).lane == Lane::Done
}

impl Status {
    /// The status of every new order.
    pub const PENDING: Self = Self("PENDING");
    /// The shop or the customer has cancelled the order.
    pub const CANCELLED: Self = Self("CANCELLED");

    /// The names of all known statuses.
    pub const ALL: [&'static str; STATUSES.len()] = {
        let mut names = [""; STATUSES.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = STATUSES[at].name;
            at += 1;
        }
        names
    };

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

    #[test]
    fn the_steps_of_the_table_are_known_statuses() {
        for known in &STATUSES {
            let steps = [known.next, known.next_delivery, known.previous];
            for step in steps.into_iter().flatten() {
                assert_eq!(facts_of(step).name, step, "from {}", known.name);
                assert!(!facts_of(step).is_outdated, "from {}", known.name);
            }
            assert_eq!(known.next.is_none(), known.lane == Lane::Done);
        }
    }

    #[test]
    fn open_orders_of_the_embedded_store_are_those_of_the_table() {
        let listed = finished().map(|name| format!("'{name}'"));
        let listed = listed.collect::<Vec<_>>().join(", ");
        let schema = include_str!("../embedded/schema.rs");
        assert!(schema.contains(&format!("NOT IN ({listed})")), "{listed}");
    }
}
