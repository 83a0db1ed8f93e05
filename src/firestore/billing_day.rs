use crate::zone::Zone;

/// Google's billing days, which begin at midnight in California.
pub(super) struct BillingDays(Zone);

impl Default for BillingDays {
    fn default() -> Self {
        // Part of the time zone database that is built into the program.
        Self(Zone::named("America/Los_Angeles").unwrap_or_else(Zone::of_machine))
    }
}

impl BillingDays {
    /// Start of the day that `millis` is in. Both in milliseconds since the epoch.
    pub(super) fn start(&self, millis: u64) -> u64 {
        self.0.day_of(millis.saturating_mul(1_000)).start / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;

    #[test]
    fn days_begin_at_midnight_in_summer_and_in_winter() {
        // Computed with another program: (instant, start of its day), in seconds.
        let cases = [
            (1_772_092_799, 1_772_006_400), // 2026-02-25T23:59:59-08:00
            (1_772_092_800, 1_772_092_800), // 2026-02-26T00:00:00-08:00
            (1_783_062_000, 1_783_062_000), // 2026-07-03T00:00:00-07:00
            (1_783_061_999, 1_782_975_600), // 2026-07-02T23:59:59-07:00
            (1_772_960_400, 1_772_956_800), // 2026-03-08T01:00:00-08:00, before the clocks change
            (1_772_967_600, 1_772_956_800), // 2026-03-08T04:00:00-07:00, after it
            (1_793_520_000, 1_793_516_400), // 2026-11-01T01:00:00-07:00
            (1_793_534_400, 1_793_516_400), // 2026-11-01T04:00:00-08:00
            (1_709_193_600, 1_709_193_600), // 2024-02-29T00:00:00-08:00
        ];
        let days = BillingDays::default();
        for (now, start) in cases {
            assert_eq!(days.start(now * SECOND), start * SECOND, "{now}");
        }
    }
}
