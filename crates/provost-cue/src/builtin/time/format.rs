//! Times written by a layout.

use super::calendar::Moment;
use super::layout::{DAYS, Element, MONTHS, next};

/// A time as a layout says.
pub(super) fn format(moment: &Moment, layout: &str) -> String {
    let ((year, month, day), (hour, minute, second)) = moment.civil();
    let (week_day, year_day) = moment.days();
    let name = |names: &[&'static str], at: i64| -> &'static str {
        usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
    };
    let short = |name: &'static str| name.get(..3).unwrap_or_default();
    let half = if hour % 12 == 0 { 12 } else { hour % 12 };
    let mut out = String::new();
    let mut rest = layout;
    loop {
        let (before, element, after) = next(rest);
        out.push_str(before);
        let Some((element, _)) = element else { return out };
        rest = after;
        let text = match element {
            Element::LongMonth => name(&MONTHS, month - 1).to_owned(),
            Element::Month => short(name(&MONTHS, month - 1)).to_owned(),
            Element::NumberMonth => month.to_string(),
            Element::ZeroMonth => format!("{month:02}"),
            Element::LongWeekDay => name(&DAYS, week_day).to_owned(),
            Element::WeekDay => short(name(&DAYS, week_day)).to_owned(),
            Element::Day => day.to_string(),
            Element::UnderDay => format!("{day:2}"),
            Element::ZeroDay => format!("{day:02}"),
            Element::UnderYearDay => format!("{year_day:3}"),
            Element::ZeroYearDay => format!("{year_day:03}"),
            Element::Hour => format!("{hour:02}"),
            Element::Hour12 => half.to_string(),
            Element::ZeroHour12 => format!("{half:02}"),
            Element::Minute => minute.to_string(),
            Element::ZeroMinute => format!("{minute:02}"),
            Element::Second => second.to_string(),
            Element::ZeroSecond => format!("{second:02}"),
            Element::LongYear if year < 0 => format!("-{:04}", -year),
            Element::LongYear => format!("{year:04}"),
            Element::Year => format!("{:02}", year.rem_euclid(100)),
            Element::UpperHalf => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Element::LowerHalf => if hour < 12 { "am" } else { "pm" }.to_owned(),
            Element::ZoneName => zone_name(moment),
            Element::Zone { zulu: true, .. } if moment.offset == 0 => "Z".to_owned(),
            Element::Zone { colon, parts, .. } => offset(moment.offset, colon, parts),
            Element::Fraction { digits, trimmed, mark } => fraction(moment.nanosecond, digits, trimmed, mark),
        };
        out.push_str(&text);
    }
}

fn zone_name(moment: &Moment) -> String {
    match &moment.zone {
        Some(zone) => zone.clone(),
        None if moment.offset == 0 => "UTC".to_owned(),
        // A zone without a name is told by its offset, minutes only where there are some.
        None if moment.offset % 3_600 == 0 => offset(moment.offset, false, 1),
        None => offset(moment.offset, false, 2),
    }
}

fn offset(seconds: i64, colon: bool, parts: u8) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    let colon = if colon { ":" } else { "" };
    let mut out = format!("{sign}{:02}", seconds / 3_600);
    if parts > 1 {
        out.push_str(&format!("{colon}{:02}", seconds / 60 % 60));
    }
    if parts > 2 {
        out.push_str(&format!("{colon}{:02}", seconds % 60));
    }
    out
}

fn fraction(nanosecond: u32, digits: usize, trimmed: bool, mark: char) -> String {
    let all = format!("{nanosecond:09}");
    let mut text: String = all.chars().chain(std::iter::repeat('0')).take(digits.min(9)).collect();
    if trimmed {
        text.truncate(text.trim_end_matches('0').len());
        if text.is_empty() {
            return text;
        }
    }
    format!("{mark}{text}")
}
