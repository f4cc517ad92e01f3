//! The parts of a Go layout: which spelling stands for what.

/// What a part of a layout stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    /// With a leading zero or not.
    MonthNumber(bool),
    LongWeekday,
    Weekday,
    Day(bool),
    UnderDay,
    YearDay,
    UnderYearDay,
    Hour,
    Hour12(bool),
    Minute(bool),
    Second(bool),
    LongYear,
    Year,
    /// `PM` or `pm`.
    Noon(bool),
    ZoneName,
    /// Whether `Z` may stand for UTC, whether colons stand between, and how many numbers follow.
    Zone(bool, bool, u8),
    /// Exactly so many digits.
    Fraction(usize),
    /// Any number of digits, or none.
    OptionalFraction,
}

/// The elements in the order they must be tried: longer spellings first.
const ELEMENTS: [(&str, Element); 37] = [
    ("January", Element::LongMonth),
    ("Jan", Element::Month),
    ("Monday", Element::LongWeekday),
    ("Mon", Element::Weekday),
    ("MST", Element::ZoneName),
    ("002", Element::YearDay),
    ("01", Element::MonthNumber(true)),
    ("02", Element::Day(true)),
    ("03", Element::Hour12(true)),
    ("04", Element::Minute(true)),
    ("05", Element::Second(true)),
    ("06", Element::Year),
    ("15", Element::Hour),
    ("1", Element::MonthNumber(false)),
    ("2006", Element::LongYear),
    ("2", Element::Day(false)),
    ("__2", Element::UnderYearDay),
    ("_2", Element::UnderDay),
    ("3", Element::Hour12(false)),
    ("4", Element::Minute(false)),
    ("5", Element::Second(false)),
    ("PM", Element::Noon(true)),
    ("pm", Element::Noon(false)),
    ("-070000", Element::Zone(false, false, 3)),
    ("-07:00:00", Element::Zone(false, true, 3)),
    ("-0700", Element::Zone(false, false, 2)),
    ("-07:00", Element::Zone(false, true, 2)),
    ("-07", Element::Zone(false, false, 1)),
    ("Z070000", Element::Zone(true, false, 3)),
    ("Z07:00:00", Element::Zone(true, true, 3)),
    ("Z0700", Element::Zone(true, false, 2)),
    ("Z07:00", Element::Zone(true, true, 2)),
    ("Z07", Element::Zone(true, false, 1)),
    (".0", Element::Fraction(0)),
    (",0", Element::Fraction(0)),
    (".9", Element::OptionalFraction),
    (",9", Element::OptionalFraction),
];

/// The first element of a layout: what stands before it, how it is spelled, what follows.
pub(super) fn next_element(layout: &str) -> (&str, Option<(Element, &str)>, &str) {
    for (at, _) in layout.char_indices() {
        let rest = layout.get(at..).unwrap_or_default();
        for (spelling, element) in ELEMENTS {
            if !rest.starts_with(spelling) {
                continue;
            }
            let after = rest.get(spelling.len()..).unwrap_or_default();
            let lower_follows = after.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
            if matches!(element, Element::Month | Element::Weekday) && lower_follows {
                continue;
            }
            // `_2006` is a blank-less underscore before a year.
            if element == Element::UnderDay && rest.starts_with("_2006") {
                continue;
            }
            let (element, length) = match element {
                Element::Fraction(_) | Element::OptionalFraction => {
                    let digit = if matches!(element, Element::Fraction(_)) { b'0' } else { b'9' };
                    let run = rest.bytes().skip(1).take_while(|b| *b == digit).count();
                    if rest.as_bytes().get(1 + run).is_some_and(u8::is_ascii_digit) {
                        continue;
                    }
                    let element =
                        if digit == b'0' { Element::Fraction(run) } else { Element::OptionalFraction };
                    (element, 1 + run)
                }
                element => (element, spelling.len()),
            };
            let spelled = rest.get(..length).unwrap_or_default();
            let after = rest.get(length..).unwrap_or_default();
            return (layout.get(..at).unwrap_or_default(), Some((element, spelled)), after);
        }
    }
    (layout, None, "")
}
