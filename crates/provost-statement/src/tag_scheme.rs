//! The words of the tag scheme: how layers of `.sig` and `.att` manifests are marked, by those who write and read them.

/// The media type of an envelope layer.
pub const ENVELOPE_LAYER: &str = "application/vnd.dsse.envelope.v1+json";
/// The media type of a simple signing layer.
pub const SIGNATURE_LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation every signature layer carries; for attestations its value is empty.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The most layers of one manifest, cosign's limit.
pub const MAX_LAYERS: usize = 1000;
