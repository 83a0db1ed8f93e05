//! The parameters of a list of orders.

use std::num::IntErrorKind;
use std::ops::Range;

use jiff::civil::Date;
use serde::Deserialize;

use super::error::ApiError;
use crate::orders::{ListQuery, Position, Search, Status, WindowLimits};
use crate::zone::Zone;

/// Maximum length of a search text, in characters.
const MAX_TEXT: usize = 100;
/// The last millisecond of the year 9999. Later times are refused as mistakes.
pub(super) const MAX_MILLIS: u64 = 253_402_300_799_999;

/// Unparsed parameters of a list. Empty ones, which existing clients send, count as absent. Spaces around a value are ignored.
#[derive(Deserialize)]
pub(super) struct Filters {
    status: Option<String>,
    limit: Option<String>,
    before: Option<String>,
    date_from: Option<String>,
    date_to: Option<String>,
    min_amount: Option<String>,
    max_amount: Option<String>,
    q: Option<String>,
}

/// A parsed list request: the store's query, and the filters applied afterwards.
pub(super) struct Listing {
    pub query: ListQuery,
    pub search: Search,
}

impl Filters {
    /// Parses the parameters; errors name the invalid one. Without a limit, a page holds everything in memory.
    pub(super) fn read(&self, window: WindowLimits, zone: &Zone) -> Result<Listing, ApiError> {
        let statuses = Status::parse_list(self.status.as_deref().unwrap_or_default())
            .map_err(|error| ApiError::invalid("status", error.to_string()))?;
        let limit = given(self.limit.as_deref()).map(page_limit).transpose()?;
        let before = given(self.before.as_deref()).map(str::parse::<Position>);
        let from = time("date_from", self.date_from.as_deref(), zone)?;
        let to = time("date_to", self.date_to.as_deref(), zone)?;
        let search = Search::default().with_amount(
            amount("min_amount", self.min_amount.as_deref())?,
            amount("max_amount", self.max_amount.as_deref())?,
        );
        Ok(Listing {
            query: ListQuery {
                statuses: statuses.iter().map(ToString::to_string).collect(),
                limit: limit.map_or(window.orders + window.open, |limit| {
                    limit.min(window.orders)
                }),
                before: before
                    .transpose()
                    .map_err(|error| ApiError::invalid("before", error.to_string()))?,
                placed: from.map_or(0, |time| time.start)..to.map_or(u64::MAX, |time| time.end),
            },
            search: match text(self.q.as_deref())? {
                Some(text) => search.with_text(text),
                None => search,
            },
        })
    }
}

/// Parses a number from 1 on. One too large for `usize` becomes the maximum, since a page is limited to the window's size.
fn page_limit(text: &str) -> Result<usize, ApiError> {
    match text.parse() {
        Ok(limit) if limit >= 1 => Ok(limit),
        Err(error) if matches!(error.kind(), IntErrorKind::PosOverflow) => Ok(usize::MAX),
        _ => Err(ApiError::invalid(
            "limit",
            "must be a whole number, at least 1",
        )),
    }
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// Parses a day of the shop or a millisecond; returns its range in microseconds since the epoch.
fn time(name: &str, text: Option<&str>, zone: &Zone) -> Result<Option<Range<u64>>, ApiError> {
    let Some(text) = given(text) else {
        return Ok(None);
    };
    let time = date(text).map(|date| zone.day(date)).or_else(|| {
        let millis = millis(text)?;
        Some(millis * 1_000..(millis + 1) * 1_000)
    });
    time.map(Some).ok_or_else(|| {
        ApiError::invalid(
            name,
            "must be a day such as 2026-02-23, or milliseconds since 1970",
        )
    })
}

/// Parses `YYYY-MM-DD` and nothing else.
fn date(text: &str) -> Option<Date> {
    let is_plain = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    (text.len() == 10 && text.bytes().enumerate().all(is_plain))
        .then(|| text.parse().ok())
        .flatten()
}

/// Parses whole milliseconds. Accepts a fraction of zeros, as programs send that compute with floating point.
fn millis(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_plain = whole.bytes().all(|byte| byte.is_ascii_digit())
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte == b'0');
    let millis = whole.parse().ok().filter(|_| is_plain);
    millis.filter(|millis| *millis <= MAX_MILLIS)
}

fn amount(name: &str, text: Option<&str>) -> Result<Option<f64>, ApiError> {
    let Some(text) = given(text) else {
        return Ok(None);
    };
    let amount = text.parse().ok().filter(|amount: &f64| amount.is_finite());
    amount
        .map(Some)
        .ok_or_else(|| ApiError::invalid(name, "must be a number such as 12.50"))
}

fn text(q: Option<&str>) -> Result<Option<&str>, ApiError> {
    let q = q.unwrap_or_default();
    if q.chars().count() > MAX_TEXT {
        return Err(ApiError::invalid(
            "q",
            format!("must have at most {MAX_TEXT} characters"),
        ));
    }
    Ok(given(Some(q)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(name: &str, value: &str) -> Filters {
        let query = format!("{name}={value}");
        actix_web::web::Query::<Filters>::from_query(&query)
            .expect("a query")
            .into_inner()
    }

    fn read(name: &str, value: &str) -> Result<Listing, ApiError> {
        let window = WindowLimits {
            orders: 500,
            open: 100,
            bytes: 1,
        };
        let algiers = Zone::named("Africa/Algiers").expect("a zone");
        filters(name, value).read(window, &algiers)
    }

    fn placed(name: &str, value: &str) -> Range<u64> {
        read(name, value).expect("accepted").query.placed
    }

    const MIDNIGHT: u64 = 1_771_801_200_000_000;
    const DAY: u64 = 86_400_000_000;

    #[test]
    fn times_are_days_of_the_shop_or_milliseconds_and_inclusive() {
        assert_eq!(placed("date_from", "2026-02-23"), MIDNIGHT..u64::MAX);
        assert_eq!(placed("date_to", "2026-02-23"), 0..MIDNIGHT + DAY);
        assert_eq!(placed("date_from", "1771801200000"), MIDNIGHT..u64::MAX);
        assert_eq!(placed("date_to", "1771801200000"), 0..MIDNIGHT + 1_000);
        assert_eq!(placed("date_to", "0"), 0..1_000);
        assert_eq!(placed("date_to", "1969-12-31"), 0..0);
        assert_eq!(placed("date_from", "9999-12-31").start, u64::MAX);
    }

    #[test]
    fn what_is_empty_filters_nothing() {
        for name in ["date_from", "date_to", "min_amount", "max_amount", "q"] {
            let listing = read(name, "").expect("accepted");
            assert_eq!(listing.query.placed, 0..u64::MAX, "{name}");
            assert!(listing.search.is_everything(), "{name}");
        }
        assert!(read("q", "%20+").expect("accepted").search.is_everything());
        for nothing in ["", "%20", "+"] {
            for name in ["q", "limit", "before", "date_to", "max_amount"] {
                let listing = read(name, nothing).expect("accepted");
                assert_eq!(listing.query.limit, 600, "{name}");
                assert_eq!(listing.query.before, None, "{name}");
                assert_eq!(listing.query.placed, 0..u64::MAX, "{name}");
                assert!(listing.search.is_everything(), "{name}");
            }
        }
    }

    #[test]
    fn spaces_around_a_value_do_not_count() {
        let query = |name, value| read(name, value).expect("accepted").query;
        assert_eq!(query("limit", "%207+").limit, 7);
        let place = Position::at(12);
        assert_eq!(query("before", "+12-%20").before, Some(place));
        assert_eq!(placed("date_to", "+2026-02-23").end, MIDNIGHT + DAY);
        assert_eq!(placed("date_from", "1771801200000+").start, MIDNIGHT);
        let amount = Search::default().with_amount(Some(7.0), None);
        let listing = read("min_amount", "%207").expect("accepted");
        assert_eq!(listing.search, amount);
    }

    #[test]
    fn milliseconds_may_have_a_fraction_of_zeros() {
        assert_eq!(placed("date_from", "1771801200000.0").start, MIDNIGHT);
        let end = placed("date_to", "1771801200000.000000").end;
        assert_eq!(end, MIDNIGHT + 1_000);
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let long = "x".repeat(MAX_TEXT + 1);
        for (name, value) in [
            ("date_from", "yesterday"),
            ("date_from", "2026-02-30"),
            ("date_to", "2026-2-3"),
            ("date_to", "23.02.2026"),
            ("date_to", "2026-02-23T10:00"),
            ("date_to", "-1"),
            ("date_to", "%2B1"),
            ("date_to", "1.5"),
            ("date_to", "1771801200000.01"),
            ("date_to", "1."),
            ("date_to", ".0"),
            ("date_to", "1.0.0"),
            ("limit", "0"),
            ("limit", "1.0"),
            ("before", "x"),
            ("date_from", "253402300800000"),
            ("date_from", "99999999999999999999"),
            ("min_amount", "cheap"),
            ("min_amount", "NaN"),
            ("max_amount", "inf"),
            ("max_amount", "1e999"),
            ("max_amount", "$5"),
            ("max_amount", "1,5"),
            ("q", long.as_str()),
        ] {
            match read(name, value) {
                Ok(_) => panic!("accepted {name}={value}"),
                Err(error) => assert!(
                    error.to_string().starts_with(&format!("{name}: ")),
                    "{error}"
                ),
            }
        }
        assert!(read("q", &"%C3%A9".repeat(MAX_TEXT)).is_ok());
        for number in ["0", "-3", "12.50", "1e3", ".5"] {
            assert!(read("min_amount", number).is_ok(), "{number}");
        }
    }
}
