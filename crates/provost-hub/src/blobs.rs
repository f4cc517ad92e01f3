//! Blobs going out: whole, in part, or only their length.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderMap};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use provost_oci::{Digest, ErrorCode};
use provost_registry::StoreError;
use provost_registry::layout::{Name, OpenBlob};

use crate::answer::{Body, CONTENT_DIGEST, Refusal, bytes, empty, set};
use crate::range::{Wanted, wanted};
use crate::service::Service;

/// The piece a blob is read in: 256 KiB, so that a download of any size costs that much memory.
const PIECE: u64 = 256 * 1024;

/// What a blob is to a registry.
const KIND: &str = "application/octet-stream";

impl Service {
    /// `GET` and `HEAD`.
    pub(crate) async fn blob(
        &self,
        method: &Method,
        name: &Name,
        digest: &Digest,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Refusal> {
        let ahead = if method == Method::HEAD { 0 } else { PIECE };
        let OpenBlob { mut file, length, whole } = match self.layout.open_blob(name, digest, ahead).await {
            // To one who asks before pushing, a corrupt file is not the blob; pushing it replaces the file.
            Err(error @ StoreError::DigestMismatch { .. }) if method == Method::HEAD => {
                (self.remarks)(&error.to_string());
                let detail = digest.to_string();
                return Err(Refusal::new(StatusCode::NOT_FOUND, ErrorCode::BlobUnknown, detail));
            }
            other => other?,
        };
        let tag = format!("\"{digest}\"");
        if matches_tag(headers, &tag) {
            let mut response = empty(StatusCode::NOT_MODIFIED);
            set(&mut response, header::ETAG, tag);
            return Ok(response);
        }
        let asked = match method {
            &Method::HEAD => None,
            _ => headers.get(header::RANGE).and_then(|value| value.to_str().ok()),
        };
        let (status, first, count) = match wanted(asked, length) {
            Wanted::All => (StatusCode::OK, 0, length),
            Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Wanted::Unsatisfiable => {
                let reason = format!("the blob has {length} bytes");
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                return Err(Refusal::new(status, ErrorCode::SizeInvalid, reason)
                    .with(header::CONTENT_RANGE, format!("bytes */{length}")));
            }
        };
        let mut response = if method == Method::HEAD || count == 0 {
            empty(status)
        } else if let Some(part) = whole.as_ref().and_then(|whole| part(whole, first, count)) {
            bytes(status, KIND, part)
        } else {
            file.seek(SeekFrom::Start(first)).map_err(|error| Refusal::from(broken(digest, &error)))?;
            let mut response = Response::new(body(file, count));
            *response.status_mut() = status;
            response
        };
        set(&mut response, header::CONTENT_LENGTH, count.to_string());
        set(&mut response, header::CONTENT_TYPE, KIND);
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        set(&mut response, header::CACHE_CONTROL, "max-age=31536000");
        set(&mut response, header::ETAG, tag);
        set(&mut response, CONTENT_DIGEST, digest.to_string());
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {first}-{}/{length}", first + count - 1);
            set(&mut response, header::CONTENT_RANGE, range);
        }
        Ok(response)
    }

    /// `DELETE`.
    pub(crate) async fn delete_blob(&self, name: &Name, digest: &Digest) -> Result<Response<Body>, Refusal> {
        self.layout.delete_blob(name, digest).await?;
        let mut response = empty(StatusCode::ACCEPTED);
        set(&mut response, CONTENT_DIGEST, digest.to_string());
        Ok(response)
    }
}

/// Whether the client says it has this content already.
pub(crate) fn matches_tag(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    given.is_some_and(|list| list.split(',').any(|each| each.trim().trim_start_matches("W/") == tag))
}

/// `count` bytes from `first` on, where there are so many.
fn part(whole: &Bytes, first: u64, count: u64) -> Option<Bytes> {
    let (first, count) = (usize::try_from(first).ok()?, usize::try_from(count).ok()?);
    let end = first.checked_add(count)?;
    (end <= whole.len()).then(|| whole.slice(first..end))
}

/// The next `count` bytes of a file, read piece by piece as they are sent.
fn body(file: File, count: u64) -> Body {
    let pieces = stream::try_unfold((file, count), |(file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = move || -> io::Result<(File, Bytes)> {
            let mut piece = Vec::new();
            (&file).take(left.min(PIECE)).read_to_end(&mut piece)?;
            Ok((file, piece.into()))
        };
        let (file, piece) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
        if piece.is_empty() {
            // The connection breaks rather than ending short of the stated length.
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let left = left.saturating_sub(piece.len() as u64);
        Ok(Some((Frame::data(piece), (file, left))))
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn broken(digest: &Digest, error: &io::Error) -> StoreError {
    StoreError::Disk { path: digest.to_string(), cause: error.to_string() }
}
