//! Reads a time by a Go layout: the reference time `Mon Jan 2 15:04:05 MST 2006` says what stands where.

mod element;

use element::{Element, next_element};

use super::{Instant, TimeError, days, days_in};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// What has been read so far.
#[derive(Default)]
struct Reading {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    afternoon: Option<bool>,
    offset: i32,
}

/// Why one element did not fit: the text is wrong, or a number in it is.
enum Misfit {
    Text,
    Range(&'static str),
}

fn take(text: &str, count: usize) -> Result<(&str, &str), Misfit> {
    text.split_at_checked(count).ok_or(Misfit::Text)
}

fn parse_digits(text: &str) -> Result<u32, Misfit> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Misfit::Text);
    }
    text.parse().map_err(|_| Misfit::Text)
}

/// Two digits, or one where the layout has no leading zero.
fn number(text: &str, fixed: bool) -> Result<(u32, &str), Misfit> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits == 0 || (digits == 1 && fixed) {
        return Err(Misfit::Text);
    }
    let (digits, rest) = take(text, digits)?;
    Ok((parse_digits(digits)?, rest))
}

fn bounded<'a>(text: &'a str, fixed: bool, high: u32, what: &'static str) -> Result<(u32, &'a str), Misfit> {
    let (value, rest) = number(text, fixed)?;
    if value > high { Err(Misfit::Range(what)) } else { Ok((value, rest)) }
}

fn name<'a>(text: &'a str, names: &[&str], length: Option<usize>) -> Result<(usize, &'a str), Misfit> {
    for (index, name) in names.iter().enumerate() {
        let name = length.map_or(*name, |length| name.get(..length).unwrap_or(name));
        if let Some((start, rest)) = text.split_at_checked(name.len())
            && start.eq_ignore_ascii_case(name)
        {
            return Ok((index, rest));
        }
    }
    Err(Misfit::Text)
}

fn fraction(text: &str, digits: usize) -> Result<(u32, &str), Misfit> {
    let (part, rest) = take(text, digits + 1)?;
    let digits = part.strip_prefix(['.', ',']).ok_or(Misfit::Text)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Misfit::Text);
    }
    let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
    Ok((parse_digits(&nine)?, rest))
}

/// How many digits follow a point or comma, 0 where none stands there.
fn fraction_digits(text: &str) -> usize {
    text.strip_prefix(['.', ',']).map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count())
}

fn zone(text: &str, utc: bool, colon: bool, numbers: u8) -> Result<(i32, &str), Misfit> {
    if utc && let Some(rest) = text.strip_prefix('Z') {
        return Ok((0, rest));
    }
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').ok_or(Misfit::Text)?),
    };
    let mut total = 0_i32;
    for (index, (unit, high)) in [(3_600, 24), (60, 59), (1, 59)].into_iter().enumerate() {
        if index >= usize::from(numbers) {
            break;
        }
        if index > 0 && colon {
            rest = rest.strip_prefix(':').ok_or(Misfit::Text)?;
        }
        let (value, after) = number(rest, true)?;
        if value > high {
            let what = ["time zone offset hour", "time zone offset minute", "time zone offset second"];
            return Err(Misfit::Range(what.get(index).copied().unwrap_or("time zone offset")));
        }
        total += i32::try_from(value).unwrap_or(0) * unit;
        rest = after;
    }
    Ok((if negative { -total } else { total }, rest))
}

/// A zone by name: only UTC and GMT±n have a meaning without a zone database, others count as UTC as in Go.
fn zone_name(text: &str) -> Result<(i32, &str), Misfit> {
    if let Some(rest) = text.strip_prefix("UTC") {
        return Ok((0, rest));
    }
    if let Some(rest) = text.strip_prefix("GMT")
        && rest.starts_with(['+', '-'])
    {
        let digits = rest.bytes().skip(1).take(2).take_while(u8::is_ascii_digit).count();
        let (part, after) = take(rest, 1 + digits)?;
        let hours: i32 = part.parse().map_err(|_| Misfit::Text)?;
        return if (-23..=23).contains(&hours) { Ok((hours * 3_600, after)) } else { Err(Misfit::Text) };
    }
    let letters = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    if !(3..=5).contains(&letters) {
        return Err(Misfit::Text);
    }
    Ok((0, take(text, letters)?.1))
}

fn read<'a>(
    element: Element,
    text: &'a str,
    layout_left: &str,
    into: &mut Reading,
) -> Result<&'a str, Misfit> {
    let rest;
    match element {
        Element::Year => {
            let (part, after) = take(text, 2)?;
            let year = i64::from(parse_digits(part)?);
            into.year = if year >= 69 { year + 1900 } else { year + 2000 };
            rest = after;
        }
        Element::LongYear => {
            let (part, after) = take(text, 4)?;
            into.year = i64::from(parse_digits(part)?);
            rest = after;
        }
        Element::Month | Element::LongMonth => {
            let length = (element == Element::Month).then_some(3);
            let (index, after) = name(text, &MONTHS, length)?;
            into.month = u32::try_from(index + 1).ok();
            rest = after;
        }
        Element::MonthNumber(fixed) => {
            let (month, after) = number(text, fixed)?;
            if !(1..=12).contains(&month) {
                return Err(Misfit::Range("month"));
            }
            into.month = Some(month);
            rest = after;
        }
        Element::Weekday => rest = name(text, &WEEKDAYS, Some(3))?.1,
        Element::LongWeekday => rest = name(text, &WEEKDAYS, None)?.1,
        Element::Day(_) | Element::UnderDay => {
            let text =
                if element == Element::UnderDay { text.strip_prefix(' ').unwrap_or(text) } else { text };
            let (day, after) = number(text, element == Element::Day(true))?;
            into.day = Some(day);
            rest = after;
        }
        Element::YearDay | Element::UnderYearDay => {
            let blanks = if element == Element::UnderYearDay {
                text.bytes().take(2).take_while(|b| *b == b' ').count()
            } else {
                0
            };
            let (part, after) = take(text, 3)?;
            into.year_day = Some(parse_digits(part.get(blanks..).unwrap_or_default())?);
            rest = after;
        }
        Element::Hour => (into.hour, rest) = bounded(text, false, 23, "hour")?,
        Element::Hour12(fixed) => (into.hour, rest) = bounded(text, fixed, 12, "hour")?,
        Element::Minute(fixed) => (into.minute, rest) = bounded(text, fixed, 59, "minute")?,
        Element::Second(fixed) => {
            let after;
            (into.second, after) = bounded(text, fixed, 59, "second")?;
            // A fraction may follow the seconds even where the layout has none.
            let digits = fraction_digits(after);
            let (_, next, _) = next_element(layout_left);
            let expected = matches!(next, Some((Element::Fraction(_) | Element::OptionalFraction, _)));
            if digits > 0 && !expected {
                (into.nanoseconds, rest) = fraction(after, digits)?;
            } else {
                rest = after;
            }
        }
        Element::Noon(upper) => {
            let (part, after) = take(text, 2)?;
            into.afternoon = Some(match (part, upper) {
                ("PM", true) | ("pm", false) => true,
                ("AM", true) | ("am", false) => false,
                _ => return Err(Misfit::Text),
            });
            rest = after;
        }
        Element::Zone(utc, colon, numbers) => (into.offset, rest) = zone(text, utc, colon, numbers)?,
        Element::ZoneName => (into.offset, rest) = zone_name(text)?,
        Element::Fraction(digits) => (into.nanoseconds, rest) = fraction(text, digits)?,
        Element::OptionalFraction => match fraction_digits(text) {
            0 => rest = text,
            digits => (into.nanoseconds, rest) = fraction(text, digits)?,
        },
    }
    Ok(rest)
}

/// Passes over literal text of the layout; a blank there stands for any number of blanks.
fn skip<'a>(mut text: &'a str, literal: &str) -> Option<&'a str> {
    for c in literal.chars() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            text = text.trim_start_matches(' ');
        } else {
            text = text.strip_prefix(c)?;
        }
    }
    Some(text)
}

/// Reads `text` by `layout`.
///
/// # Errors
/// In Go's words.
pub(super) fn parse(layout: &str, text: &str) -> Result<Instant, TimeError> {
    let mut reading = Reading::default();
    let mut layout_left = layout;
    let mut text_left = text;
    let mismatch = |rest: &str, element: &str| TimeError::Mismatch {
        text: text.to_owned(),
        layout: layout.to_owned(),
        rest: rest.to_owned(),
        element: element.to_owned(),
    };
    loop {
        let (literal, found, after) = next_element(layout_left);
        text_left = skip(text_left, literal).ok_or_else(|| mismatch(text_left, literal))?;
        let Some((element, spelled)) = found else { break };
        layout_left = after;
        let hold = text_left;
        text_left = read(element, text_left, layout_left, &mut reading).map_err(|misfit| match misfit {
            Misfit::Text => mismatch(hold, spelled),
            Misfit::Range(what) => TimeError::OutOfRange { text: text.to_owned(), what },
        })?;
    }
    if !text_left.is_empty() {
        return Err(TimeError::ExtraText { text: text.to_owned(), rest: text_left.to_owned() });
    }
    finish(&reading, text)
}

fn finish(reading: &Reading, text: &str) -> Result<Instant, TimeError> {
    let out = |what| TimeError::OutOfRange { text: text.to_owned(), what };
    let year = reading.year;
    let hour = match reading.afternoon {
        Some(true) if reading.hour < 12 => reading.hour + 12,
        Some(false) if reading.hour == 12 => 0,
        _ => reading.hour,
    };
    let day_number = if let Some(year_day) = reading.year_day {
        let length = if days_in(year, 2) == 29 { 366 } else { 365 };
        if year_day < 1 || year_day > length {
            return Err(out("day-of-year"));
        }
        days(year, 1, 1) + i64::from(year_day) - 1
    } else {
        let (month, day) = (reading.month.unwrap_or(1), reading.day.unwrap_or(1));
        if day < 1 || day > days_in(year, month) {
            return Err(out("day"));
        }
        days(year, month, day)
    };
    let of_day = i64::from(hour) * 3_600 + i64::from(reading.minute) * 60 + i64::from(reading.second);
    Ok(Instant {
        seconds: day_number * 86_400 + of_day - i64::from(reading.offset),
        nanoseconds: reading.nanoseconds,
        offset: reading.offset,
    })
}
