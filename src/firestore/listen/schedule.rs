//! When a stream is opened, given up, and opened again, as a function of time: owns no socket and no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{Backoff, LONGEST};
use crate::firestore::fault::Fault;

/// Maximum time for the server to accept a stream.
const OPENING: Duration = Duration::from_secs(15);
/// A stream that has been open this long was healthy: its end may reset the backoff.
const HEALTHY: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Waiting { until: Instant },
    Opening { since: Instant },
    Open { since: Instant, heard: Instant },
}

/// What has to be done when the time of [`Schedule::deadline`] has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Open a stream; over a new channel if `rebuild` is set.
    Open { rebuild: bool },
    /// Give the stream up.
    GiveUp(Fault),
}

/// The times of a stream, from its opening to the next attempt.
pub(crate) struct Schedule {
    phase: Phase,
    /// Silence after which an open stream counts as dead.
    silence: Duration,
    backoff: Backoff,
    chance: Box<dyn FnMut() -> f64 + Send>,
    rebuild: bool,
}

impl Schedule {
    /// The first stream is opened at `now`. `chance` returns random numbers between 0 and 1.
    pub(crate) fn new(
        silence: Duration,
        chance: impl FnMut() -> f64 + Send + 'static,
        now: Instant,
    ) -> Self {
        Self {
            phase: Phase::Waiting { until: now },
            silence,
            backoff: Backoff::default(),
            chance: Box::new(chance),
            rebuild: true,
        }
    }

    /// When something is due next, unless the stream has a message before.
    pub(crate) fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Waiting { until } => until,
            Phase::Opening { since } => since + OPENING,
            Phase::Open { heard, .. } => heard + self.silence,
        }
    }

    /// What is due at `now`, if anything. After [`Due::Open`] the schedule expects [`opened`](Self::opened), after
    /// [`Due::GiveUp`] one of the waits.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Due> {
        if now < self.deadline() {
            return None;
        }
        let fault = match self.phase {
            Phase::Waiting { .. } => {
                self.phase = Phase::Opening { since: now };
                let rebuild = std::mem::take(&mut self.rebuild);
                return Some(Due::Open { rebuild });
            }
            Phase::Opening { .. } => format!(
                "Firestore has not accepted the stream within {} s",
                OPENING.as_secs()
            ),
            Phase::Open { .. } => format!(
                "Firestore has sent nothing for {} s",
                self.silence.as_secs_f32()
            ),
        };
        // The channel may be dead.
        self.rebuild = true;
        Some(Due::GiveUp(Fault::transient(fault)))
    }

    /// The server has accepted the stream.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.phase = Phase::Open {
            since: now,
            heard: now,
        };
    }

    /// The server has sent a message. Returns `false` if the stream isn't open any more.
    pub(crate) fn heard(&mut self, now: Instant) -> bool {
        let Phase::Open { heard, .. } = &mut self.phase else {
            return false;
        };
        *heard = now;
        true
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    /// Whether the stream has been open for long enough to count as healthy. A stream that ends early must not reset the
    /// backoff: its contents would be read, and billed, again and again.
    pub(crate) fn is_healthy(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Open { since, .. } if since + HEALTHY <= now)
    }

    pub(crate) fn reset_backoff(&mut self) {
        self.backoff.reset();
    }

    /// Makes the next attempt use a new channel.
    pub(crate) fn rebuild(&mut self) {
        self.rebuild = true;
    }

    /// The stream is closed; the next attempt follows after a pause.
    pub(crate) fn wait(&mut self, now: Instant, pause: Duration) {
        self.phase = Phase::Waiting { until: now + pause };
    }

    /// The same, with the pause of the backoff.
    pub(crate) fn wait_with_backoff(&mut self, now: Instant) {
        let pause = self.backoff.next((self.chance)());
        self.wait(now, pause);
    }

    /// The same, with the longest pause of the backoff.
    pub(crate) fn wait_longest(&mut self, now: Instant) {
        self.wait(now, LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(75);

    /// A schedule whose first attempt has begun.
    fn opening() -> (Schedule, Instant) {
        let now = Instant::now();
        let mut schedule = Schedule::new(SILENCE, || 0.5, now);
        assert_eq!(schedule.due(now), Some(Due::Open { rebuild: true }));
        (schedule, now)
    }

    #[test]
    fn a_stream_that_is_not_accepted_is_given_up_and_opened_over_a_new_channel() {
        let (mut schedule, start) = opening();
        assert_eq!(schedule.due(start + Duration::from_secs(14)), None);
        let now = start + Duration::from_secs(15);
        assert_eq!(schedule.deadline(), now);
        let Some(Due::GiveUp(fault)) = schedule.due(now) else {
            panic!("it waits for ever")
        };
        assert!(fault.message.contains("15 s"), "{}", fault.message);
        schedule.wait_with_backoff(now);
        assert!(schedule.is_waiting());
        assert_eq!(schedule.due(now), Some(Due::Open { rebuild: true }));
    }

    #[test]
    fn each_message_postpones_the_end_of_a_silent_stream() {
        let (mut schedule, mut now) = opening();
        schedule.opened(now);
        for _ in 0..3 {
            now += Duration::from_secs(74);
            assert_eq!(schedule.due(now), None);
            assert!(schedule.heard(now));
        }
        now += SILENCE;
        assert!(matches!(schedule.due(now), Some(Due::GiveUp(_))));
        schedule.wait(now, Duration::ZERO);
        assert!(!schedule.heard(now), "a message of the stream before");
    }

    #[test]
    fn a_channel_is_used_again_unless_it_has_to_be_rebuilt() {
        let (mut schedule, now) = opening();
        schedule.opened(now);
        schedule.wait(now, Duration::ZERO);
        assert_eq!(schedule.due(now), Some(Due::Open { rebuild: false }));
        schedule.wait(now, Duration::ZERO);
        schedule.rebuild();
        assert_eq!(schedule.due(now), Some(Due::Open { rebuild: true }));
    }

    #[test]
    fn only_a_stream_that_has_lasted_is_healthy() {
        let (mut schedule, start) = opening();
        assert!(!schedule.is_healthy(start + HEALTHY));
        schedule.opened(start);
        assert!(!schedule.is_healthy(start + Duration::from_secs(9)));
        assert!(schedule.is_healthy(start + HEALTHY));
    }

    #[test]
    fn pauses_grow_until_the_backoff_is_reset() {
        let (mut schedule, mut now) = opening();
        let mut pauses = Vec::new();
        for _ in 0..3 {
            schedule.wait_with_backoff(now);
            pauses.push((schedule.deadline() - now).as_millis());
            now = schedule.deadline();
        }
        assert_eq!(pauses, [0, 1_000, 1_500]);
        schedule.reset_backoff();
        schedule.wait_with_backoff(now);
        assert_eq!(schedule.deadline(), now);
    }
}
