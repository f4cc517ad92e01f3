//! Which images an object has, and which patterns they match.

use std::collections::BTreeMap;

use provost_expr::environment::Environment;
use provost_expr::image::{ImageDefaults, ImageInfo};
use serde_json::{Value, json};

use super::{IMAGE_LIMIT, Image, images, is_about, is_skipped, missed_for_its_digest};
use crate::policy::entry::Entry;
use crate::policy::spec::Extractor;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn found(object: &Value, kind: &str) -> Vec<Image> {
    images(object, kind, &BTreeMap::new(), &Environment::default()).unwrap_or_default()
}

fn pointers(object: &Value, kind: &str) -> Vec<String> {
    found(object, kind).into_iter().map(|image| image.pointer).collect()
}

#[test]
fn all_lists_and_volumes_count() {
    let pod = json!({"spec": {
        "containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}, {"name": "b", "image": ""}],
        "initContainers": [{"name": "i", "image": "z"}],
        "volumes": [{"name": "v", "image": {"reference": "w"}}],
    }});
    let wanted = [
        "/spec/initContainers/0/image",
        "/spec/containers/0/image",
        "/spec/containers/1/image",
        "/spec/volumes/0/image/reference",
    ];
    assert_eq!(pointers(&pod, "Pod"), wanted);
    let job = json!({"spec": {"jobTemplate": {"spec": {"template": pod}}}});
    assert_eq!(pointers(&job, "CronJob").len(), 4);
    assert!(pointers(&pod, "ConfigMap").is_empty());
}

#[test]
fn an_unreadable_image_is_an_error() {
    let pod =
        json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "Not A Ref!"}]}});
    let bad = images(&pod, "Pod", &BTreeMap::new(), &Environment::default());
    assert!(bad.is_err_and(|bad| bad.pointer == "/spec/containers/1/image"));
}

#[test]
fn what_may_hide_images_is_an_error() {
    for containers in [json!("x"), json!({"a": {"image": "x"}}), json!([["x"]]), json!([null])] {
        let pod = json!({"spec": {"containers": containers}});
        assert!(images(&pod, "Pod", &BTreeMap::new(), &Environment::default()).is_err(), "{pod}");
    }
    assert!(found(&json!({"spec": {"containers": null}}), "Pod").is_empty());
}

#[test]
fn too_many_images_are_an_error() {
    let container = json!({"name": "a", "image": "x"});
    let pod = |n: usize| json!({"spec": {"containers": vec![container.clone(); n]}});
    let count = |n| images(&pod(n), "Pod", &BTreeMap::new(), &Environment::default()).map(|i| i.len());
    assert_eq!(count(IMAGE_LIMIT), Ok(IMAGE_LIMIT));
    assert!(count(IMAGE_LIMIT + 1).is_err());
}

#[test]
fn extractors_replace_what_everybody_knows() {
    let object = json!({"spec": {"steps": [{"n": "one", "image": "docker://x:1"}, {"n": "two", "image": "docker://y"}]}});
    let extractor = Extractor {
        path: "/spec/steps/*".into(),
        value: "image".into(),
        key: "n".into(),
        name: "steps".into(),
        jmes_path: "trim_prefix(@, 'docker://')".into(),
    };
    let extractors = BTreeMap::from([("Task".to_owned(), vec![extractor])]);
    let found = images(&object, "Task", &extractors, &Environment::default()).unwrap_or_default();
    let seen: Vec<_> =
        found.iter().map(|i| (i.key.as_str(), i.pointer.as_str(), i.info.to_string())).collect();
    assert_eq!(
        seen,
        [
            ("one", "/spec/steps/0/image", "docker.io/x:1".to_owned()),
            ("two", "/spec/steps/1/image", "docker.io/y:latest".to_owned())
        ]
    );
}

fn info(image: &str) -> ImageInfo {
    ImageInfo::parse(image, &ImageDefaults::default()).unwrap_or_else(|e| unreachable!("{e}"))
}

fn entry(patterns: &[&str], skips: &[&str]) -> Entry {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Entry { image_references: owned(patterns), skip_image_references: owned(skips), ..Entry::default() }
}

#[test]
fn any_spelling_is_matched() {
    for (pattern, image) in [
        ("docker.io/nginx*", "nginx"),
        ("docker.io/library/*", "nginx"),
        ("docker.io/nginx:*", "docker.io/library/nginx:1"),
        ("ghcr.io/*", "GHCR.io/a/b"),
        ("ghcr.io/*", "ghcr.io:443/a/b"),
        ("ghcr.io:443/*", "ghcr.io/a/b"),
        ("GHCR.io/*", "ghcr.io/a/b"),
        ("docker.io/a/*", "index.docker.io/a/b"),
    ] {
        assert!(is_about(&entry(&[pattern], &[]), &info(image)), "{pattern} {image}");
    }
    assert!(!is_about(&entry(&["ghcr.io/*"], &[]), &info("ghcr.io.evil.example/a")));
}

#[test]
fn a_skip_must_hold_for_the_canonical_spelling_too() {
    assert!(is_skipped(&entry(&["*"], &["ghcr.io/trusted/*"]), &info("ghcr.io/trusted/a:1")));
    assert!(!is_skipped(&entry(&["*"], &["GHCR.io/trusted/*"]), &info("GHCR.io/trusted/a:1")));
    assert!(!is_skipped(&entry(&["*"], &["*:443/*"]), &info("ghcr.io:443/a:1")));
    assert!(is_skipped(&entry(&["*"], &["docker.io/library/*"]), &info("docker.io/library/nginx")));
    assert!(is_skipped(&entry(&["*"], &["docker.io/nginx*"]), &info("nginx")));
}

#[test]
fn a_digest_that_a_tag_pattern_misses_is_noticed() {
    let entry = entry(&["ghcr.io/a/b:*"], &[]);
    let image = info(&format!("ghcr.io/a/b:v1@{DIGEST}"));
    assert!(!is_about(&entry, &image));
    assert_eq!(missed_for_its_digest(&entry, &image), Some("ghcr.io/a/b:*"));
    assert_eq!(missed_for_its_digest(&entry, &info("ghcr.io/a/b:v1")), None);
}
