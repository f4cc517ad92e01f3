//! From bytes to a request: the one reading that the command and the server share.

use provost_statement::json::{self, Limits};
use serde_json::Value;

use super::Request;

/// The longest `AdmissionReview` read. An API server takes 3 MiB for a new object and keeps 1.5 MiB of an old one, and may
/// write each byte of them as six (`\u003c`): 27 MiB, and the request around them.
pub const REVIEW_LIMIT: usize = 32 * 1024 * 1024;
/// The most values in one: an old object of 1.5 MiB has at most 0.75 million, a new one twice that, at 32 bytes each.
pub const VALUE_LIMIT: usize = 4 * 1024 * 1024;
/// The version of reviews that is spoken.
pub const REVIEW_VERSION: &str = "admission.k8s.io/v1";
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
    request_in(parsed(text)?)
}

/// The same as an API server sends it: in the version that was registered for, and with an identifier.
///
/// # Errors
/// As [`review`].
pub fn served_review(text: &[u8]) -> Result<Request, Unread> {
    let read = parsed(text)?;
    let part = |name: &str| read.get(name).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (part("apiVersion"), part("kind"));
    if (version, kind) != (REVIEW_VERSION, "AdmissionReview") {
        let why = format!("expected an AdmissionReview of {REVIEW_VERSION}, found {kind:?} of {version:?}");
        return Err(Unread { uid: uid_of(&read), why });
    }
    match uid_of(&read).is_empty() {
        true => Err(Unread { uid: String::new(), why: "request.uid: expected an identifier".to_owned() }),
        false => request_in(read),
    }
}

fn parsed(text: &[u8]) -> Result<Value, Unread> {
    let limits = Limits { depth: Limits::STATEMENT.depth, bytes: REVIEW_LIMIT, values: VALUE_LIMIT };
    if text.len() > REVIEW_LIMIT {
        return Err(Unread { uid: uid_in(text), why: format!("longer than {REVIEW_LIMIT} bytes") });
    }
    json::parse(text, limits).map_err(|error| Unread { uid: uid_in(text), why: error.to_string() })
}

fn request_in(mut review: Value) -> Result<Request, Unread> {
    let uid = uid_of(&review);
    Request::taken_from(&mut review).map_err(|error| Unread { uid, why: error.to_string() })
}

fn uid_of(review: &Value) -> String {
    review.pointer("/request/uid").and_then(Value::as_str).unwrap_or_default().to_owned()
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
    use super::{REVIEW_LIMIT, VALUE_LIMIT, review, served_review, uid_in};

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

    #[test]
    fn a_review_of_more_values_than_an_object_can_have_is_refused() {
        let text = format!(r#"{{"request":{{"uid":"a-1","object":[{}0]}}}}"#, "0,".repeat(VALUE_LIMIT));
        let refused = review(text.as_bytes()).unwrap_err();
        assert_eq!(refused.uid, "a-1");
        assert!(refused.why.contains("values"), "{}", refused.why);
    }

    #[test]
    fn what_is_served_has_its_version_and_an_identifier() {
        let text = |version: &str, uid: &str| {
            let request = format!(r#""uid":"{uid}","kind":{{"kind":"Pod"}},"operation":"DELETE""#);
            format!(r#"{{"kind":"AdmissionReview","apiVersion":"{version}","request":{{{request}}}}}"#)
        };
        assert!(served_review(text("admission.k8s.io/v1", "a-1").as_bytes()).is_ok());
        let old = served_review(text("admission.k8s.io/v1beta1", "a-1").as_bytes()).unwrap_err();
        assert_eq!(old.uid, "a-1");
        assert!(old.why.contains("v1beta1"), "{}", old.why);
        let nameless = served_review(text("admission.k8s.io/v1", "").as_bytes()).unwrap_err();
        assert_eq!(nameless.why, "request.uid: expected an identifier");
    }
}
