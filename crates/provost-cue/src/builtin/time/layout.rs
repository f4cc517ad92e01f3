//! Layouts: Go's reference time cut into its elements.

/// What an element of a layout stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumberMonth,
    ZeroMonth,
    LongWeekDay,
    WeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    ZoneName,
    /// `-0700` and its like: `Z` where UTC may be told by it, with colons, hours only, with seconds.
    Zone {
        zulu: bool,
        colon: bool,
        parts: u8,
    },
    /// A point or comma and digits; whether zeros at the end are left out.
    Fraction {
        digits: usize,
        trimmed: bool,
        mark: char,
    },
}

/// The month names.
pub(super) const MONTHS: [&str; 12] = [
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

/// The day names.
pub(super) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Elements by how they are written; a longer one comes before those it begins with.
const ELEMENTS: &[(&str, Element)] = &[
    ("January", Element::LongMonth),
    ("Jan", Element::Month),
    ("Monday", Element::LongWeekDay),
    ("Mon", Element::WeekDay),
    ("MST", Element::ZoneName),
    ("002", Element::ZeroYearDay),
    ("01", Element::ZeroMonth),
    ("02", Element::ZeroDay),
    ("03", Element::ZeroHour12),
    ("04", Element::ZeroMinute),
    ("05", Element::ZeroSecond),
    ("06", Element::Year),
    ("15", Element::Hour),
    ("1", Element::NumberMonth),
    ("2006", Element::LongYear),
    ("2", Element::Day),
    ("__2", Element::UnderYearDay),
    ("_2", Element::UnderDay),
    ("3", Element::Hour12),
    ("4", Element::Minute),
    ("5", Element::Second),
    ("PM", Element::UpperHalf),
    ("pm", Element::LowerHalf),
    ("-070000", Element::Zone { zulu: false, colon: false, parts: 3 }),
    ("-07:00:00", Element::Zone { zulu: false, colon: true, parts: 3 }),
    ("-0700", Element::Zone { zulu: false, colon: false, parts: 2 }),
    ("-07:00", Element::Zone { zulu: false, colon: true, parts: 2 }),
    ("-07", Element::Zone { zulu: false, colon: false, parts: 1 }),
    ("Z070000", Element::Zone { zulu: true, colon: false, parts: 3 }),
    ("Z07:00:00", Element::Zone { zulu: true, colon: true, parts: 3 }),
    ("Z0700", Element::Zone { zulu: true, colon: false, parts: 2 }),
    ("Z07:00", Element::Zone { zulu: true, colon: true, parts: 2 }),
    ("Z07", Element::Zone { zulu: true, colon: false, parts: 1 }),
];

/// The text before the first element of a layout, the element with its text, and the rest.
pub(super) fn next(layout: &str) -> (&str, Option<(Element, &str)>, &str) {
    for (at, _) in layout.char_indices() {
        let (before, rest) = layout.split_at(at);
        // "_2006" is an underscore and a year.
        if rest.starts_with("_2006") {
            continue;
        }
        let lower_follows = |text: &str| {
            rest.get(text.len()..).is_some_and(|tail| tail.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        let found = ELEMENTS.iter().find(|(text, element)| {
            let shortened = matches!(element, Element::Month | Element::WeekDay);
            rest.starts_with(text) && !(shortened && lower_follows(text))
        });
        if let Some((text, element)) = found {
            let (text, rest) = rest.split_at(text.len());
            return (before, Some((*element, text)), rest);
        }
        let mark = rest.chars().next().filter(|mark| matches!(mark, '.' | ','));
        if let Some(mark) = mark {
            let tail = rest.get(1..).unwrap_or_default();
            let digit = tail.chars().next().filter(|digit| matches!(digit, '0' | '9'));
            if let Some(digit) = digit {
                let digits = tail.chars().take_while(|c| *c == digit).count();
                let after = tail.get(digits..).unwrap_or_default();
                if !after.starts_with(|c: char| c.is_ascii_digit()) {
                    let (text, rest) = rest.split_at(digits + 1);
                    let element = Element::Fraction { digits, trimmed: digit == '9', mark };
                    return (before, Some((element, text)), rest);
                }
            }
        }
    }
    (layout, None, "")
}
