use firestore::gcloud_sdk::google::firestore::v1::CommitResponse;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;

/// Collection and id of the counter that all writers of orders share.
pub(super) const COUNTER: (&str, &str) = ("system", "counters");
pub(super) const COUNTER_FIELD: &str = "orderCounter";

/// The counter as this process knows it.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    pub(super) value: u64,
    /// Holds while no other writer has changed the counter.
    pub(super) condition: ConditionType,
}

impl Counter {
    /// The counter after a commit that has set it to `value`.
    pub(super) fn after(value: u64, response: &CommitResponse) -> Option<Self> {
        let time = response.write_results.first()?.update_time?;
        Some(Self {
            value,
            condition: ConditionType::UpdateTime(time),
        })
    }
}

/// What the last submit of this process leaves to the next one.
#[derive(Default)]
pub(super) struct Last {
    /// The counter after the last commit, so that most submits need no read.
    pub(super) counter: Option<Counter>,
    /// `timestamp` of the last order. The next one gets a later one, so that lists show orders by number.
    pub(super) millis: u64,
}
