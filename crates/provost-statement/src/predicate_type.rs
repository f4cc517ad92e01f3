//! Predicate types: the short words of cosign's `--type`, and the URIs they stand for.

/// SLSA provenance v0.2.
pub const SLSA_V02: &str = "https://slsa.dev/provenance/v0.2";
/// SLSA provenance v1.
pub const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
/// cosign's own type for any bytes.
pub const CUSTOM: &str = "https://cosign.sigstore.dev/attestation/v1";
/// cosign's vulnerability scan.
pub const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

/// An SPDX document.
pub const SPDX: &str = "https://spdx.dev/Document";

/// The URI a `--type` word stands for; a word that is none of cosign's is the URI itself.
#[must_use]
pub fn uri_of(word: &str) -> &str {
    match word {
        "custom" => CUSTOM,
        "slsaprovenance" | "slsaprovenance02" => SLSA_V02,
        "slsaprovenance1" => SLSA_V1,
        "spdx" | "spdxjson" => SPDX,
        "cyclonedx" => "https://cyclonedx.org/bom",
        "link" => "https://in-toto.io/Link/v1",
        "vuln" => VULN,
        "openvex" => "https://openvex.dev/ns",
        uri => uri,
    }
}
