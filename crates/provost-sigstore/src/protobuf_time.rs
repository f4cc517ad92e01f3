//! Spans of time as protobuf's JSON writes them.

use jiff::Timestamp;
use serde::Serialize;

/// From when to when; an end that is not there is open.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Range {
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

impl Range {
    pub(crate) fn of(start: Option<Timestamp>, end: Option<Timestamp>) -> Self {
        Self { start: start.map(text), end: end.map(text) }
    }
}

/// RFC 3339 in UTC with 0, 3, 6 or 9 digits of a second, as few as hold the time.
fn text(time: Timestamp) -> String {
    let nanoseconds = time.subsec_nanosecond();
    let digits = match nanoseconds {
        0 => 0,
        n if n % 1_000_000 == 0 => 3,
        n if n % 1000 == 0 => 6,
        _ => 9,
    };
    format!("{time:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_as_many_digits_as_it_needs() {
        let cases = [
            ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00.500Z"),
            ("2024-01-01T02:00:00.000001+02:00", "2024-01-01T00:00:00.000001Z"),
            ("2024-01-01T00:00:00.000000001Z", "2024-01-01T00:00:00.000000001Z"),
        ];
        for (given, written) in cases {
            assert_eq!(text(given.parse().unwrap()), written);
        }
    }
}
