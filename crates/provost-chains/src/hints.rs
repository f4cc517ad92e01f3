//! Type hinting: which results of a run name images, other artifacts, inputs and the git revision.
//!
//! A result's name ends in a marker (`IMAGE_URL`, `ARTIFACT_OUTPUTS`, …); what stands before the marker pairs the
//! halves of one artifact.

use std::collections::HashSet;

use provost_tekton::ParamValue;
use provost_tekton::object::status::RunResult;

use crate::digest_text::DigestText;
use crate::image_ref::ImageRef;

const IMAGE_URL: &str = "IMAGE_URL";
const IMAGE_DIGEST: &str = "IMAGE_DIGEST";
const IMAGES: &str = "IMAGES";
const ARTIFACT_URI: &str = "ARTIFACT_URI";
const ARTIFACT_DIGEST: &str = "ARTIFACT_DIGEST";
const ARTIFACT_INPUTS: &str = "ARTIFACT_INPUTS";
const ARTIFACT_OUTPUTS: &str = "ARTIFACT_OUTPUTS";

/// The result and parameter that name the git revision.
pub const GIT_COMMIT: &str = "CHAINS-GIT_COMMIT";
/// The result and parameter that name the git repository.
pub const GIT_URL: &str = "CHAINS-GIT_URL";

/// An artifact by place and digest, both as the results spell them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where it is.
    pub uri: String,
    /// `algorithm:hex`; valid, though perhaps with blanks around.
    pub digest: String,
}

/// The images that results name, each once, in the order they are found: pairs of `…IMAGE_URL` and
/// `…IMAGE_DIGEST`, then `IMAGES`, then build artifacts that are images.
///
/// What is no image reference is passed over, as in Chains.
#[must_use]
pub fn images(results: &[RunResult]) -> Vec<ImageRef> {
    let pairs = pairs(results, IMAGE_URL, IMAGE_DIGEST);
    let listed = results.iter().filter(|result| result.name == IMAGES).flat_map(|result| {
        let text = result.value.as_str().unwrap_or_default();
        text.split(['\n', ',']).map(str::trim).filter(|image| !image.is_empty())
    });
    let texts = pairs
        .iter()
        .map(|pair| format!("{}@{}", pair.uri, pair.digest))
        .chain(listed.map(str::to_owned))
        .chain(build_artifacts(results).into_iter().map(|built| format!("{}@{}", built.uri, built.digest)));
    let mut seen = HashSet::new();
    texts.filter_map(|text| ImageRef::parse(&text).ok()).filter(|image| seen.insert(image.clone())).collect()
}

/// The `…ARTIFACT_URI` and `…ARTIFACT_DIGEST` pairs whose digest is valid.
#[must_use]
pub fn uri_pairs(results: &[RunResult]) -> Vec<Located> {
    let mut pairs = pairs(results, ARTIFACT_URI, ARTIFACT_DIGEST);
    pairs.retain(|pair| DigestText::parse(&pair.digest).is_ok());
    pairs
}

/// The valid `…ARTIFACT_OUTPUTS` objects, build artifacts or not.
#[must_use]
pub fn outputs(results: &[RunResult]) -> Vec<Located> {
    structured(results, ARTIFACT_OUTPUTS).collect()
}

/// The valid `…ARTIFACT_INPUTS` objects, with their digests taken apart.
#[must_use]
pub fn inputs(results: &[RunResult]) -> Vec<(String, DigestText)> {
    structured(results, ARTIFACT_INPUTS)
        .filter_map(|input| Some((input.uri, DigestText::parse(&input.digest).ok()?)))
        .collect()
}

/// The valid `…ARTIFACT_OUTPUTS` objects with `isBuildArtifact: "true"`.
#[must_use]
pub fn build_artifacts(results: &[RunResult]) -> Vec<Located> {
    results.iter().filter(|result| says_build_artifact(result)).filter_map(located).collect()
}

/// Whether v2alpha4 leaves a result out of the byproducts: it names an image or a build artifact, or claims to
/// be an output and is none.
#[must_use]
pub fn is_no_byproduct(result: &RunResult) -> bool {
    let name = result.name.as_str();
    let malformed = name.ends_with(ARTIFACT_OUTPUTS) && !matches!(result.value, ParamValue::Object(_));
    malformed
        || says_build_artifact(result)
        || name.ends_with(IMAGE_URL)
        || name.ends_with(IMAGE_DIGEST)
        || name == IMAGES
}

fn says_build_artifact(result: &RunResult) -> bool {
    result.name.ends_with(ARTIFACT_OUTPUTS) && result.value.get("isBuildArtifact") == Some("true")
}

fn structured(results: &[RunResult], marker: &str) -> impl Iterator<Item = Located> {
    results.iter().filter(move |result| result.name.ends_with(marker)).filter_map(located)
}

fn located(result: &RunResult) -> Option<Located> {
    let text = |key| result.value.get(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let (uri, digest) = (text("uri")?, text("digest")?);
    DigestText::parse(&digest).is_ok().then_some(Located { uri, digest })
}

/// Pairs by what stands before the marker, in the order the first half appears (Chains' own order is random).
fn pairs(results: &[RunResult], uri_marker: &str, digest_marker: &str) -> Vec<Located> {
    let mut found: Vec<(&str, Located)> = Vec::new();
    for result in results {
        let halves = [(uri_marker, true), (digest_marker, false)];
        let half = halves.iter().find_map(|(marker, uri)| Some((result.name.strip_suffix(marker)?, *uri)));
        let value = result.value.as_str().unwrap_or_default().trim();
        let (Some((before, is_uri)), false) = (half, value.is_empty()) else { continue };
        let at = found.iter().position(|(known, _)| *known == before).unwrap_or_else(|| {
            found.push((before, Located { uri: String::new(), digest: String::new() }));
            found.len() - 1
        });
        if let Some((_, pair)) = found.get_mut(at) {
            if is_uri { pair.uri = value.to_owned() } else { pair.digest = value.to_owned() }
        }
    }
    let complete = |pair: &Located| !pair.uri.is_empty() && !pair.digest.is_empty();
    found.into_iter().map(|(_, pair)| pair).filter(complete).collect()
}

#[cfg(test)]
mod tests;
