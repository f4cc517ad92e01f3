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
/// How deep Lists of Lists are followed; `kubectl` writes one level.
const MAX_LISTS: usize = 4;

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
        of_object(document, MAX_LISTS, &mut images)?;
    }
    Some(images)
}

fn of_object(object: &Value, depth: usize, images: &mut Vec<String>) -> Option<()> {
    if let Some(items) = object.get("items").and_then(Value::as_array) {
        let below = depth.checked_sub(1)?;
        items.iter().try_for_each(|item| of_object(item, below, images))?;
    }
    for path in ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"] {
        let Some(spec) = object.pointer(path) else { continue };
        let of = |list: &str, pointer: &str| {
            let members = spec.get(list).and_then(Value::as_array).into_iter().flatten();
            let named = members.filter_map(|one| one.pointer(pointer)?.as_str());
            named.filter(|image| !image.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            images.extend(of(list, "/image"));
        }
        images.extend(of("volumes", "/image/reference"));
    }
    Some(())
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
    fn lists_are_followed_to_a_depth() {
        let nested = |levels: usize| {
            let inner = r#"{"spec":{"containers":[{"image":"a"}]}}"#.to_owned();
            (0..levels).fold(inner, |inner, _| format!(r#"{{"items":[{inner}]}}"#))
        };
        assert_eq!(images(nested(MAX_LISTS).as_bytes()).unwrap(), ["a"]);
        assert_eq!(images(nested(MAX_LISTS + 1).as_bytes()), None);
    }
}
