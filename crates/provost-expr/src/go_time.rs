//! Times as Go reads and prints them: layouts such as `2006-01-02`, RFC 3339, arithmetic with durations.

mod layout;

use thiserror::Error;

use crate::duration::Duration;
use crate::go_text::quote;

/// Go's name for RFC 3339.
pub const RFC3339: &str = "2006-01-02T15:04:05Z07:00";

const NANOSECONDS: i128 = 1_000_000_000;
const DAY: i64 = 86_400;
/// Seconds from the year 1, which Go counts from, to 1970.
const YEAR_ONE: i64 = -62_135_596_800;

/// A point in time and the offset it is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Instant {
    /// Seconds since 1970 in UTC.
    pub seconds: i64,
    /// Nanoseconds of the second, below 10^9.
    pub nanoseconds: u32,
    /// Seconds east of UTC in which it is shown.
    pub offset: i32,
}

/// Why a text is no time of a layout, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    /// A part does not fit the layout.
    #[error("parsing time {text} as {layout}: cannot parse {rest} as {element}", text = quote(.text), layout = quote(.layout), rest = quote(.rest), element = quote(.element))]
    Mismatch {
        /// The whole text.
        text: String,
        /// The whole layout.
        layout: String,
        /// What was left of the text.
        rest: String,
        /// The part of the layout that was wanted.
        element: String,
    },
    /// A number that no calendar has.
    #[error("parsing time {text}: {what} out of range", text = quote(.text))]
    OutOfRange {
        /// The whole text.
        text: String,
        /// Which number.
        what: &'static str,
    },
    /// Something follows the time.
    #[error("parsing time {text}: extra text: {rest}", text = quote(.text), rest = quote(.rest))]
    ExtraText {
        /// The whole text.
        text: String,
        /// What follows.
        rest: String,
    },
}

/// A calendar date and time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 for Sunday.
    pub weekday: u32,
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; years begin in March inside.
fn days(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = i64::from((month + 9) % 12);
    let of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

impl Instant {
    /// Reads a time by a Go layout. A time without zone is UTC.
    ///
    /// # Errors
    /// In Go's words.
    pub fn parse(layout: &str, text: &str) -> Result<Self, TimeError> {
        layout::parse(layout, text)
    }

    /// Reads RFC 3339.
    ///
    /// # Errors
    /// In Go's words.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        layout::parse(RFC3339, text)
    }

    /// Seconds since 1970, in UTC.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Self {
        // The years 0 to 9999; Go prints others in a form that nothing reads again.
        Self { seconds: seconds.clamp(-62_167_219_200, 253_402_300_799), nanoseconds: 0, offset: 0 }
    }

    /// The same time shown in UTC.
    #[must_use]
    pub fn in_utc(self) -> Self {
        Self { offset: 0, ..self }
    }

    /// The calendar date and time of day in its own offset.
    #[must_use]
    pub fn civil(self) -> Civil {
        let local = self.seconds.saturating_add(i64::from(self.offset));
        let day_number = local.div_euclid(DAY);
        let of_day = local.rem_euclid(DAY);
        let shifted = day_number + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil {
            year,
            month: small(month),
            day: small(day),
            hour: small(of_day / 3_600),
            minute: small(of_day % 3_600 / 60),
            second: small(of_day % 60),
            weekday: small((day_number + 4).rem_euclid(7)),
        }
    }

    /// RFC 3339 without fraction, `Z` for UTC.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let c = self.civil();
        let date = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            c.year, c.month, c.day, c.hour, c.minute, c.second
        );
        if self.offset == 0 {
            return date + "Z";
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs() / 60;
        format!("{date}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }

    fn total(self) -> i128 {
        i128::from(self.seconds) * NANOSECONDS + i128::from(self.nanoseconds)
    }

    fn from_total(total: i128, offset: i32) -> Self {
        let seconds = i64::try_from(total.div_euclid(NANOSECONDS)).unwrap_or(0);
        let nanoseconds = u32::try_from(total.rem_euclid(NANOSECONDS)).unwrap_or(0);
        Self { seconds, nanoseconds, offset }
    }

    /// This time and a duration later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_total(self.total() + i128::from(duration.0), self.offset)
    }

    /// How long after `earlier` this is; beyond 292 years the bound.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let difference = self.total() - earlier.total();
        let bound = if difference < 0 { i64::MIN } else { i64::MAX };
        Duration(i64::try_from(difference).unwrap_or(bound))
    }

    /// Rounded down to a multiple of a duration since the year 1; unchanged for 0 and less.
    #[must_use]
    pub fn truncate(self, duration: Duration) -> Self {
        if duration.0 <= 0 {
            return self;
        }
        let since_year_one = self.total() - i128::from(YEAR_ONE) * NANOSECONDS;
        Self::from_total(self.total() - since_year_one.rem_euclid(i128::from(duration.0)), self.offset)
    }

    /// Whether this is earlier than another time.
    #[must_use]
    pub fn before(self, other: Self) -> bool {
        self.total() < other.total()
    }
}

#[cfg(test)]
mod tests;
