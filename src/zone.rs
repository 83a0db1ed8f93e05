//! The time zone of the shop's days.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A time zone, with its daylight saving rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The machine's zone (the variable `TZ`, else `/etc/localtime` or the system's equivalent); UTC if it has none.
    pub fn of_machine() -> Self {
        Self(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }

    /// The zone with this IANA name, such as `Africa/Algiers`. Prefers the machine's copy of the database, which may be newer
    /// than the one in this program.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name)
            .or_else(|_| TimeZoneDatabase::bundled().get(name))
            .ok()
            .filter(|zone| !zone.is_unknown())
            .map(Self)
    }

    /// The zone's IANA name, which the machine's zone may lack.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("the machine's own")
    }

    /// The day `date`, in microseconds since the epoch, clamped at the epoch. It starts at midnight, or if clocks skip
    /// midnight, at the first time after it that exists.
    pub fn day(&self, date: Date) -> Range<u64> {
        let end = date.tomorrow().map_or(u64::MAX, |next| self.start(next));
        self.start(date)..end
    }

    /// The day that contains the time `micros`. Both in microseconds since the epoch.
    pub fn day_of(&self, micros: u64) -> Range<u64> {
        let time = i64::try_from(micros)
            .ok()
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .unwrap_or(Timestamp::MAX);
        self.day(self.0.to_datetime(time).date())
    }

    fn start(&self, date: Date) -> u64 {
        match date.to_zoned(self.0.clone()) {
            Ok(midnight) => {
                u64::try_from(midnight.timestamp().as_microsecond()).unwrap_or_default()
            }
            // Too close to an end of jiff's calendar.
            Err(_) if date.year() < 1970 => 0,
            Err(_) => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const HOUR: u64 = 3_600_000_000;

    fn zone(name: &str) -> Zone {
        Zone::named(name).unwrap_or_else(|| panic!("no zone {name}"))
    }

    fn micros(text: &str) -> u64 {
        let time: Timestamp = text.parse().expect("a time");
        time.as_microsecond().try_into().expect("after the epoch")
    }

    /// The day's start, and its length in hours.
    fn day(name: &str, date: Date) -> (u64, u64) {
        let day = zone(name).day(date);
        (day.start, (day.end - day.start) / HOUR)
    }

    #[test]
    fn days_begin_at_the_zones_midnight() {
        let algiers = day("Africa/Algiers", date(2026, 2, 23));
        assert_eq!(algiers, (micros("2026-02-22T23:00:00Z"), 24));
        let tokyo = day("Asia/Tokyo", date(2026, 2, 23));
        assert_eq!(tokyo, (micros("2026-02-22T15:00:00Z"), 24));
        assert_eq!(day("UTC", date(1970, 1, 1)), (0, 24));
    }

    #[test]
    fn days_on_which_clocks_change_are_shorter_or_longer() {
        let spring = day("Europe/Paris", date(2026, 3, 29));
        assert_eq!(spring, (micros("2026-03-28T23:00:00Z"), 23));
        let after = day("Europe/Paris", date(2026, 3, 30));
        assert_eq!(after, (micros("2026-03-29T22:00:00Z"), 24));
        let autumn = day("Europe/Paris", date(2026, 10, 25));
        assert_eq!(autumn, (micros("2026-10-24T22:00:00Z"), 25));
    }

    #[test]
    fn a_day_without_midnight_begins_with_its_first_hour() {
        // Midnight to one o'clock did not exist.
        let sao_paulo = day("America/Sao_Paulo", date(2018, 11, 4));
        assert_eq!(sao_paulo, (micros("2018-11-04T03:00:00Z"), 23));
        let cairo = day("Africa/Cairo", date(2026, 4, 24));
        assert_eq!(cairo, (micros("2026-04-23T22:00:00Z"), 23));
        // Midnight came twice: the day begins with the first one.
        let havana = day("America/Havana", date(2025, 11, 2));
        assert_eq!(havana, (micros("2025-11-02T04:00:00Z"), 25));
        // Samoa skipped this day.
        assert_eq!(day("Pacific/Apia", date(2011, 12, 30)).1, 0);
    }

    #[test]
    fn days_follow_each_other_without_a_gap() {
        for name in [
            "Africa/Algiers",
            "Africa/Cairo",
            "Africa/Casablanca",
            "America/Sao_Paulo",
            "Australia/Lord_Howe",
            "Europe/Paris",
            "Pacific/Apia",
        ] {
            let zone = zone(name);
            let mut end = zone.day(date(2009, 12, 31)).end;
            for date in date(2010, 1, 1)
                .series(jiff::Span::new().days(1))
                .take(9_000)
            {
                let day = zone.day(date);
                assert_eq!(day.start, end, "{name} {date}");
                assert!(day.end >= day.start, "{name} {date}");
                if day.end > day.start {
                    assert_eq!(zone.day_of(day.start), day, "{name} {date}");
                    assert_eq!(zone.day_of(day.end - 1), day, "{name} {date}");
                }
                end = day.end;
            }
        }
    }

    #[test]
    fn the_ends_of_the_calendar_are_days_like_others() {
        for name in ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"] {
            let zone = zone(name);
            assert_eq!(zone.day(date(0, 1, 1)), 0..0, "{name}");
            assert_eq!(zone.day(date(1, 1, 1)), 0..0, "{name}");
            let last = zone.day(date(9999, 12, 31));
            assert_eq!(last.end, u64::MAX, "{name}");
            assert!(last.start > micros("9999-12-30T00:00:00Z"), "{name}");
            assert_eq!(zone.day(date(-9999, 1, 1)), 0..0, "{name}");
        }
    }

    #[test]
    fn names_are_those_of_the_database() {
        assert_eq!(zone("Europe/Paris").name(), "Europe/Paris");
        for bad in [
            "",
            "Paris",
            "Europe/Pariss",
            "UTC+1",
            "../UTC",
            "Etc/Unknown",
        ] {
            assert_eq!(Zone::named(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_bundled_database_knows_these_days() {
        for (name, date, start, hours) in [
            (
                "Africa/Algiers",
                date(2026, 2, 23),
                "2026-02-22T23:00:00Z",
                24,
            ),
            (
                "Europe/Paris",
                date(2026, 3, 29),
                "2026-03-28T23:00:00Z",
                23,
            ),
            (
                "Europe/Paris",
                date(2026, 10, 25),
                "2026-10-24T22:00:00Z",
                25,
            ),
            (
                "America/Sao_Paulo",
                date(2018, 11, 4),
                "2018-11-04T03:00:00Z",
                23,
            ),
            (
                "Africa/Cairo",
                date(2026, 4, 24),
                "2026-04-23T22:00:00Z",
                23,
            ),
        ] {
            let day = Zone(TimeZoneDatabase::bundled().get(name).expect("bundled")).day(date);
            let expected = micros(start)..micros(start) + hours * HOUR;
            assert_eq!(day, expected, "{name} {date}");
        }
    }
}
