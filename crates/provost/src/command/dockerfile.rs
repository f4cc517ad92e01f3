//! `provost dockerfile verify`: the signatures of the images that a Dockerfile builds on.
//!
//! Follows cosign 3.1 (cosign.md §3.6), variables come from the file's own `ARG`, then from the environment; but the file is
//! read as a builder reads it, so that what is verified is what would be pulled.

mod images;

use std::path::Path;

use self::images::Finder;
use super::verify;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest Dockerfile read, 1 MiB: real ones have a few KiB.
const MAX_DOCKERFILE_BYTES: u64 = 1024 * 1024;

/// Verify the images of Dockerfiles.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Verify the signatures of the images that a Dockerfile builds on.
    Verify(Box<VerifyArgs>),
}

/// Verify the signatures of the images that a Dockerfile builds on.
#[derive(clap::Args, Debug)]
struct VerifyArgs {
    /// Verify only the image that the last stage is built on.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    base_image_only: bool,
    #[command(flatten)]
    verify: verify::Args,
}

/// Reads the Dockerfile and verifies its images.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let Verb::Verify(args) = args.verb;
    let VerifyArgs { base_image_only, mut verify } = *args;
    let [file] = verify.images.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", verify.images.len())));
    };
    let text = go_os::read(Path::new(file), MAX_DOCKERFILE_BYTES)
        .map_err(|failure| failure.context("could not open Dockerfile"))?;
    let text = String::from_utf8_lossy(&text);
    let environment = |name: &str| face.environment.text(name);
    let mut finder = Finder::new(&environment);
    let images = finder
        .images(&text)
        .map_err(|words| Failure::new(format!("failed extracting images from Dockerfile: {words}")));
    finder.remarks.iter().for_each(|remark| face.say(remark));
    let mut images = images?;
    if images.is_empty() {
        return Err(Failure::new("no images found in Dockerfile"));
    }
    // Of a last stage from scratch every image is what it is built on.
    if base_image_only && let Some(base) = finder.base() {
        images = vec![base.to_owned()];
    }
    face.say(format!("Extracted image(s): {}", images.join(", ")));
    verify.images = images;
    verify::run(verify, face).await
}
