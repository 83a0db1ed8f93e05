use std::sync::Arc;
use std::time::Duration;

use super::item::Item;
use super::view::View;
use crate::clock::Clock;
use crate::orders::Position;

/// How far a cursor may be ahead of this machine's clock and still be accepted: another instance may be ahead of this one.
const FUTURE_TOLERANCE: Duration = Duration::from_secs(60);

/// How a reader with a cursor can resume.
pub(super) enum ResumeState {
    /// By receiving `missed`, in the order of positions; then it is at `head`.
    Behind {
        missed: Vec<Arc<Item>>,
        head: Position,
    },
    /// It has missed nothing: its cursor is the head, or ahead of it.
    Current,
    /// It has to start over: its cursor is older than the view reaches.
    Lost { head: Position },
}

impl ResumeState {
    /// The state of a reader that has received everything up to `cursor`.
    pub(super) fn of(view: &View, cursor: &Position, clock: &Clock) -> Self {
        let head = view.head();
        if cursor < view.floor() {
            return Self::Lost { head: head.clone() };
        }
        if cursor > head {
            let tolerance = u64::try_from(FUTURE_TOLERANCE.as_micros()).unwrap_or(u64::MAX);
            if cursor.micros() > clock.micros().saturating_add(tolerance) {
                return Self::Lost { head: head.clone() };
            }
            return Self::Current;
        }
        if cursor == head {
            return Self::Current;
        }
        Self::Behind {
            missed: view.after(cursor).cloned().collect(),
            head: head.clone(),
        }
    }
}
