//! Days as they are billed: they begin at midnight in California.

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// The last midnight in California, in milliseconds since the epoch.
pub(super) fn day_start(millis: u64) -> u64 {
    let local_midnight = |offset: u64| (millis.saturating_sub(offset) / DAY * DAY) + offset;
    let start = local_midnight(offset(millis));
    // The clocks change at two in the morning: that day began under the other offset.
    local_midnight_under(start, millis)
}

fn local_midnight_under(start: u64, millis: u64) -> u64 {
    let (then, now) = (offset(start), offset(millis));
    if then == now {
        start
    } else {
        start + then - now
    }
}

/// How far California is behind UTC: 7 hours in summer, 8 in winter, by the rule of 2007.
fn offset(millis: u64) -> u64 {
    let year = year_of(millis / DAY);
    let summer = nth_sunday(year, 3, 2) * DAY + 10 * HOUR;
    let winter = nth_sunday(year, 11, 1) * DAY + 9 * HOUR;
    if (summer..winter).contains(&millis) {
        7 * HOUR
    } else {
        8 * HOUR
    }
}

fn year_of(day: u64) -> u64 {
    let mut year = 1970 + day / 366;
    while days_before(year + 1) <= day {
        year += 1;
    }
    year
}

/// Days from the epoch to the first of January of `year`.
fn days_before(year: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

/// The day, counted from the epoch, of the `nth` Sunday in March or November.
fn nth_sunday(year: u64, month: u64, nth: u64) -> u64 {
    let leap = days_before(year + 1) - days_before(year) - 365;
    let before_month = if month == 3 { 59 } else { 304 };
    let first = days_before(year) + before_month + leap;
    // The epoch was a Thursday.
    let weekday = (first + 4) % 7;
    first + (7 - weekday) % 7 + (nth - 1) * 7
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (now, start) in cases {
            assert_eq!(day_start(now * SECOND), start * SECOND, "{now}");
        }
    }
}
