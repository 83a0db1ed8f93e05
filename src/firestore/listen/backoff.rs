use std::time::Duration;

/// Maximum pause between two attempts.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// First pause; the first attempt after a healthy stream has none.
const FIRST: Duration = Duration::from_secs(1);
/// Growth of each pause over the one before.
const FACTOR: f64 = 1.5;

/// Pauses between attempts: none, then one second, growing by half each time up to a minute. Each is spread by half so that many
/// instances don't come back at once.
#[derive(Default)]
pub(super) struct Backoff {
    attempts: i32,
}

impl Backoff {
    /// The next pause; `chance` is a random number between 0 and 1.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let attempt = self.attempts;
        self.attempts = attempt.saturating_add(1);
        if attempt == 0 {
            return Duration::ZERO;
        }
        let full = FIRST.as_secs_f64() * FACTOR.powi(attempt - 1);
        Duration::from_secs_f64(
            (full.min(LONGEST.as_secs_f64()) * (0.5 + chance)).min(LONGEST.as_secs_f64()),
        )
    }

    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..14).map(|_| backoff.next(0.5).as_millis()).collect();
        assert_eq!(pauses[..5], [0, 1_000, 1_500, 2_250, 3_375]);
        assert_eq!(pauses[13], 60_000);
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::ZERO);
        assert_eq!(backoff.next(0.0), Duration::from_millis(500));
    }
}
