//! An image as cosign's verbs first meet it, and the mode in which they look for what is beside it.

use provost_oci::{Digest, Reference};
use provost_registry::{Manifest, Store};
use provost_verify::dialect::go_text;
use serde::Deserialize;

use crate::face::Face;
use crate::failure::Failure;

/// The manifest of an image.
///
/// # Errors
/// cosign's words where there is none, or where it could not be asked for.
pub(super) async fn entity(store: &dyn Store, image: &Reference) -> Result<Manifest, Failure> {
    match store.manifest(image.repository(), &image.selector()).await {
        Ok(manifest) => Ok(manifest),
        Err(error) if error.is_not_found() => {
            let words = format!("entity not found in registry, error: {}", go_text::store(&error));
            Err(Failure::new(words))
        }
        Err(error) => Err(Failure::new(go_text::store(&error))),
    }
}

/// Whether a manifest names this digest as its subject: a list by tag, which anybody may have written, can name what does
/// not.
pub(super) fn is_about(manifest: &Manifest, image: &Digest) -> bool {
    #[derive(Deserialize)]
    struct Subject {
        digest: Digest,
    }
    #[derive(Deserialize)]
    struct Shape {
        subject: Option<Subject>,
    }
    let shape = serde_json::from_slice::<Shape>(&manifest.bytes);
    shape.is_ok_and(|shape| shape.subject.is_some_and(|subject| subject.digest == *image))
}

/// Whether `--registry-referrers-mode` asks for referrers.
///
/// # Errors
/// pflag's words for a mode there is none of, or one that is behind `COSIGN_EXPERIMENTAL`.
pub(super) fn referrers_mode(mode: Option<&str>, face: &Face) -> Result<bool, Failure> {
    let refuse = |mode: &str, cause: &str| {
        Err(Failure::new(format!(
            "invalid argument {mode:?} for \"--registry-referrers-mode\" flag: {cause}"
        )))
    };
    let experimental = face.environment.text("COSIGN_EXPERIMENTAL");
    let is_on = matches!(experimental.as_deref(), Some("1" | "t" | "T" | "true" | "TRUE" | "True"));
    match mode {
        None | Some("" | "legacy") => Ok(false),
        Some("oci-1-1") if is_on => Ok(true),
        Some(mode @ "oci-1-1") => {
            refuse(mode, r#"in order to use  mode "oci-1-1", you must set COSIGN_EXPERIMENTAL=1"#)
        }
        Some(mode) => refuse(mode, r#"must be one of "legacy", "oci-1-1""#),
    }
}
