//! Manifests and tags: fetched, looked up, stored, listed.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, IF_NONE_MATCH, LINK};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use provost_oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST, MANIFEST_ACCEPT, OCI_INDEX, OCI_MANIFEST};
use provost_oci::{Descriptor, Digest, Repository, Selector};
use serde::Deserialize;
use url::Url;

use crate::answer::{Answer, Expect};
use crate::endpoint::{manifest_path, tags_path};
use crate::limits::{PAGES, TAGS_LIMIT, TAGS_PAGE_LIMIT};
use crate::store::{MANIFEST_LIMIT, Manifest, StoreError};
use crate::transport::{Ask, Target, Transport};

/// The answer's header that names the content's digest.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// The answer's header that says a registry has taken note of a manifest's subject (OCI 1.1).
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// What a stored manifest's registry made of it.
pub(crate) struct Stored {
    /// Whether its subject now lists it by the referrers API.
    pub(crate) knows_subject: bool,
}

#[derive(Deserialize)]
struct MediaTypeOf {
    #[serde(rename = "mediaType", default)]
    media_type: String,
}

#[derive(Deserialize)]
struct TagList {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Transport {
    /// The manifest of a tag or digest; of a digest only bytes that have it.
    pub(crate) async fn manifest(
        &self,
        repository: &Repository,
        which: &Selector,
    ) -> Result<Manifest, StoreError> {
        let answer = self.ask_for_success(&whole(repository, which)?).await?;
        Ok(manifest_of(answer, which))
    }

    /// The manifest of a tag, unless it is still that of this digest.
    pub(crate) async fn manifest_unless(
        &self,
        repository: &Repository,
        tag: &Selector,
        known: &Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        // Registries that give a manifest an ETag make it of its digest; those that know none send the manifest.
        let etag = HeaderValue::from_str(&format!("\"{known}\"")).map_err(|_| StoreError::Malformed {
            request: format!("{repository}:{tag}"),
            reason: format!("{known:?} does not fit into a header"),
        })?;
        let answer = self.ask(&whole(repository, tag)?.with(IF_NONE_MATCH, etag)).await?;
        match answer.status {
            StatusCode::NOT_MODIFIED => Ok(None),
            status if status.is_success() => {
                Ok(Some(manifest_of(answer, tag)).filter(|found| found.digest != *known))
            }
            _ => Err(answer.refusal()),
        }
    }

    /// What a tag or digest points to, by `HEAD` where that says enough.
    pub(crate) async fn resolve(
        &self,
        repository: &Repository,
        which: &Selector,
    ) -> Result<Descriptor, StoreError> {
        let path = manifest_path(repository, which)?;
        let expect = Expect::at_most(MANIFEST_LIMIT);
        let ask = Ask::pull(repository, Method::HEAD, path, expect).with(ACCEPT, accept_all());
        let answer = self.ask(&ask).await?;
        if matches!(answer.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            return Ok(self.manifest(repository, which).await?.descriptor());
        }
        if !answer.status.is_success() {
            return Err(answer.refusal());
        }
        let Some(descriptor) = descriptor_of(&answer) else {
            return Ok(self.manifest(repository, which).await?.descriptor());
        };
        match which {
            Selector::Digest(expected) if *expected != descriptor.digest => Err(StoreError::DigestMismatch {
                request: answer.request,
                expected: expected.clone(),
                found: descriptor.digest,
            }),
            _ => Ok(descriptor),
        }
    }

    /// Stores a manifest as it is.
    pub(crate) async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Stored, StoreError> {
        let target = Target::Path(manifest_path(repository, which)?);
        let kind = HeaderValue::from_str(&manifest.media_type).map_err(|_| StoreError::Malformed {
            request: format!("{repository}@{}", manifest.digest),
            reason: format!("{:?} is no media type", manifest.media_type),
        })?;
        let ask = Ask::push(repository, Method::PUT, target, manifest.bytes.clone()).with(CONTENT_TYPE, kind);
        let answer = self.ask_for_success(&ask).await?;
        if let Some(found) = answer.header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok())
            && found.algorithm() == manifest.digest.algorithm()
            && found != manifest.digest
        {
            let expected = manifest.digest.clone();
            return Err(StoreError::DigestMismatch { request: answer.request, expected, found });
        }
        Ok(Stored { knows_subject: answer.headers.contains_key(OCI_SUBJECT) })
    }

    /// Deletes a tag or a manifest.
    pub(crate) async fn delete(&self, repository: &Repository, which: &Selector) -> Result<(), StoreError> {
        let target = Target::Path(manifest_path(repository, which)?);
        self.ask_for_success(&Ask::push(repository, Method::DELETE, target, Bytes::new())).await?;
        Ok(())
    }

    /// All tags, sorted.
    pub(crate) async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        let mut tags = Vec::new();
        let mut ask =
            Ask::pull(repository, Method::GET, tags_path(repository), Expect::at_most(TAGS_PAGE_LIMIT));
        for _ in 0..PAGES {
            let answer = self.ask_for_success(&ask).await?;
            let page: TagList = serde_json::from_slice(&answer.body).map_err(|e| StoreError::Malformed {
                request: answer.request.clone(),
                reason: format!("no list of tags: {e}"),
            })?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > TAGS_LIMIT {
                return Err(too_many(&answer, "tags", TAGS_LIMIT));
            }
            match self.next_page(repository, &answer)? {
                Some(next) => ask.target = Target::Url(next),
                None => {
                    tags.sort();
                    tags.dedup();
                    return Ok(tags);
                }
            }
        }
        let request = repository.to_string();
        Err(StoreError::Malformed { request, reason: format!("over {PAGES} pages of tags") })
    }

    /// The next page of a list, from `Link: <…>; rel="next"`; it must be the registry's own.
    pub(crate) fn next_page(
        &self,
        repository: &Repository,
        answer: &Answer,
    ) -> Result<Option<Url>, StoreError> {
        let Some(link) = next_link(&answer.headers) else { return Ok(None) };
        let registry = self.registries.of(repository)?;
        let next = self.led_to(&registry.endpoint, &Method::GET, &answer.url, link)?;
        if next.origin() != answer.url.origin() {
            let reason = "the next page is on another host".to_owned();
            return Err(StoreError::Refused { request: answer.request.clone(), reason });
        }
        Ok(Some(next))
    }
}

/// A list that goes on beyond its limit.
pub(crate) fn too_many(answer: &Answer, what: &str, limit: usize) -> StoreError {
    StoreError::Malformed { request: answer.request.clone(), reason: format!("over {limit} {what}") }
}

fn next_link(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(LINK).iter().find_map(|value| {
        let (target, parameters) = value.to_str().ok()?.trim_start().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        });
        is_next.then_some(target)
    })
}

/// The question for a whole manifest; of a digest only bytes that have it are taken.
fn whole<'a>(repository: &'a Repository, which: &Selector) -> Result<Ask<'a>, StoreError> {
    let digest = match which {
        Selector::Digest(digest) => Some(digest.clone()),
        Selector::Tag(_) => None,
    };
    let expect = Expect { digest, ..Expect::at_most(MANIFEST_LIMIT) };
    let path = manifest_path(repository, which)?;
    Ok(Ask::pull(repository, Method::GET, path, expect).with(ACCEPT, accept_all()))
}

/// The manifest in a good answer, whose bytes have been checked against the digest that was asked for.
fn manifest_of(answer: Answer, which: &Selector) -> Manifest {
    let digest = match which {
        Selector::Digest(digest) => digest.clone(),
        Selector::Tag(_) => Digest::sha256_of(&answer.body),
    };
    Manifest { media_type: media_type_of(&answer), digest, bytes: answer.body }
}

fn accept_all() -> HeaderValue {
    HeaderValue::from_str(&MANIFEST_ACCEPT.join(",")).unwrap_or_else(|_| HeaderValue::from_static("*/*"))
}

/// The kind the manifest says it is, which its digest covers, else the kind the registry says.
fn media_type_of(answer: &Answer) -> String {
    let own = own_media_type(&answer.body);
    if matches!(own.as_str(), OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_LIST) {
        return own;
    }
    answer.media_type().map_or(own, str::to_owned)
}

fn own_media_type(bytes: &Bytes) -> String {
    serde_json::from_slice::<MediaTypeOf>(bytes).map(|own| own.media_type).unwrap_or_default()
}

fn descriptor_of(answer: &Answer) -> Option<Descriptor> {
    let digest = answer.header(CONTENT_DIGEST)?.parse().ok()?;
    let size = answer.header("content-length")?.parse().ok()?;
    Some(Descriptor::new(answer.media_type()?, size, digest))
}
