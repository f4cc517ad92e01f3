//! Answers and refusals, in the specification's form.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use provost_oci::{ErrorCode, ErrorDocument, ErrorEntry};
use provost_registry::StoreError;
use serde::Serialize;

/// The body of every answer.
pub(crate) type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

/// The header by which clients know a registry.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// The digest of what was sent or stored.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The identity of an upload.
pub(crate) const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The digest a stored manifest is about.
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// The filters a referrers answer has applied.
pub(crate) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// Why a request is refused: what the client reads, and what the operator should.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) errors: Vec<ErrorEntry>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// For the operator only; it may name files of this machine.
    pub(crate) remark: Option<String>,
}

impl Refusal {
    /// A status with a code, its usual sentence, and what is special here.
    pub(crate) fn new(status: StatusCode, code: ErrorCode, detail: impl Into<String>) -> Self {
        let detail = Some(serde_json::Value::String(detail.into()));
        let entry = ErrorEntry { code: code.as_str().to_owned(), message: code.message().to_owned(), detail };
        Self { status, errors: vec![entry], headers: Vec::new(), remark: None }
    }

    /// The same with a header more.
    pub(crate) fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.push((name, value));
        }
        self
    }

    /// The hub's own failure: the client learns that, the operator learns why.
    fn internal(detail: String, remark: String) -> Self {
        let message = "unknown error".to_owned();
        let entry = ErrorEntry { code: "UNKNOWN".to_owned(), message, detail: Some(detail.into()) };
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, errors: vec![entry], headers: Vec::new(), remark: Some(remark) }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, &ErrorDocument { errors: self.errors });
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let remark = error.to_string();
        match error {
            StoreError::NotFound { errors, .. } => {
                Self { status: StatusCode::NOT_FOUND, errors, headers: Vec::new(), remark: None }
            }
            StoreError::Status { status, errors, .. } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Self { status, errors, headers: Vec::new(), remark: None }
            }
            StoreError::Refused { reason, .. } => {
                Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, reason)
            }
            // These name files relative to the layout, so the client may know too.
            StoreError::DigestMismatch { .. } | StoreError::Malformed { .. } => {
                Self::internal(remark.clone(), remark)
            }
            _ => Self::internal("the registry's storage failed".to_owned(), remark),
        }
    }
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// An answer of these bytes.
pub(crate) fn bytes(status: StatusCode, media_type: &str, bytes: Bytes) -> Response<Body> {
    let length = bytes.len();
    let mut response = Response::new(Full::new(bytes).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, media_type);
    set(&mut response, header::CONTENT_LENGTH, length.to_string());
    response
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Only maps with keys that are no text fail, and no answer has one.
    let text = serde_json::to_vec(value).unwrap_or_default();
    bytes(status, "application/json; charset=utf-8", text.into())
}

/// Sets a header, unless the value cannot be one.
pub(crate) fn set(response: &mut Response<Body>, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}

/// What every answer carries.
pub(crate) fn seal(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
