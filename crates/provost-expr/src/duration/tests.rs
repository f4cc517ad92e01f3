//! Durations against what Go reads and prints.

use super::{Duration, DurationError};

#[test]
fn reads_and_prints() {
    for (text, nanoseconds, printed) in [
        ("0", 0, "0s"),
        ("+0", 0, "0s"),
        ("-1.5h", -5_400_000_000_000, "-1h30m0s"),
        ("1h30m", 5_400_000_000_000, "1h30m0s"),
        ("1us", 1_000, "1µs"),
        ("1μs", 1_000, "1µs"),
        (".5s", 500_000_000, "500ms"),
        ("1.s", 1_000_000_000, "1s"),
        ("9223372036854775807ns", i64::MAX, "2562047h47m16.854775807s"),
        ("-9223372036854775808ns", i64::MIN, "-2562047h47m16.854775808s"),
        ("2562047h47m16.854775807s", i64::MAX, "2562047h47m16.854775807s"),
        ("0.0000000001s", 0, "0s"),
        ("999999ns", 999_999, "999.999µs"),
        ("1500us", 1_500_000, "1.5ms"),
        ("1s1ns", 1_000_000_001, "1.000000001s"),
        ("61s", 61_000_000_000, "1m1s"),
    ] {
        let duration: Duration = text.parse().unwrap();
        assert_eq!((duration.0, duration.to_string().as_str()), (nanoseconds, printed), "{text}");
    }
}

#[test]
fn refuses_in_gos_words() {
    for (text, words) in [
        ("", "time: invalid duration \"\""),
        ("1.5", "time: missing unit in duration \"1.5\""),
        ("1d", "time: unknown unit \"d\" in duration \"1d\""),
        (".s", "time: invalid duration \".s\""),
        ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
        ("2562048h", "time: invalid duration \"2562048h\""),
        ("1e3s", "time: unknown unit \"e\" in duration \"1e3s\""),
        ("1h 2m", "time: unknown unit \"h \" in duration \"1h 2m\""),
        ("-", "time: invalid duration \"-\""),
        ("h", "time: invalid duration \"h\""),
    ] {
        assert_eq!(text.parse::<Duration>().map_err(|e: DurationError| e.to_string()), Err(words.to_owned()));
    }
}
