//! Answers in HTTP.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::Full;
use provost_kyverno::review::{OWN_WARNING, unanswered};
use serde_json::{Value, json};

/// The version of reviews that is spoken.
pub(super) const VERSION: &str = provost_kyverno::request::read::REVIEW_VERSION;

/// A `response` in its `AdmissionReview`.
pub(super) fn envelope(response: Value) -> Response<Full<Bytes>> {
    let review = json!({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response});
    // A JSON value always becomes text.
    made(StatusCode::OK, "application/json", Bytes::from(serde_json::to_vec(&review).unwrap_or_default()))
}

/// The answer to what is no review: a denial where its identifier is known, since an API server takes everything else for
/// a failure, which `failurePolicy: Ignore` forgives.
pub(super) fn refusal(uid: &str, why: String) -> Response<Full<Bytes>> {
    let why = format!("{OWN_WARNING}{why}");
    match uid {
        "" => text(StatusCode::BAD_REQUEST, why),
        uid => envelope(unanswered(uid, why).mutate),
    }
}

/// A line of text.
pub(super) fn text(status: StatusCode, words: impl Into<String>) -> Response<Full<Bytes>> {
    let mut words = words.into();
    words.push('\n');
    made(status, "text/plain; charset=utf-8", Bytes::from(words))
}

pub(super) fn made(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
