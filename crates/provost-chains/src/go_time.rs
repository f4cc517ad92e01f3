//! Times and durations as Go writes them again: `60m` is `1h0m0s`, an offset becomes `Z`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use provost_expr::duration::Duration;

/// The moment an RFC 3339 text names, `None` where it names none.
#[must_use]
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    // RFC 3339 has a capital T or a lower one; Go, which Chains reads with, takes only the capital.
    (text.as_bytes().get(10) == Some(&b'T')).then(|| text.parse().ok())?
}

/// As a Kubernetes object spells a time: whole seconds, UTC.
#[must_use]
pub(crate) fn in_object(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As Go's `time.Time` is written into a v0.2 predicate: no more digits of a second than needed.
#[must_use]
pub(crate) fn in_v02(moment: Timestamp) -> String {
    fraction(moment, |digits| digits.trim_end_matches('0').to_owned())
}

/// As protobuf writes a timestamp into a v1 predicate: none, three, six or nine digits of a second.
#[must_use]
pub(crate) fn in_v1(moment: Timestamp) -> String {
    fraction(moment, |digits| {
        let short = digits.trim_end_matches("000");
        short.to_owned()
    })
}

fn fraction(moment: Timestamp, shorten: impl Fn(&str) -> String) -> String {
    let seconds = moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let digits = shorten(&format!("{:09}", moment.subsec_nanosecond()));
    let dot = if digits.is_empty() { "" } else { "." };
    format!("{seconds}{dot}{digits}Z")
}

/// A Go duration in Go's own spelling, `None` where the text is none.
#[must_use]
pub(crate) fn duration(text: &str) -> Option<String> {
    text.parse::<Duration>().ok().map(|duration| duration.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_out_in_gos_spelling() {
        for (text, want) in [
            ("60m", Some("1h0m0s")),
            ("1h0m0s", Some("1h0m0s")),
            ("90s", Some("1m30s")),
            ("1.5h", Some("1h30m0s")),
            ("0", Some("0s")),
            ("0s", Some("0s")),
            ("1500ms", Some("1.5s")),
            ("15us", Some("15µs")),
            ("1ns", Some("1ns")),
            ("1.5ms", Some("1.5ms")),
            ("-2m", Some("-2m0s")),
            (".5s", Some("500ms")),
            ("0.5000000000000009999h", Some("30m0s")),
            ("", None),
            ("1", None),
            ("h", None),
            ("1d", None),
            ("3000000h", None),
        ] {
            assert_eq!(duration(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn times_become_utc_with_the_digits_their_writer_keeps() {
        let half = moment("2026-01-02T03:04:05.500+02:00").unwrap();
        assert_eq!(in_object(half), "2026-01-02T01:04:05Z");
        assert_eq!(in_v02(half), "2026-01-02T01:04:05.5Z");
        assert_eq!(in_v1(half), "2026-01-02T01:04:05.500Z");
        let whole = moment("2026-01-02T03:04:05Z").unwrap();
        assert_eq!((in_v02(whole), in_v1(whole)), (in_object(whole), in_object(whole)));
        assert_eq!(moment("2026-01-02 03:04:05Z"), None);
        assert_eq!(moment("yesterday"), None);
    }
}
