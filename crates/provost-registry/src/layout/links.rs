//! What a manifest points to, read from its bytes before it is stored.

use std::collections::BTreeMap;

use provost_oci::{Descriptor, Digest, ErrorCode, ErrorEntry, media_type};
use serde::Deserialize;

use crate::StoreError;

/// The parts of a manifest that a registry looks at; everything else is left to those who read it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

/// What a manifest points to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Links {
    /// Configuration and layers that must be there.
    pub(super) blobs: Vec<Digest>,
    /// The members of an index, which must be there.
    pub(super) manifests: Vec<Digest>,
    /// What it is about, whether there or not.
    pub(super) subject: Option<Digest>,
    /// The kind of artifact that a referrers answer states: its own, else its configuration's kind.
    pub(super) artifact_type: Option<String>,
    /// The remarks that a referrers answer repeats.
    pub(super) annotations: BTreeMap<String, String>,
}

impl Links {
    /// Reads a manifest of this media type; `request` names it in errors.
    pub(super) fn read(request: &str, media_type: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let fail = |reason: String| refused(request, ErrorCode::ManifestInvalid, reason);
        if !media_type::MANIFEST_ACCEPT.contains(&media_type) {
            let kinds = media_type::MANIFEST_ACCEPT.join(", ");
            return Err(fail(format!("unknown media type {media_type:?}: expected one of {kinds}")));
        }
        let shape: Shape = serde_json::from_slice(bytes).map_err(|e| fail(e.to_string()))?;
        if shape.schema_version != 2 {
            return Err(fail(format!("schemaVersion is {}, expected 2", shape.schema_version)));
        }
        if !shape.media_type.is_empty() && shape.media_type != media_type {
            return Err(fail(format!("mediaType is {:?}, expected {media_type:?}", shape.media_type)));
        }
        let index = media_type::is_index(media_type);
        // One document that is both an image and an index would mean different things to different readers.
        match (index, &shape.config, &shape.manifests) {
            (true, None, Some(_)) if shape.layers.is_none() => {}
            (true, ..) => {
                return Err(fail("an index has manifests, and neither config nor layers".to_owned()));
            }
            (false, Some(_), None) => {}
            (false, ..) => return Err(fail("an image manifest has a config, and no manifests".to_owned())),
        }
        let artifact_type = shape
            .artifact_type
            .filter(|kind| !kind.is_empty())
            .or_else(|| shape.config.as_ref().map(|config| config.media_type.clone()));
        let layers =
            shape.layers.unwrap_or_default().into_iter().filter(|layer| !is_foreign(&layer.media_type));
        let blobs = shape.config.into_iter().chain(layers).map(|blob| blob.digest).collect();
        let manifests = shape.manifests.unwrap_or_default().into_iter().map(|member| member.digest).collect();
        let annotations = shape.annotations.unwrap_or_default();
        Ok(Self { blobs, manifests, subject: shape.subject.map(|it| it.digest), artifact_type, annotations })
    }
}

/// The media type a manifest states or, in older ones, shows by its shape; `None` where it is no manifest.
pub(super) fn media_type_of(bytes: &[u8]) -> Option<String> {
    let shape: Shape = serde_json::from_slice(bytes).ok()?;
    if !shape.media_type.is_empty() {
        return Some(shape.media_type);
    }
    let kind = if shape.manifests.is_some() { media_type::OCI_INDEX } else { media_type::OCI_MANIFEST };
    Some(kind.to_owned())
}

/// The refusal of a manifest, in the specification's form.
pub(super) fn refused(request: &str, code: ErrorCode, reason: String) -> StoreError {
    let detail = Some(serde_json::Value::String(reason));
    let entry = ErrorEntry { code: code.as_str().to_owned(), message: code.message().to_owned(), detail };
    StoreError::Status { request: request.to_owned(), status: 400, errors: vec![entry], body: String::new() }
}

/// Layers that are fetched from elsewhere and need not be in the registry.
fn is_foreign(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
        || media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
}
