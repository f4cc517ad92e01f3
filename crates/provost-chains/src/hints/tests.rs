//! What results are taken for.

use serde_json::{Value, json};

use super::*;

fn results(list: Value) -> Vec<RunResult> {
    serde_json::from_value(list).unwrap()
}

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn names(images: &[ImageRef]) -> Vec<(&str, char)> {
    let first = |image: &ImageRef| image.digest.hex().chars().next().unwrap_or('-');
    images.iter().map(|image| (image.name.as_str(), first(image))).collect()
}

#[test]
fn pairs_need_no_separator_and_are_trimmed() {
    let found = images(&results(json!([
        {"name": "IMAGE_URL", "value": "reg.local/one:v1\n"},
        {"name": "first-IMAGE_DIGEST", "value": digest('b')},
        {"name": "IMAGE_DIGEST", "value": format!(" {}\n", digest('a'))},
        {"name": "first-IMAGE_URL", "value": "reg.local/two"},
        {"name": "lone-IMAGE_URL", "value": "reg.local/three"},
        {"name": "blank-IMAGE_URL", "value": "  "},
        {"name": "blank-IMAGE_DIGEST", "value": digest('c')},
        {"name": "list-IMAGE_URL", "value": ["reg.local/four"]},
        {"name": "list-IMAGE_DIGEST", "value": digest('d')},
    ])));
    assert_eq!(names(&found), [("reg.local/one", 'a'), ("reg.local/two", 'b')]);
}

#[test]
fn images_are_listed_once_however_they_are_named() {
    let found = images(&results(json!([
        {"name": "IMAGES", "value": format!("reg.local/one@{a}, reg.local/one:v2@{a}\n\nbad,reg.local/two@{b}", a = digest('a'), b = digest('b'))},
        {"name": "xIMAGES", "value": format!("reg.local/no@{}", digest('c'))},
        {"name": "IMAGE_URL", "value": "reg.local/one"},
        {"name": "IMAGE_DIGEST", "value": digest('a')},
        {"name": "o-ARTIFACT_OUTPUTS", "value": {"uri": "reg.local/three:v1", "digest": digest('d'), "isBuildArtifact": "true"}},
        {"name": "p-ARTIFACT_OUTPUTS", "value": {"uri": "reg.local/four", "digest": digest('e')}},
        {"name": "q-ARTIFACT_OUTPUTS", "value": {"uri": "pkg:maven/Org@1", "digest": digest('f'), "isBuildArtifact": "true"}},
    ])));
    assert_eq!(names(&found), [("reg.local/one", 'a'), ("reg.local/two", 'b'), ("reg.local/three", 'd')]);
}

#[test]
fn a_sha512_is_an_artifacts_digest_and_no_images() {
    let long = format!("sha512:{}", "a".repeat(128));
    let list = results(json!([
        {"name": "IMAGE_URL", "value": "reg.local/one"}, {"name": "IMAGE_DIGEST", "value": long},
        {"name": "a_ARTIFACT_URI", "value": "pkg:x"}, {"name": "a_ARTIFACT_DIGEST", "value": long},
        {"name": "b_ARTIFACT_URI", "value": "pkg:y"}, {"name": "b_ARTIFACT_DIGEST", "value": "sha512:ab"},
    ]));
    assert_eq!(images(&list), vec![]);
    assert_eq!(uri_pairs(&list), vec![Located { uri: "pkg:x".into(), digest: long }]);
}

#[test]
fn outputs_and_inputs_are_objects_with_uri_and_digest() {
    let list = results(json!([
        {"name": "a-ARTIFACT_OUTPUTS", "value": {"uri": "u", "digest": digest('a'), "isBuildArtifact": "True"}},
        {"name": "b-ARTIFACT_OUTPUTS", "value": {"uri": "", "digest": digest('a')}},
        {"name": "c-ARTIFACT_OUTPUTS", "value": "text"},
        {"name": "d-ARTIFACT_OUTPUTS", "value": {"uri": "v", "isBuildArtifact": "true"}},
        {"name": "e-ARTIFACT_INPUTS", "value": {"uri": "git+w", "digest": format!("SHA1:{}\n", "a".repeat(40))}},
    ]));
    assert_eq!(outputs(&list), vec![Located { uri: "u".into(), digest: digest('a') }]);
    assert_eq!(build_artifacts(&list), vec![]);
    let sha1 = DigestText { algorithm: "sha1".into(), hex: "a".repeat(40) };
    assert_eq!(inputs(&list), vec![("git+w".to_owned(), sha1)]);
    let left: Vec<bool> = list.iter().map(is_no_byproduct).collect();
    assert_eq!(left, [false, false, true, true, false]);
}
