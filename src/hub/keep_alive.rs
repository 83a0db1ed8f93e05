use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::{Instant, Sleep, sleep_until};

use super::settings::HubSettings;

/// A stream ends at a random time in the last fifth of its maximum age, so that not all end at once.
const LEAVING: std::ops::RangeInclusive<f64> = 0.8..=1.0;

/// Timer of an idle stream: heartbeats, and the end at its maximum age.
pub(super) struct KeepAlive {
    alarm_at: Instant,
    /// Waker registered with the timer; the timer is polled only after the deadline.
    alarmed: Option<Waker>,
    /// Reset only after it has fired, so that an event costs no timer operation.
    alarm: Pin<Box<Sleep>>,
    /// Whether something was sent since the timer was last looked at.
    has_spoken: bool,
    spoken_at: Instant,
    leave_at: Instant,
}

/// What is due.
pub(super) enum Due {
    /// Nothing was sent for one interval.
    Heartbeat,
    /// The stream has reached its maximum age.
    Leave,
}

impl KeepAlive {
    pub(super) fn new(settings: &HubSettings) -> Self {
        let now = Instant::now();
        let alarm_at = now + settings.heartbeat;
        Self {
            alarm_at,
            alarmed: None,
            alarm: Box::pin(sleep_until(alarm_at)),
            has_spoken: false,
            spoken_at: now,
            leave_at: now + settings.max_age.mul_f64(rand::rng().random_range(LEAVING)),
        }
    }

    /// Records that something was sent.
    pub(super) fn spoke(&mut self) {
        self.has_spoken = true;
    }

    /// To be called when there is nothing else to send. `interval` is the time between heartbeats.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>, interval: Duration) -> Poll<Due> {
        let now = Instant::now();
        if mem::take(&mut self.has_spoken) {
            self.spoken_at = now;
        }
        let is_set = matches!(&self.alarmed, Some(waker) if waker.will_wake(cx.waker()));
        if is_set && now < self.alarm_at {
            return Poll::Pending;
        }
        if !is_set {
            self.alarmed = Some(cx.waker().clone());
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if now >= self.leave_at {
                return Poll::Ready(Due::Leave);
            }
            let due = self.spoken_at + interval;
            let is_due = now >= due;
            self.alarm_at = if is_due { now + interval } else { due };
            self.alarm.as_mut().reset(self.alarm_at);
            if is_due {
                // tokio makes no promise about the waker of a timer that has fired: it is registered again.
                self.alarmed = None;
                return Poll::Ready(Due::Heartbeat);
            }
        }
        Poll::Pending
    }
}
