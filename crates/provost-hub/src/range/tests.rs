//! Ranges as clients send them, and as they should not.

use super::{Wanted, chunk, wanted};

#[test]
fn a_range_is_one_part_or_everything() {
    let cases = [
        (None, Wanted::All),
        (Some("bytes=0-3"), Wanted::Part(0, 3)),
        (Some("bytes=4-"), Wanted::Part(4, 9)),
        (Some("bytes=-3"), Wanted::Part(7, 9)),
        (Some("bytes=-30"), Wanted::Part(0, 9)),
        (Some("bytes=8-30"), Wanted::Part(8, 9)),
        (Some("bytes=10-"), Wanted::Unsatisfiable),
        (Some("bytes=10-12"), Wanted::Unsatisfiable),
        (Some("bytes=-0"), Wanted::Unsatisfiable),
        (Some("bytes=5-2"), Wanted::All),
        (Some("bytes=0-1,4-5"), Wanted::All),
        (Some("bytes=+1-2"), Wanted::All),
        (Some("bytes=-"), Wanted::All),
        (Some("lines=0-1"), Wanted::All),
        (Some("bytes=0-99999999999999999999999"), Wanted::All),
    ];
    for (header, expected) in cases {
        assert_eq!(wanted(header, 10), expected, "{header:?}");
    }
    assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    assert_eq!(wanted(Some("bytes=-1"), 0), Wanted::Unsatisfiable);
}

#[test]
fn a_chunk_has_first_and_last() {
    for good in ["3-9", " 3-9 ", "bytes 3-9/10", "bytes=3-9"] {
        assert_eq!(chunk(good), Some((3, 9)), "{good}");
    }
    for bad in ["", "3", "3-", "-9", "9-3", "a-b", "3-9-12", "+3-9", "bytes */10"] {
        assert_eq!(chunk(bad), None, "{bad}");
    }
}
