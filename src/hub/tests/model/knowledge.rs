use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use super::truth::Truth;
use crate::orders::is_finished;

/// Whatever newer orders there are: every open order is known as it is, and what is known as open is open.
pub(super) fn must_know_open(
    known: &BTreeMap<String, String>,
    truth: &Truth,
    is_wanted: impl Fn(&str) -> bool,
) {
    if truth.has_hidden {
        return;
    }
    for (id, order) in &truth.orders {
        let status = order.status();
        if !is_finished(status) && is_wanted(status) {
            assert_eq!(known.get(id).map(String::as_str), Some(status), "{id}");
        }
    }
    for (id, status) in known.iter().filter(|(_, status)| !is_finished(status)) {
        let order = truth.orders.get(id).expect("what is known exists");
        assert_eq!(order.status(), status, "{id}");
    }
}

pub(super) fn fetch(hub: &Hub, filter: Option<&Filter>) -> (BTreeMap<String, String>, Position) {
    let recent = hub.newest(usize::MAX, filter);
    let known = recent.items.iter().filter_map(|item| item.order());
    (
        known
            .map(|order| (order.id.to_string(), order.status().to_owned()))
            .collect(),
        recent.cursor,
    )
}

/// The newest state of every order in the window is known. What has happened to orders while they were outside of the window
/// isn't told; they are back in it when newer ones were removed.
pub(super) fn must_know(
    hub: &Hub,
    known: &BTreeMap<String, String>,
    outside: &BTreeSet<String>,
    filter: Option<&Filter>,
) {
    for (id, status) in fetch(hub, None).0 {
        if !outside.contains(&id) {
            let is_wanted = filter.is_none_or(|filter| filter.has(&status));
            assert_eq!(known.get(&id), is_wanted.then_some(&status), "{id}");
        }
    }
}
