//! `provost manifest verify`: the signatures of the images that a Kubernetes manifest names.
//!
//! Follows cosign 3.1 (cosign.md §3.6); images of ephemeral containers and image volumes, and of the members of a List,
//! are verified too: what the manifest starts is what has to be signed.

use std::path::Path;

use serde_json::Value;

use super::verify;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest manifest read, 16 MiB: ten times what an API server takes in one request.
const MAX_MANIFEST_BYTES: u64 = 16 * 1024 * 1024;
/// How deep objects are followed: a container of a CronJob in a List lies at 10, definitions of resources that hold a
/// whole Pod's schema nest some 50, and the YAML reader ends at 64.
const MAX_DEPTH: usize = 60;

/// Verify the images of Kubernetes manifests.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Verify the signatures of the images that a manifest names.
    Verify(Box<verify::Args>),
}

/// Reads the manifest and verifies its images.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let Verb::Verify(mut args) = args.verb;
    let [file] = args.images.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", args.images.len())));
    };
    let kind = Path::new(file.trim()).extension().and_then(|kind| kind.to_str()).unwrap_or_default();
    if !["yaml", "yml"].iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        return Err(Failure::new(
            "check if extension is valid: only [.yaml .yml] manifests are supported at this time",
        ));
    }
    let text = go_os::read(Path::new(file), MAX_MANIFEST_BYTES)
        .map_err(|failure| failure.context("could not read manifest"))?;
    let images = images(&text).ok_or_else(|| {
        Failure::new(
            "unable to extract the container image references in the manifest unable to decode the manifest",
        )
    })?;
    if images.is_empty() {
        return Err(Failure::new("no images found in manifest"));
    }
    face.say(format!("Extracted image(s): {}", images.join(", ")));
    args.images = images;
    verify::run(*args, face).await
}

/// The images of all documents of a manifest; `None` where it cannot be read.
fn images(text: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(text).ok()?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).ok()?;
    let mut images = Vec::new();
    for document in &documents {
        of_value(document, MAX_DEPTH, &mut images)?;
    }
    Some(images)
}

/// The images of a value and of all below it: whatever kind of object holds containers, they would run.
fn of_value(value: &Value, depth: usize, images: &mut Vec<String>) -> Option<()> {
    let below = |depth: usize| depth.checked_sub(1);
    match value {
        Value::Array(members) => {
            members.iter().try_for_each(|member| of_value(member, below(depth)?, images))
        }
        Value::Object(fields) => {
            let of = |list: &str, pointer: &str| {
                let members = value.get(list).and_then(Value::as_array).into_iter().flatten();
                let named = members.filter_map(|one| one.pointer(pointer)?.as_str());
                named.filter(|image| !image.is_empty()).map(str::to_owned).collect::<Vec<_>>()
            };
            for list in ["initContainers", "containers", "ephemeralContainers"] {
                images.extend(of(list, "/image"));
            }
            images.extend(of("volumes", "/image/reference"));
            fields.values().try_for_each(|field| of_value(field, below(depth)?, images))
        }
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_that_would_run_is_found() {
        let text = "kind: Pod\nspec:\n  containers: [{image: a}]\n  initContainers: [{image: b}, {name: x}]\n  volumes: [{image: {reference: v}}]\n---\nkind: Deployment\nspec: {template: {spec: {containers: [{image: c}]}}}\n---\nkind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{image: d}]}}}}}\n---\nkind: List\nitems:\n- spec: {ephemeralContainers: [{image: e}]}\n";
        assert_eq!(images(text.as_bytes()).unwrap(), ["b", "a", "v", "c", "d", "e"]);
        assert_eq!(images(b"kind: ConfigMap").unwrap(), Vec::<String>::new());
        assert_eq!(images(b"a: [b"), None);
        assert_eq!(images(&[0xff]), None);
    }

    #[test]
    fn kinds_that_nobody_listed_run_images_too() {
        let text = "kind: PodTemplate\ntemplate: {spec: {containers: [{image: a}]}}\n---\nkind: Odd\nspec: {jobs: [{template: {spec: {initContainers: [{image: b}]}}}]}\n---\nbase: &base {containers: [{image: c}]}\nspec: {<<: *base}\n";
        let found = images(text.as_bytes()).unwrap();
        assert!(["a", "b", "c"].iter().all(|image| found.iter().any(|one| one == image)), "{found:?}");
        // A schema that describes an image names none.
        let schema = "schema: {containers: [{image: {type: string}}]}";
        assert_eq!(images(schema.as_bytes()).unwrap(), Vec::<String>::new());
    }

    /// Which of two lists runs depends on who reads them.
    #[test]
    fn a_field_that_stands_there_twice_is_refused() {
        let text = "spec:\n  containers: [{image: evil}]\n  containers: [{image: good}]\n";
        assert_eq!(images(text.as_bytes()), None);
    }

    #[test]
    fn objects_are_followed_to_a_depth() {
        let nested = |levels: usize| {
            let inner = r#"{"spec":{"containers":[{"image":"a"}]}}"#.to_owned();
            (0..levels).fold(inner, |inner, _| format!(r#"{{"items":[{inner}]}}"#))
        };
        // A level is an object and a list; the innermost has an object, another, a list, a container and its image.
        let levels = (MAX_DEPTH - 4) / 2;
        assert_eq!(images(nested(levels).as_bytes()).unwrap(), ["a"]);
        assert_eq!(images(nested(levels + 1).as_bytes()), None);
    }
}
