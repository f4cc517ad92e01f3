//! Manifests going out and coming in.

use http::header::{self, HeaderMap};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use provost_oci::{ErrorCode, Selector};
use provost_registry::StoreError;
use provost_registry::layout::Name;
use serde::Deserialize;

use crate::answer::{Body, CONTENT_DIGEST, OCI_SUBJECT, Refusal, bytes, empty, set};
use crate::blobs::matches_tag;
use crate::service::Service;

impl Service {
    /// `GET` and `HEAD`. What the client accepts is not looked at: there is one form of each manifest.
    pub(crate) async fn manifest(
        &self,
        name: &Name,
        which: &Selector,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Refusal> {
        let (pointer, content) = self.layout.manifest_in(name, which).await?;
        let tag = format!("\"{}\"", pointer.digest);
        let mut response = if matches_tag(headers, &tag) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            bytes(StatusCode::OK, &pointer.media_type, content)
        };
        set(&mut response, header::ETAG, tag);
        set(&mut response, CONTENT_DIGEST, pointer.digest.to_string());
        Ok(response)
    }

    /// `PUT`.
    pub(crate) async fn put_manifest(
        &self,
        name: &Name,
        which: &Selector,
        headers: &HeaderMap,
        mut body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        let limit = self.limits.manifest_bytes;
        let mut content = Vec::new();
        while let Some(data) = self.next_data(&mut body).await? {
            content.extend_from_slice(&data);
            if content.len() as u64 > limit {
                let reason =
                    format!("the manifest has {} bytes or more, expected at most {limit}", content.len());
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid, reason));
            }
        }
        let media_type = media_type(headers, &content)?;
        let length = content.len() as u64;
        self.disk.take(length)?;
        let stored = match self.layout.put_manifest_in(name, which, &media_type, content.into()).await {
            Ok(stored) => stored,
            Err(error) => {
                self.disk.give(length);
                return Err(match error {
                    StoreError::DigestMismatch { expected, found, .. } => {
                        let reason = format!("the manifest has digest {found}, expected {expected}");
                        Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid, reason)
                    }
                    other => other.into(),
                });
            }
        };
        if !stored.new {
            self.disk.give(length);
        }
        let mut response = empty(StatusCode::CREATED);
        set(&mut response, header::LOCATION, format!("/v2/{name}/manifests/{}", stored.digest));
        set(&mut response, CONTENT_DIGEST, stored.digest.to_string());
        if let Some(subject) = stored.subject {
            set(&mut response, OCI_SUBJECT, subject.to_string());
        }
        Ok(response)
    }

    /// `DELETE`.
    pub(crate) async fn delete_manifest(
        &self,
        name: &Name,
        which: &Selector,
    ) -> Result<Response<Body>, Refusal> {
        self.layout.delete_manifest(name, which).await?;
        Ok(empty(StatusCode::ACCEPTED))
    }
}

/// The manifest's kind: the `Content-Type` without parameters, else what the manifest says of itself.
fn media_type(headers: &HeaderMap, content: &[u8]) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        media_type: String,
    }
    if let Some(stated) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
        let kind = stated.split(';').next().unwrap_or_default();
        return Ok(kind.trim().to_ascii_lowercase());
    }
    let own = serde_json::from_slice::<Kind>(content).map(|kind| kind.media_type);
    own.map_err(|_| {
        let reason = "neither Content-Type nor mediaType says what kind of manifest this is";
        Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid, reason)
    })
}
