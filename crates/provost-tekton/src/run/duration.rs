//! Go's durations, as timeouts are written: `1h30m`, `500ms`, `0s`.

use std::time::Duration;

/// Reads a Go duration that is not negative; `None` for any other text and for what does not fit in 64 bits of nanoseconds.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    // Go reads `-0s`, too; a timeout with a sign before it is a mistake.
    let read = text.parse::<provost_expr::duration::Duration>().ok().filter(|_| !text.starts_with('-'))?;
    Some(Duration::from_nanos(u64::try_from(read.0).ok()?))
}

/// Writes a duration as Go does: `1h0m0s`, `1.5s`, `500ms`.
pub(crate) fn write(duration: Duration) -> String {
    let nanoseconds = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    provost_expr::duration::Duration(nanoseconds).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        let cases = [
            ("1h", 3600e9, "1h0m0s"),
            ("60m", 3600e9, "1h0m0s"),
            ("1h30m10.5s", 5410.5e9, "1h30m10.5s"),
            ("500ms", 0.5e9, "500ms"),
            ("1.5ms", 0.0015e9, "1.5ms"),
            ("20us", 20e3, "20µs"),
            ("7ns", 7.0, "7ns"),
            (".5s", 0.5e9, "500ms"),
            ("0", 0.0, "0s"),
            ("0s", 0.0, "0s"),
            ("90s", 90e9, "1m30s"),
        ];
        for (text, nanos, written) in cases {
            let duration = parse(text).unwrap();
            assert_eq!(duration.as_nanos() as f64, nanos, "{text}");
            assert_eq!(write(duration), written, "{text}");
        }
        for text in ["", "1", "-1s", "1x", "s", ".s", "1.2.3s", "9999999999999h", "1h 2m"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
