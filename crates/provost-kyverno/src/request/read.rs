//! From bytes to a request: the one reading that the command and the server share.

use provost_statement::json::{self, Limits};
use serde_json::Value;

use super::Request;

/// The longest `AdmissionReview` read. An API server takes 3 MiB for a new object and keeps 1.5 MiB of an old one, and may
/// write each byte of them as six (`\u003c`): 27 MiB, and the request around them.
pub const REVIEW_LIMIT: usize = 32 * 1024 * 1024;
/// Where an API server writes the identifier: first in the request, after the review's kind and version.
const HEAD: usize = 512;
/// What stands before the identifier there.
const BEFORE_UID: &[u8] = br#""request":{"uid":""#;
/// The longest identifier taken from a text that is no review; an API server's has 36 characters.
const UID_LIMIT: usize = 64;

/// What is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unread {
    /// The request's identifier, as far as it could be read.
    pub uid: String,
    /// Why it is none.
    pub why: String,
}

/// The request of an `AdmissionReview`. JSON in which a key stands twice is read differently by different readers, so
/// it is refused.
///
/// # Errors
/// When it is longer than [`REVIEW_LIMIT`], no strict JSON, or no review.
pub fn review(text: &[u8]) -> Result<Request, Unread> {
    let limits = Limits { bytes: REVIEW_LIMIT, ..Limits::STATEMENT };
    if text.len() > REVIEW_LIMIT {
        return Err(Unread { uid: uid_in(text), why: format!("longer than {REVIEW_LIMIT} bytes") });
    }
    let read = json::parse(text, limits);
    let read = read.map_err(|error| Unread { uid: uid_in(text), why: error.to_string() })?;
    Request::of_review(&read).map_err(|error| {
        let uid = read.pointer("/request/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        Unread { uid, why: error.to_string() }
    })
}

/// The identifier in the beginning of a text that need not be a review, as an API server writes it; empty where there is
/// none. An answer that bears it is a denial, an answer without it is a failure that `failurePolicy: Ignore` forgives.
#[must_use]
pub fn uid_in(text: &[u8]) -> String {
    let head = text.get(..HEAD).unwrap_or(text);
    let found = head.windows(BEFORE_UID.len()).position(|window| window == BEFORE_UID);
    let rest = found.and_then(|at| head.get(at + BEFORE_UID.len()..)).unwrap_or_default();
    let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
    match (end, end.and_then(|end| rest.get(..end)), end.and_then(|end| rest.get(end))) {
        (Some(1..=UID_LIMIT), Some(uid), Some(b'"')) => String::from_utf8_lossy(uid).into_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{REVIEW_LIMIT, review, uid_in};

    #[test]
    fn the_identifier_is_found_in_what_is_no_review() {
        for (text, uid) in [
            (r#"{"kind":"AdmissionReview","request":{"uid":"a-1","kind":{"kind":"Pod","kind":""}}}"#, "a-1"),
            (r#"{"request":{"uid":"a-1""#, "a-1"),
            (r#"{"request":{"uid":"a-1"#, ""),
            (r#"{"request":{"uid":"a\"b""#, ""),
            (r#"{"request":{"uid":"""#, ""),
            ("", ""),
        ] {
            assert_eq!(uid_in(text.as_bytes()), uid, "{text}");
            assert_eq!(review(text.as_bytes()).unwrap_err().uid, uid, "{text}");
        }
    }

    #[test]
    fn more_than_the_limit_is_refused_by_name() {
        let mut text = br#"{"request":{"uid":"a-1","object":""#.to_vec();
        text.resize(REVIEW_LIMIT + 1, b'x');
        let refused = review(&text).unwrap_err();
        assert_eq!((refused.uid.as_str(), refused.why.as_str()), ("a-1", "longer than 33554432 bytes"));
    }
}
