//! Image strings and their normal forms; more strings are tested by the corpus.

use super::{ImageDefaults, ImageFault, ImageInfo};

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn parse(text: &str) -> ImageInfo {
    ImageInfo::parse(text, &ImageDefaults::default()).unwrap()
}

#[test]
fn normal_forms() {
    assert_eq!(parse("nginx").to_string(), "docker.io/nginx:latest");
    let both = parse(&format!("ghcr.io/org/app:v1@{DIGEST}"));
    assert_eq!(both.to_string(), format!("ghcr.io/org/app@{DIGEST}"));
    assert_eq!((both.tag.as_str(), both.name.as_str(), both.path.as_str()), ("v1", "app", "org/app"));
    assert_eq!(both.reference_with_tag, "ghcr.io/org/app:v1");
    let digest_only = parse(&format!("app@{DIGEST}"));
    assert_eq!(digest_only.reference_with_tag, "docker.io/app:");
    assert!(digest_only.to_json().get("tag").is_none());
}

#[test]
fn without_mutation_a_defaulted_registry_is_left_out() {
    let defaults = ImageDefaults { registry: "registry.example", mutation: false };
    let info = ImageInfo::parse("nginx", &defaults).unwrap();
    assert_eq!((info.registry.as_str(), info.to_string().as_str()), ("", "nginx:latest"));
    let odd = ImageInfo::parse("my_org/app", &defaults).unwrap();
    assert_eq!((odd.registry.as_str(), odd.path.as_str()), ("my_org", "app"));
    assert_eq!(ImageInfo::parse("ghcr.io/a", &defaults).unwrap().registry, "ghcr.io");
}

#[test]
fn refusals_name_the_string_and_the_reason() {
    let long = "a/".repeat(200) + "b";
    for (text, reason) in [
        ("my/App", ImageFault::Uppercase),
        ("a:b:c", ImageFault::Format),
        ("", ImageFault::Format),
        ("a@sha256:zz", ImageFault::Format),
        ("a@md5:0123456789abcdef0123456789abcdef", ImageFault::DigestAlgorithm),
        ("a@sha256:0123456789abcdef0123456789abcdef", ImageFault::DigestLength),
        (&DIGEST.to_uppercase().replace("SHA256:", "a@sha256:"), ImageFault::DigestFormat),
        (&long, ImageFault::TooLong),
    ] {
        let error = ImageInfo::parse(text, &ImageDefaults::default()).unwrap_err();
        assert_eq!(error.reason, reason, "{text}");
    }
    let error = ImageInfo::parse("my/App", &ImageDefaults::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad image: docker.io/my/App, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: repository \
         name must be lowercase"
    );
}
