//! Days and times of the Gregorian calendar, by arithmetic alone.

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Years that are reckoned with: Go's own formats are meant for four digits, and a million years keep every sum small.
const YEARS: i64 = 1_000_000;

/// A point in time with the offset it is told in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds since 1970 in UTC.
    pub(super) seconds: i64,
    pub(super) nanosecond: u32,
    /// Seconds east of UTC.
    pub(super) offset: i64,
    /// The zone's name, where the offset came with one.
    pub(super) zone: Option<String>,
}

/// Whether a year has a 29th of February.
pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month.
pub(super) fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970, by counting 400-year eras that begin in March.
pub(super) fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970.
pub(super) fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

impl Moment {
    /// A number of seconds and nanoseconds since 1970.
    pub(super) fn unix(seconds: i64, nanoseconds: i64) -> Option<Self> {
        let seconds = seconds.checked_add(nanoseconds.div_euclid(1_000_000_000))?;
        let nanosecond = u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?;
        (seconds.abs() < YEARS * 365 * DAY).then_some(Self { seconds, nanosecond, offset: 0, zone: None })
    }

    /// Date and time of day where it is told.
    pub(super) fn civil(&self) -> ((i64, i64, i64), (i64, i64, i64)) {
        let local = self.seconds + self.offset;
        let of_day = local.rem_euclid(DAY);
        (date_of(local.div_euclid(DAY)), (of_day / 3_600, of_day / 60 % 60, of_day % 60))
    }

    /// The day of the week, Sunday being 0, and the day of the year, from 1.
    pub(super) fn days(&self) -> (i64, i64) {
        let days = (self.seconds + self.offset).div_euclid(DAY);
        let (year, ..) = date_of(days);
        ((days + 4).rem_euclid(7), days - day_number(year, 1, 1) + 1)
    }
}
