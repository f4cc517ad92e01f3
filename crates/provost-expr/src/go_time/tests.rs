//! Times at their bounds; layouts and arithmetic are tested by the corpus.

use super::{Instant, RFC3339, TimeError};
use crate::duration::Duration;

#[test]
fn calendar_and_back() {
    for text in [
        "1970-01-01T00:00:00Z",
        "2000-02-29T23:59:59Z",
        "1900-03-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59+02:00",
    ] {
        assert_eq!(Instant::parse_rfc3339(text).unwrap().to_rfc3339(), text);
    }
    assert_eq!(Instant::parse_rfc3339("2024-02-29T00:00:00Z").unwrap().civil().weekday, 4);
}

#[test]
fn differences_stay_within_a_duration() {
    let first = Instant::parse_rfc3339("0001-01-01T00:00:00Z").unwrap();
    let last = Instant::parse_rfc3339("9999-12-31T00:00:00Z").unwrap();
    assert_eq!(last.since(first), Duration(i64::MAX));
    assert_eq!(first.since(last), Duration(i64::MIN));
    assert_eq!(Instant::from_unix(i64::MAX).to_rfc3339(), "9999-12-31T23:59:59Z");
}

#[test]
fn misfits_say_what_was_wanted() {
    let error = Instant::parse(RFC3339, "2024-01-01").unwrap_err();
    assert!(
        matches!(&error, TimeError::Mismatch { rest, element, .. } if rest.is_empty() && element == "T"),
        "{error}"
    );
}
