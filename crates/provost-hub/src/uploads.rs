//! Blob uploads: begin, mount, chunks, status, end, cancel.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use provost_oci::{Digest, ErrorCode};
use provost_registry::StoreError;
use provost_registry::layout::{Name, Upload};

use crate::answer::{Body, CONTENT_DIGEST, Refusal, UPLOAD_UUID, empty, set};
use crate::range::chunk;
use crate::route::{digest, query};
use crate::service::Service;
use crate::sessions::Session;

/// The bytes gathered before they are written: 1 MiB, so that an upload of any size costs about that in memory.
const PIECE: usize = 1024 * 1024;

impl Service {
    /// `POST`: mounts, stores at once, or begins.
    pub(crate) async fn begin_upload(
        &self,
        name: &Name,
        uri: &Uri,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        if let Some(mount) = query(uri, "mount")
            && let Some(from) = query(uri, "from").and_then(|from| from.parse::<Name>().ok())
        {
            let wanted = digest(&mount)?;
            if self.layout.mount_blob(&from, name, &wanted).await? {
                return Ok(stored(name, &wanted));
            }
        }
        let expected = query(uri, "digest").map(|text| digest(&text)).transpose()?;
        let upload = self.layout.begin().await?;
        let session = self.sessions.open(name, upload, &self.disk)?;
        let Some(expected) = expected else {
            return Ok(under_way(StatusCode::ACCEPTED, &session, 0));
        };
        // Gone with the request, also when its client goes away in the middle.
        let only = Closing { service: self, session };
        self.end_upload(&only.session, &expected, headers, body).await
    }

    /// `GET`: how far it is.
    pub(crate) fn upload_status(&self, name: &Name, id: &str) -> Result<Response<Body>, Refusal> {
        let session = self.sessions.find(name, id)?;
        let turn = session.turn()?;
        Ok(under_way(StatusCode::NO_CONTENT, &session, turn.as_ref().map_or(0, Upload::length)))
    }

    /// `PATCH`: one more chunk.
    pub(crate) async fn continue_upload(
        &self,
        name: &Name,
        id: &str,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        let session = self.sessions.find(name, id)?;
        let turn = session.turn()?;
        let upload = turn.as_ref().ok_or_else(ended)?;
        check_chunk(&session, upload, headers)?;
        let outcome = self.receive(&session, upload, body).await;
        self.sessions.touch(&session);
        outcome?;
        Ok(under_way(StatusCode::ACCEPTED, &session, upload.length()))
    }

    /// `PUT`: perhaps a last chunk, then the digest decides.
    pub(crate) async fn finish_upload(
        &self,
        name: &Name,
        id: &str,
        uri: &Uri,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        let session = self.sessions.find(name, id)?;
        let missing = || Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid, "digest missing");
        let expected = digest(&query(uri, "digest").ok_or_else(missing)?)?;
        self.end_upload(&session, &expected, headers, body).await
    }

    async fn end_upload(
        &self,
        session: &Arc<Session>,
        expected: &Digest,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        let mut turn = session.turn()?;
        let upload = turn.as_ref().ok_or_else(ended)?;
        check_chunk(session, upload, headers)?;
        self.receive(session, upload, body).await?;
        let upload = turn.take().ok_or_else(ended)?;
        let outcome = upload.finish(&session.name, expected).await;
        // Whole or wrong, it is over: docker-registry too drops an upload whose digest is another.
        self.sessions.close(session);
        match outcome {
            Ok(new) => {
                if new {
                    session.keep();
                }
                Ok(stored(&session.name, expected))
            }
            Err(StoreError::DigestMismatch { expected, found, .. }) => {
                let reason = format!("the upload has digest {found}, expected {expected}");
                Err(Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid, reason))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// `DELETE`: cancels.
    pub(crate) fn cancel_upload(&self, name: &Name, id: &str) -> Result<Response<Body>, Refusal> {
        let session = self.sessions.find(name, id)?;
        session.turn()?.take();
        self.sessions.close(&session);
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// Writes a body to disk as it comes; at most one piece of it is in memory.
    async fn receive(&self, session: &Session, upload: &Upload, mut body: Incoming) -> Result<(), Refusal> {
        let limit = self.limits.upload_bytes;
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut held: u64 = 0;
        loop {
            let data = match self.next_data(&mut body).await {
                Ok(Some(data)) => data,
                Ok(None) => break,
                Err(refusal) => {
                    // What came is kept, so that the client can go on from there.
                    upload.write(pieces).await?;
                    return Err(refusal);
                }
            };
            let length = data.len() as u64;
            let total = upload.length().saturating_add(held).saturating_add(length);
            if total > limit {
                let reason = format!("the upload has {total} bytes or more, expected at most {limit}");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid, reason));
            }
            session.reserve(length)?;
            held = held.saturating_add(length);
            pieces.push(data);
            if held >= PIECE as u64 {
                upload.write(std::mem::take(&mut pieces)).await?;
                held = 0;
                self.sessions.touch(session);
            }
        }
        if !pieces.is_empty() {
            upload.write(pieces).await?;
        }
        Ok(())
    }

    /// The next bytes of a body; `None` at its end.
    pub(crate) async fn next_data(&self, body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
        loop {
            let frame = match tokio::time::timeout(self.limits.body_idle, body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    let reason = format!("the body broke off: {error}");
                    return Err(Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::SizeInvalid, reason));
                }
                Err(_) => {
                    let reason = format!("the body stalled for {:?}", self.limits.body_idle);
                    return Err(Refusal::new(
                        StatusCode::REQUEST_TIMEOUT,
                        ErrorCode::BlobUploadInvalid,
                        reason,
                    ));
                }
            };
            // Trailers say nothing we need.
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }
}

/// A session that ends with the request that opened it.
struct Closing<'a> {
    service: &'a Service,
    session: Arc<Session>,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.service.sessions.close(&self.session);
    }
}

/// A chunk that states its range must begin where the upload stands, and be as long as it says.
fn check_chunk(session: &Session, upload: &Upload, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(given) = headers.get(header::CONTENT_RANGE) else { return Ok(()) };
    let stated = given.to_str().ok().and_then(chunk);
    let Some((first, last)) = stated else {
        let reason = format!("Content-Range is {given:?}, expected FIRST-LAST");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::BlobUploadInvalid, reason));
    };
    let stands = upload.length();
    if first != stands {
        let reason = format!("Content-Range begins at {first}, expected {stands}");
        return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BlobUploadInvalid, reason)
            .with(header::LOCATION, location(session))
            .with(header::RANGE, progress(stands))
            .with(UPLOAD_UUID, session.id.to_string()));
    }
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if (last - first).checked_add(1) != Some(length) => {
            let reason = format!("Content-Range is {first}-{last}, but Content-Length is {length}");
            Err(Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::SizeInvalid, reason))
        }
        _ => Ok(()),
    }
}

fn ended() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, ErrorCode::BlobUploadUnknown, "the upload has ended")
}

fn location(session: &Session) -> String {
    format!("/v2/{}/blobs/uploads/{}", session.name, session.id)
}

/// `0-LAST`; docker-registry's `0-0` also where nothing has come yet.
fn progress(length: u64) -> String {
    format!("0-{}", length.saturating_sub(1))
}

fn under_way(status: StatusCode, session: &Session, length: u64) -> Response<Body> {
    let mut response = empty(status);
    set(&mut response, header::LOCATION, location(session));
    set(&mut response, header::RANGE, progress(length));
    set(&mut response, UPLOAD_UUID, session.id.to_string());
    response
}

fn stored(name: &Name, digest: &Digest) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, header::LOCATION, format!("/v2/{name}/blobs/{digest}"));
    set(&mut response, CONTENT_DIGEST, digest.to_string());
    response
}
