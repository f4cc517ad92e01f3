//! Times read by a layout, with Go's words where they cannot be.

use super::calendar::{Moment, day_number, days_of, is_leap};
use super::layout::{DAYS, Element, MONTHS, next};
use crate::print::quote;

/// Why an element could not be read.
enum Trouble {
    /// The text is not what the element says.
    Bad,
    /// The text is a number that the element does not have.
    Range(&'static str),
}

/// What has been read so far.
#[derive(Default)]
struct Parts {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: u32,
    afternoon: Option<bool>,
    offset: Option<i64>,
    zone: Option<String>,
}

/// Reads a time; `Err` holds Go's words.
pub(super) fn parse(layout: &str, value: &str) -> Result<Moment, String> {
    let bad = |element: &str, rest: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(value),
            quote(layout),
            quote(rest),
            quote(element)
        )
    };
    let wrong = |what: &str| format!("parsing time {}: {what}", quote(value));
    let mut parts = Parts::default();
    let (mut layout_rest, mut rest) = (layout, value);
    loop {
        let (before, element, after) = next(layout_rest);
        let Some(tail) = skip(rest, before) else { return Err(bad(before, rest)) };
        rest = tail;
        let Some((element, text)) = element else {
            if !rest.is_empty() {
                return Err(format!("parsing time {}: extra text: {}", quote(value), quote(rest)));
            }
            return finish(parts).map_err(wrong);
        };
        layout_rest = after;
        // A fraction that the layout lacks may follow the seconds all the same.
        rest = match read(&mut parts, element, rest, layout_rest) {
            Ok(tail) => tail,
            Err(Trouble::Bad) => return Err(bad(text, rest)),
            Err(Trouble::Range(what)) => return Err(wrong(&format!("{what} out of range"))),
        };
    }
}

/// The rest of a value after a layout's plain text; spaces of the layout may stand for fewer.
fn skip<'a>(mut value: &'a str, mut prefix: &str) -> Option<&'a str> {
    while let Some(letter) = prefix.chars().next() {
        if letter == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return None;
            }
            prefix = prefix.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        value = value.strip_prefix(letter)?;
        prefix = prefix.get(letter.len_utf8()..)?;
    }
    Some(value)
}

/// So many digits, no more and no fewer.
fn exact(value: &str, digits: usize) -> Result<(i64, &str), Trouble> {
    let (number, rest) = value.split_at_checked(digits).ok_or(Trouble::Bad)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Trouble::Bad);
    }
    Ok((number.parse().map_err(|_| Trouble::Bad)?, rest))
}

/// One or two digits; two where the element says so.
fn number(value: &str, fixed: bool) -> Result<(i64, &str), Trouble> {
    let second = value.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    exact(value, if fixed || second { 2 } else { 1 })
}

fn named<'a>(names: &[&str], value: &'a str, letters: Option<usize>) -> Result<(i64, &'a str), Trouble> {
    for (index, name) in (0i64..).zip(names) {
        let name = letters.and_then(|letters| name.get(..letters)).unwrap_or(name);
        if let Some((head, rest)) = value.split_at_checked(name.len())
            && head.eq_ignore_ascii_case(name)
        {
            return Ok((index, rest));
        }
    }
    Err(Trouble::Bad)
}

fn within(number: i64, range: std::ops::RangeInclusive<i64>, what: &'static str) -> Result<i64, Trouble> {
    if range.contains(&number) { Ok(number) } else { Err(Trouble::Range(what)) }
}

fn read<'a>(parts: &mut Parts, element: Element, value: &'a str, after: &str) -> Result<&'a str, Trouble> {
    let rest;
    match element {
        Element::Year => {
            let (year, tail) = exact(value, 2)?;
            parts.year = if year >= 69 { year + 1_900 } else { year + 2_000 };
            rest = tail;
        }
        Element::LongYear => (parts.year, rest) = exact(value, 4)?,
        Element::Month | Element::LongMonth => {
            let (month, tail) = named(&MONTHS, value, (element == Element::Month).then_some(3))?;
            parts.month = Some(month + 1);
            rest = tail;
        }
        Element::NumberMonth | Element::ZeroMonth => {
            let (month, tail) = number(value, element == Element::ZeroMonth)?;
            parts.month = Some(within(month, 1..=12, "month")?);
            rest = tail;
        }
        Element::WeekDay => rest = named(&DAYS, value, Some(3))?.1,
        Element::LongWeekDay => rest = named(&DAYS, value, None)?.1,
        Element::Day | Element::UnderDay | Element::ZeroDay => {
            let value = match element {
                Element::UnderDay => value.strip_prefix(' ').unwrap_or(value),
                _ => value,
            };
            let (day, tail) = number(value, element == Element::ZeroDay)?;
            parts.day = Some(day);
            rest = tail;
        }
        Element::UnderYearDay | Element::ZeroYearDay => {
            let spaces = match element {
                Element::UnderYearDay => value.bytes().take(2).take_while(|byte| *byte == b' ').count(),
                _ => 0,
            };
            let (day, tail) = exact(value.get(spaces..).unwrap_or_default(), 3 - spaces)?;
            parts.year_day = Some(day);
            rest = tail;
        }
        Element::Hour => {
            let (hour, tail) = number(value, false)?;
            parts.hour = within(hour, 0..=23, "hour")?;
            rest = tail;
        }
        Element::Hour12 | Element::ZeroHour12 => {
            let (hour, tail) = number(value, element == Element::ZeroHour12)?;
            parts.hour = within(hour, 0..=12, "hour")?;
            rest = tail;
        }
        Element::Minute | Element::ZeroMinute => {
            let (minute, tail) = number(value, element == Element::ZeroMinute)?;
            parts.minute = within(minute, 0..=59, "minute")?;
            rest = tail;
        }
        Element::Second | Element::ZeroSecond => {
            let (second, tail) = number(value, element == Element::ZeroSecond)?;
            parts.second = within(second, 0..=59, "second")?;
            let told = matches!(next(after), (_, Some((Element::Fraction { .. }, _)), _));
            let digits = match tail.strip_prefix(['.', ',']) {
                Some(digits) if !told => digits.bytes().take_while(u8::is_ascii_digit).count(),
                _ => 0,
            };
            rest = if digits > 0 { fraction(parts, tail, digits)? } else { tail };
        }
        Element::UpperHalf | Element::LowerHalf => {
            let (half, tail) = value.split_at_checked(2).ok_or(Trouble::Bad)?;
            let upper = element == Element::UpperHalf;
            parts.afternoon = Some(match (half, upper) {
                ("AM", true) | ("am", false) => false,
                ("PM", true) | ("pm", false) => true,
                _ => return Err(Trouble::Bad),
            });
            rest = tail;
        }
        Element::Zone { zulu: true, .. } if value.starts_with('Z') => {
            parts.offset = Some(0);
            rest = value.get(1..).unwrap_or_default();
        }
        Element::Zone { colon, parts: count, .. } => rest = zone(parts, value, colon, count)?,
        Element::ZoneName => rest = zone_name(parts, value)?,
        Element::Fraction { digits, trimmed: false, .. } => rest = fraction(parts, value, digits)?,
        Element::Fraction { .. } => {
            let digits = match value.strip_prefix(['.', ',']) {
                Some(digits) => digits.bytes().take_while(u8::is_ascii_digit).count(),
                None => 0,
            };
            rest = if digits > 0 { fraction(parts, value, digits)? } else { value };
        }
    }
    Ok(rest)
}

/// A mark and so many digits; those beyond nanoseconds do not count.
fn fraction<'a>(parts: &mut Parts, value: &'a str, digits: usize) -> Result<&'a str, Trouble> {
    let tail = value.strip_prefix(['.', ',']).ok_or(Trouble::Bad)?;
    let (number, rest) = tail.split_at_checked(digits).ok_or(Trouble::Bad)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Trouble::Bad);
    }
    let nine: String = number.chars().chain(std::iter::repeat('0')).take(9).collect();
    parts.nanosecond = nine.parse().map_err(|_| Trouble::Bad)?;
    Ok(rest)
}

fn zone<'a>(parts: &mut Parts, value: &'a str, colon: bool, count: u8) -> Result<&'a str, Trouble> {
    let negative = value.starts_with('-');
    let mut rest = value.strip_prefix(['+', '-']).ok_or(Trouble::Bad)?;
    let mut seconds = 0;
    for (index, (unit, highest, what)) in [
        (3_600, 24, "time zone offset hour"),
        (60, 60, "time zone offset minute"),
        (1, 60, "time zone offset second"),
    ]
    .into_iter()
    .take(usize::from(count))
    .enumerate()
    {
        if colon && index > 0 {
            rest = rest.strip_prefix(':').ok_or(Trouble::Bad)?;
        }
        let (number, tail) = exact(rest, 2)?;
        seconds += unit * within(number, 0..=highest, what)?;
        rest = tail;
    }
    parts.offset = Some(if negative { -seconds } else { seconds });
    Ok(rest)
}

/// `UTC`, three to five capitals, `GMT` with hours, or a plain offset. Without a table of zones, only UTC's offset is known.
fn zone_name<'a>(parts: &mut Parts, value: &'a str) -> Result<&'a str, Trouble> {
    if let Some(rest) = value.strip_prefix("UTC") {
        parts.offset = Some(0);
        return Ok(rest);
    }
    if let Some(rest) = value.strip_prefix("GMT") {
        let sign = rest.starts_with(['+', '-']);
        let digits = rest.get(1..).unwrap_or_default().bytes().take_while(u8::is_ascii_digit).count();
        let hours = rest.get(..1 + digits).and_then(|hours| hours.parse::<i64>().ok());
        let length = match hours {
            Some(hours) if sign && digits > 0 && hours.abs() < 24 => {
                parts.offset = Some(hours * 3_600);
                1 + digits
            }
            _ => 0,
        };
        let (name, rest) = value.split_at_checked(3 + length).ok_or(Trouble::Bad)?;
        parts.zone = Some(name.to_owned());
        return Ok(rest);
    }
    if value.starts_with(['+', '-']) {
        let digits = value.get(1..).unwrap_or_default().bytes().take_while(u8::is_ascii_digit).count();
        if digits != 2 && digits != 4 {
            return Err(Trouble::Bad);
        }
        let (name, rest) = value.split_at_checked(1 + digits).ok_or(Trouble::Bad)?;
        parts.zone = Some(name.to_owned());
        return Ok(rest);
    }
    let capitals = value.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    let length = match (capitals, value.get(..5)) {
        _ if value.starts_with("ChST") || value.starts_with("MeST") => 4,
        (5, Some(name)) if name.ends_with('T') => 5,
        (4, _) if value.get(3..4) == Some("T") || value.starts_with("WITA") => 4,
        (3, _) => 3,
        _ => return Err(Trouble::Bad),
    };
    let (name, rest) = value.split_at_checked(length).ok_or(Trouble::Bad)?;
    parts.zone = Some(name.to_owned());
    Ok(rest)
}

fn finish(parts: Parts) -> Result<Moment, &'static str> {
    let hour = match parts.afternoon {
        Some(true) if parts.hour < 12 => parts.hour + 12,
        Some(false) if parts.hour == 12 => 0,
        _ => parts.hour,
    };
    let (mut month, mut day) = (parts.month, parts.day);
    if let Some(year_day) = parts.year_day {
        let (m, d) = by_year_day(parts.year, year_day)?;
        if month.is_some_and(|month| month != m) {
            return Err("day-of-year does not match month");
        }
        if day.is_some_and(|day| day != d) {
            return Err("day-of-year does not match day");
        }
        (month, day) = (Some(m), Some(d));
    }
    let (month, day) = (month.unwrap_or(1), day.unwrap_or(1));
    if day < 1 || day > days_of(parts.year, month) {
        return Err("day out of range");
    }
    let offset = parts.offset.unwrap_or(0);
    let days = day_number(parts.year, month, day);
    let seconds = days * 86_400 + hour * 3_600 + parts.minute * 60 + parts.second - offset;
    Ok(Moment { seconds, nanosecond: parts.nanosecond, offset, zone: parts.zone })
}

fn by_year_day(year: i64, mut day: i64) -> Result<(i64, i64), &'static str> {
    if day < 1 || day > 365 + i64::from(is_leap(year)) {
        return Err("day-of-year out of range");
    }
    for month in 1..=12 {
        let days = days_of(year, month);
        if day <= days {
            return Ok((month, day));
        }
        day -= days;
    }
    Err("day-of-year out of range")
}
