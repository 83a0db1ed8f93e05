use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Collects a `batch`. Slots are not read meanwhile: when the timer ends, the events come from the view, like a replay.
pub(super) struct BatchTimer {
    interval: Duration,
    /// Started by the first event that was not yet yielded.
    timer: Option<Pin<Box<Sleep>>>,
}

impl BatchTimer {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            timer: None,
        }
    }

    /// Starts the timer unless it runs.
    pub(super) fn start(&mut self) {
        let interval = self.interval;
        self.timer
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + interval)));
    }

    /// True once when the timer has run down.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(timer) = &mut self.timer else {
            return false;
        };
        let has_ended = timer.as_mut().poll(cx).is_ready();
        if has_ended {
            self.timer = None;
        }
        has_ended
    }
}
