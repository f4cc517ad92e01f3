//! Answers of registries: read within limits, checked against a digest as they stream, and errors among them.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use provost_oci::{Digest, ErrorDocument, ErrorEntry};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::StoreError;
use crate::limits::{ERROR_BODY_LIMIT, ERROR_ENTRIES, ERROR_SHOWN};
use crate::network_failure::{Failure, body_failure};

/// What a good answer's body may be.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    /// The most bytes that are read.
    pub(crate) limit: u64,
    /// The digest of the bytes, where it is known beforehand.
    pub(crate) digest: Option<Digest>,
    /// The file into which a good body goes instead of memory.
    pub(crate) file: Option<PathBuf>,
}

impl Expect {
    /// At most so many bytes.
    pub(crate) fn at_most(limit: u64) -> Self {
        Self { limit, digest: None, file: None }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// `METHOD URL` of the request that was answered, after redirects.
    pub(crate) request: String,
    /// The URL that answered.
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body; of an error answer only the first [`ERROR_BODY_LIMIT`] bytes.
    pub(crate) body: Bytes,
}

/// The query parameters that are shown: what the specification defines, none of which is a secret.
const SHOWN_PARAMETERS: &[&str] = &["digest", "from", "last", "mount", "n", "scope", "service"];

/// `METHOD URL`, as go-containerregistry begins its errors. Other queries may be signatures or tokens.
pub(crate) fn request_line(method: &Method, url: &Url) -> String {
    let harmless = url.query_pairs().all(|(name, _)| SHOWN_PARAMETERS.contains(&&*name));
    if harmless && url.username().is_empty() && url.password().is_none() {
        return format!("{method} {url}");
    }
    let mut shown = url.clone();
    if !harmless {
        shown.set_query(Some("REDACTED"));
    }
    // These fail only for URLs that cannot have a user, which then show none.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    format!("{method} {shown}")
}

/// Reads an answer to its end.
pub(crate) async fn read(
    method: &Method,
    mut response: reqwest::Response,
    expect: &Expect,
) -> Result<Answer, Failure> {
    let url = response.url().clone();
    let request = request_line(method, &url);
    let status = response.status();
    let headers = response.headers().clone();
    let good = status.is_success();
    let limit = if good { expect.limit } else { ERROR_BODY_LIMIT };
    let stated = response.content_length().unwrap_or(0);
    if *method == Method::HEAD {
        return Ok(Answer { request, url, status, headers, body: Bytes::new() });
    }
    if good && stated > limit {
        return Err(Failure::lasting(StoreError::Size { request, expected: limit, found: stated }));
    }
    let mut file = match expect.file.as_ref().filter(|_| good) {
        Some(path) => Some((tokio::fs::File::create(path).await.map_err(|e| disk(path, &e))?, path)),
        None => None,
    };
    let mut length: u64 = 0;
    let mut body = BytesMut::with_capacity(usize::try_from(stated.min(limit)).unwrap_or(0).min(1024 * 1024));
    let mut hasher = expect.digest.as_ref().filter(|_| good).map(|d| provost_oci::Hasher::new(d.algorithm()));
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => return Err(body_failure(request, &url, &error)),
        };
        let room = limit.saturating_sub(length);
        if chunk.len() as u64 > room {
            if good {
                let found = length + chunk.len() as u64;
                return Err(Failure::lasting(StoreError::Size { request, expected: limit, found }));
            }
            body.extend_from_slice(chunk.get(..usize::try_from(room).unwrap_or(0)).unwrap_or_default());
            break;
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(&chunk);
        }
        length += chunk.len() as u64;
        match &mut file {
            Some((file, path)) => file.write_all(&chunk).await.map_err(|e| disk(path, &e))?,
            None => body.extend_from_slice(&chunk),
        }
    }
    if let Some((mut file, path)) = file {
        file.flush().await.map_err(|e| disk(path, &e))?;
    }
    if let (Some(hasher), Some(expected)) = (hasher, &expect.digest) {
        let found = hasher.finish();
        if found != *expected {
            let expected = expected.clone();
            return Err(Failure::lasting(StoreError::DigestMismatch { request, expected, found }));
        }
    }
    Ok(Answer { request, url, status, headers, body: body.freeze() })
}

/// A failure of the disk, which no other try mends.
pub(crate) fn disk(path: &Path, error: &std::io::Error) -> Failure {
    Failure::lasting(StoreError::Disk { path: path.display().to_string(), cause: error.to_string() })
}

impl Answer {
    /// One header, where it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type without parameters.
    pub(crate) fn media_type(&self) -> Option<&str> {
        let text = self.header("content-type")?;
        Some(text.split(';').next().unwrap_or(text).trim())
            .filter(|text| !text.is_empty() && text.len() <= 255)
    }

    /// This answer as the error it is.
    pub(crate) fn refusal(self) -> StoreError {
        let Self { request, status, body, .. } = self;
        let (errors, body) = entries(&body);
        let number = status.as_u16();
        if status == StatusCode::NOT_FOUND {
            StoreError::NotFound { request, status: number, errors, body }
        } else {
            StoreError::Status { request, status: number, errors, body }
        }
    }
}

/// The entries of an error document, or the first of the text where it is none; controls removed.
fn entries(body: &[u8]) -> (Vec<ErrorEntry>, String) {
    match serde_json::from_slice::<ErrorDocument>(body) {
        Ok(document) if !document.errors.is_empty() => {
            let errors = document.errors.into_iter().take(ERROR_ENTRIES).map(|entry| ErrorEntry {
                code: shown(&entry.code),
                message: shown(&entry.message),
                detail: entry.detail.and_then(detail),
            });
            (errors.collect(), String::new())
        }
        _ => (Vec::new(), shown(&String::from_utf8_lossy(body))),
    }
}

/// A detail is kept while it is short: its text is the dialect's to choose.
fn detail(value: Value) -> Option<Value> {
    if value.to_string().len() > ERROR_SHOWN { None } else { Some(without_controls(value)) }
}

fn without_controls(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shown(&text)),
        // The depth is bounded by the 512 bytes the whole has.
        Value::Array(items) => Value::Array(items.into_iter().map(without_controls).collect()),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(name, value)| (shown(&name), without_controls(value))).collect(),
        ),
        other => other,
    }
}

/// At most 512 bytes of a foreign text, without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut kept = String::new();
    for character in text.trim_end().chars() {
        if kept.len() + character.len_utf8() > ERROR_SHOWN {
            break;
        }
        if !is_unprintable(character) {
            kept.push(character);
        }
    }
    kept
}

/// Controls, and the marks that turn the direction of a text round.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_documents_are_cut_and_cleaned() {
        let body = format!(
            r#"{{"errors":[{{"code":"DENIED","message":"\u001b[31m{}","detail":{{"Tag":"a\u0007b"}}}}]}}"#,
            "x".repeat(600)
        );
        let (errors, rest) = entries(body.as_bytes());
        assert_eq!(rest, "");
        assert_eq!(errors[0].code, "DENIED");
        assert_eq!(errors[0].message.len(), ERROR_SHOWN);
        assert!(errors[0].message.starts_with("[31mx"));
        assert_eq!(errors[0].detail, Some(serde_json::json!({"Tag": "ab"})));
    }

    #[test]
    fn at_most_eight_entries_and_no_long_detail_are_kept() {
        let entry = format!(r#"{{"code":"A","message":"b","detail":"{}"}}"#, "d".repeat(ERROR_SHOWN));
        let body = format!(r#"{{"errors":[{}]}}"#, vec![entry; 20].join(","));
        let (errors, _) = entries(body.as_bytes());
        assert_eq!(errors.len(), ERROR_ENTRIES);
        assert_eq!(errors[0].detail, None);
    }

    #[test]
    fn what_is_no_error_document_is_shown_as_text() {
        assert_eq!(entries(b"404 page not found\n"), (vec![], "404 page not found".to_owned()));
        assert_eq!(entries(br#"{"errors":[]}"#), (vec![], r#"{"errors":[]}"#.to_owned()));
        assert_eq!(entries("a\u{202e}b\r\nc".as_bytes()), (vec![], "abc".to_owned()));
        let deep = format!("{}{}", r#"{"errors":[{"detail":"#, "[".repeat(100_000));
        assert_eq!(entries(deep.as_bytes()).1.len(), ERROR_SHOWN);
    }

    #[test]
    fn signed_queries_and_users_are_not_shown() {
        let line = |url: &str| request_line(&Method::GET, &Url::parse(url).unwrap());
        assert_eq!(line("https://h/v2/a/tags/list?n=1000"), "GET https://h/v2/a/tags/list?n=1000");
        assert_eq!(line("https://s3.test/b?n=1&X-Amz-Signature=1"), "GET https://s3.test/b?REDACTED");
        assert_eq!(line("https://s3.test/b?X-Amz-Signature=1"), "GET https://s3.test/b?REDACTED");
        assert_eq!(line("https://u:p@s3.test/b"), "GET https://s3.test/b");
    }
}
