//! Blobs: fetched within a limit, looked for, uploaded, mounted.

use std::path::Path;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use provost_oci::{Descriptor, Digest, Repository};
use url::Url;

use crate::StoreError;
use crate::answer::{Answer, Expect};
use crate::endpoint::{blob_path, uploads_path};
use crate::limits::ERROR_BODY_LIMIT;
use crate::transport::{Ask, Body, Target, Transport};

impl Transport {
    /// A blob of at most `limit` bytes that has its digest.
    pub(crate) async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        limit: u64,
    ) -> Result<Bytes, StoreError> {
        let expect = Expect { digest: Some(digest.clone()), ..Expect::at_most(limit) };
        let ask = Ask::pull(repository, Method::GET, blob_path(repository, digest), expect);
        Ok(self.ask_for_success(&ask).await?.body)
    }

    /// Whether a blob is there.
    pub(crate) async fn has_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let expect = Expect::at_most(ERROR_BODY_LIMIT);
        let ask = Ask::pull(repository, Method::HEAD, blob_path(repository, digest), expect);
        let answer = self.ask(&ask).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(answer.refusal()),
        }
    }

    /// Uploads a blob in one piece, unless it is there.
    pub(crate) async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        let descriptor = Descriptor::of(media_type, &bytes);
        if !self.has_blob(repository, &descriptor.digest).await? {
            self.upload(repository, &descriptor.digest, Body::Bytes(bytes)).await?;
        }
        Ok(descriptor)
    }

    /// Uploads a blob in one piece without a look whether it is there.
    pub(crate) async fn put_new_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        let descriptor = Descriptor::of(media_type, &bytes);
        self.upload(repository, &descriptor.digest, Body::Bytes(bytes)).await?;
        Ok(descriptor)
    }

    /// Uploads a file in one piece, unless the blob is there.
    pub(crate) async fn put_blob_file(
        &self,
        repository: &Repository,
        digest: &Digest,
        file: &Path,
    ) -> Result<(), StoreError> {
        if self.has_blob(repository, digest).await? {
            return Ok(());
        }
        let length = tokio::fs::metadata(file).await.map_err(|error| StoreError::Disk {
            path: file.display().to_string(),
            cause: error.to_string(),
        })?;
        self.upload(repository, digest, Body::File(file.to_owned(), length.len())).await
    }

    /// Writes a blob into a new file.
    pub(crate) async fn blob_to_file(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        file: &Path,
    ) -> Result<(), StoreError> {
        let expect = Expect {
            digest: Some(blob.digest.clone()),
            file: Some(file.to_owned()),
            ..Expect::at_most(blob.size)
        };
        let ask = Ask::pull(repository, Method::GET, blob_path(repository, &blob.digest), expect);
        self.ask_for_success(&ask).await.map(drop)
    }

    async fn upload(&self, repository: &Repository, digest: &Digest, body: Body) -> Result<(), StoreError> {
        let start = Ask::push(repository, Method::POST, Target::Path(uploads_path(repository)), Bytes::new());
        let started = self.ask_for_success(&start).await?;
        let mut place = self.upload_place(repository, &started)?;
        place.query_pairs_mut().append_pair("digest", &digest.to_string());
        let octets = HeaderValue::from_static("application/octet-stream");
        let mut put =
            Ask::push(repository, Method::PUT, Target::Url(place), Bytes::new()).with(CONTENT_TYPE, octets);
        put.body = body;
        self.ask_for_success(&put).await.map(drop)
    }

    /// Makes a blob of another repository of the same registry available in this one, without its bytes going
    /// over the wire. `false` where the registry wants an upload instead.
    pub(crate) async fn mount_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, StoreError> {
        if from.registry() != repository.registry() {
            return Ok(false);
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("mount", &digest.to_string()).append_pair("from", from.path());
        let path = format!("{}?{}", uploads_path(repository), query.finish());
        let mut ask = Ask::push(repository, Method::POST, Target::Path(path), Bytes::new());
        ask.also = Some(from);
        let answer = self.ask_for_success(&ask).await?;
        Ok(answer.status == StatusCode::CREATED)
    }

    fn upload_place(&self, repository: &Repository, started: &Answer) -> Result<Url, StoreError> {
        let location = started.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| StoreError::Malformed {
            request: started.request.clone(),
            reason: "the answer does not say where to upload (no Location)".to_owned(),
        })?;
        self.led_to(&self.registries.of(repository)?.endpoint, &Method::POST, &started.url, location)
    }
}
