//! Referrers: who names a digest as subject, by the OCI 1.1 API or the fallback tag.

use std::time::Instant;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Method};
use provost_oci::media_type::{OCI_INDEX, OCI_MANIFEST, is_index};
use provost_oci::{Descriptor, Digest, ImageIndex, ImageManifest, Repository, Selector};

use crate::answer::Expect;
use crate::endpoint::referrers_path;
use crate::limits::{
    FALLBACK_TAG_SPANS, FALLBACK_TAG_TRIES, FALLBACK_TAG_WAIT, PAGES, REFERRERS_LIMIT, REFERRERS_PAGE_LIMIT,
};
use crate::manifests::too_many;
use crate::store::{Manifest, StoreError};
use crate::transport::{Ask, Target, Transport};

/// Where the referrers API is not asked at all (`PROVOST_REFERRERS=off`, also for single hosts).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferrersSwitch {
    /// Nowhere.
    pub off: bool,
    /// Not at these registries (`host[:port]`).
    pub off_at: Vec<String>,
}

impl ReferrersSwitch {
    /// Whether a registry's referrers API is asked.
    #[must_use]
    pub fn is_on(&self, registry: &str) -> bool {
        !self.off && !self.off_at.iter().any(|host| host.eq_ignore_ascii_case(registry))
    }
}

impl Transport {
    /// The referrers by the API; `None` where the registry has none (security.md 6).
    pub(crate) async fn referrers_by_api(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, StoreError> {
        let mut found = Vec::new();
        let expect = Expect::at_most(REFERRERS_PAGE_LIMIT);
        let mut ask = Ask::pull(repository, Method::GET, referrers_path(repository, digest), expect)
            .with(ACCEPT, HeaderValue::from_static(OCI_INDEX));
        for page in 0..PAGES {
            let answer = self.ask(&ask).await?;
            // Only the first page can say that there is no such API: later ones would hide what is missing.
            if page == 0 && matches!(answer.status.as_u16(), 400 | 404 | 405 | 406 | 501) {
                return Ok(None);
            }
            if !answer.status.is_success() {
                return Err(match answer.refusal() {
                    StoreError::NotFound { request, status, errors, body } => {
                        StoreError::Status { request, status, errors, body }
                    }
                    other => other,
                });
            }
            let index = match serde_json::from_slice::<ImageIndex>(&answer.body) {
                Ok(index) if answer.media_type() == Some(OCI_INDEX) => index,
                _ if page == 0 && answer.media_type() != Some(OCI_INDEX) => return Ok(None),
                Ok(_) => return Err(not_an_index(answer.request, "it is of another media type".to_owned())),
                Err(e) => return Err(not_an_index(answer.request, e.to_string())),
            };
            found.extend(index.manifests);
            if found.len() > REFERRERS_LIMIT {
                return Err(too_many(&answer, "referrers", REFERRERS_LIMIT));
            }
            match self.next_page(repository, &answer)? {
                Some(next) => ask.target = Target::Url(next),
                None => return Ok(Some(found)),
            }
        }
        let request = format!("{repository}@{digest}");
        Err(StoreError::Malformed { request, reason: format!("over {PAGES} pages of referrers") })
    }

    /// The referrers by the fallback tag; none where there is no such tag.
    pub(crate) async fn referrers_by_tag(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        let manifest = match self.manifest(repository, &fallback_tag(digest)).await {
            Ok(manifest) => manifest,
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // `cosign copy` puts the image itself under this tag, which lists nothing.
        if manifest.digest == *digest {
            return Ok(Vec::new());
        }
        let request = format!("{repository}:{}", fallback_tag(digest));
        if !is_index(&manifest.media_type) {
            let reason = format!("it is {:?}", manifest.media_type);
            return Err(not_an_index(request, reason));
        }
        let index: ImageIndex = serde_json::from_slice(&manifest.bytes)
            .map_err(|e| not_an_index(request.clone(), e.to_string()))?;
        if index.manifests.len() > REFERRERS_LIMIT {
            let reason = format!("over {REFERRERS_LIMIT} referrers");
            return Err(StoreError::Malformed { request, reason });
        }
        Ok(index.manifests)
    }

    /// Adds a manifest to the fallback tag of its subject, and reads the tag back until it is there: another
    /// writer may have read before us and written after.
    pub(crate) async fn list_by_tag(
        &self,
        repository: &Repository,
        subject: &Digest,
        entry: &Descriptor,
    ) -> Result<(), StoreError> {
        let tag = fallback_tag(subject);
        let mut read = Instant::now();
        let mut manifests = self.referrers_by_tag(repository, subject).await?;
        for _ in 0..FALLBACK_TAG_TRIES {
            if manifests.iter().any(|listed| listed.digest == entry.digest) {
                return Ok(());
            }
            manifests.push(entry.clone());
            manifests.sort_by(|a, b| a.digest.cmp(&b.digest));
            let bytes =
                index_of(manifests).map_err(|e| not_an_index(repository.to_string(), e.to_string()))?;
            self.put_manifest(repository, &tag, &Manifest::new(OCI_INDEX, bytes)).await?;
            let wait = read.elapsed().saturating_mul(FALLBACK_TAG_SPANS).min(FALLBACK_TAG_WAIT);
            tokio::time::sleep(wait).await;
            read = Instant::now();
            manifests = self.referrers_by_tag(repository, subject).await?;
        }
        if manifests.iter().any(|listed| listed.digest == entry.digest) {
            return Ok(());
        }
        Err(StoreError::Malformed {
            request: format!("{repository}:{tag}"),
            reason: format!(
                "{} is not listed after {FALLBACK_TAG_TRIES} tries: others write it too",
                entry.digest
            ),
        })
    }
}

/// The subject that a manifest names, and the entry that lists the manifest under it: with its artifact type (the
/// configuration's kind where it states none) and its annotations, as the distribution specification 1.1 says.
/// `None` where it names no subject or cannot be read.
#[must_use]
pub fn subject_of(manifest: &Manifest) -> Option<(Digest, Descriptor)> {
    let mut entry = manifest.descriptor();
    let (subject, artifact_type, annotations) = if is_index(&manifest.media_type) {
        let index: ImageIndex = serde_json::from_slice(&manifest.bytes).ok()?;
        (index.subject?, index.artifact_type, index.annotations)
    } else {
        let image: ImageManifest = serde_json::from_slice(&manifest.bytes).ok()?;
        let filled = image.artifact_type.filter(|kind| !kind.is_empty());
        (image.subject?, filled.or(Some(image.config.media_type)), image.annotations)
    };
    entry.artifact_type = artifact_type;
    entry.annotations = annotations;
    Some((subject.digest, entry))
}

/// `sha256-<hex>`, the referrers tag of the distribution specification.
fn fallback_tag(digest: &Digest) -> Selector {
    // The specification cuts the digits at 64, so that SHA-512 stays within a tag's length.
    let hex = digest.hex().get(..64).unwrap_or_else(|| digest.hex());
    Selector::Tag(format!("{}-{hex}", digest.algorithm().name()))
}

fn index_of(manifests: Vec<Descriptor>) -> Result<Bytes, serde_json::Error> {
    let index = ImageIndex {
        schema_version: 2,
        media_type: OCI_INDEX.to_owned(),
        manifests,
        annotations: std::collections::BTreeMap::new(),
        subject: None,
        artifact_type: None,
    };
    serde_json::to_vec(&index).map(Bytes::from)
}

fn not_an_index(request: String, reason: String) -> StoreError {
    StoreError::Malformed { request, reason: format!("expected an index of referrers: {reason}") }
}

/// Whether a manifest's kind can have a subject.
pub(crate) fn may_have_subject(media_type: &str) -> bool {
    media_type == OCI_MANIFEST || media_type == OCI_INDEX
}
