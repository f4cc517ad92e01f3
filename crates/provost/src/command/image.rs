//! `provost image build`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use provost_image::{BuildRequest, build};
use provost_oci::Reference;

use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;
use crate::registry_flags::RegistryFlags;

/// Works on images.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    Build(Box<BuildArgs>),
}

/// Builds an image from a folder and a Dockerfile and pushes it, without a container engine.
///
/// One FROM (scratch or an image in a registry), ARG, COPY, ADD of local files, ENV, WORKDIR, USER, EXPOSE, LABEL, CMD
/// and ENTRYPOINT; anything else is an error that names its line. The same files give the same digest; the date of
/// everything is SOURCE_DATE_EPOCH, else 1970. Prints repository@digest.
#[derive(clap::Args, Debug)]
struct BuildArgs {
    /// The Dockerfile [default: Dockerfile in the context, else Containerfile].
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where the image goes: registry/repository:tag.
    #[arg(short, long, value_name = "REF")]
    tag: String,
    /// A value for an ARG; a name alone takes its value from the environment.
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// Push the image; with --push=false only its digest is found.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    push: bool,
    /// A file to write the digest to (sha256:…, without a line end).
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The folder COPY and ADD take files from.
    #[arg(value_name = "CONTEXT", default_value = ".")]
    context: PathBuf,
}

/// Builds, pushes, and prints what was built.
///
/// # Errors
/// The line of the Dockerfile, the file or the image that stood in the way.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let Verb::Build(args) = args.verb;
    let target: Reference = args.tag.parse()?;
    let mut request = BuildRequest::new(args.context.clone(), dockerfile(&args));
    request.arguments = arguments(&args.build_arg, face);
    request.push = args.push;
    if let Some(text) = face.environment.text("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) {
        request.created = text
            .parse()
            .map_err(|_| Failure::new(format!("SOURCE_DATE_EPOCH {text:?}: expected seconds since 1970")))?;
    }
    let store = args.registry.remote(face)?;
    let built = build(&request, &store, &target).await?;
    for name in &built.unused_arguments {
        face.say(format!("WARNING: no ARG takes the build argument {name}"));
    }
    if let Some(file) = &args.digestfile {
        std::fs::write(file, built.digest.to_string())
            .map_err(|error| Failure::new(format!("open {}: {}", file.display(), go_os::cause(&error))))?;
    }
    face.out(built.reference);
    Ok(())
}

/// The file as given, seen from here or from the context; else the context's own.
fn dockerfile(args: &BuildArgs) -> PathBuf {
    let in_context = |name: &Path| args.context.join(name);
    match &args.file {
        Some(file) if !file.exists() && in_context(file).exists() => in_context(file),
        Some(file) => file.clone(),
        None => {
            let [usual, other] = ["Dockerfile", "Containerfile"].map(|name| in_context(Path::new(name)));
            if !usual.exists() && other.exists() { other } else { usual }
        }
    }
}

/// Build arguments by name; a name alone is looked up, and left out where it is not set.
fn arguments(given: &[String], face: &Face) -> BTreeMap<String, String> {
    let one = |text: &String| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => face.environment.text(text).map(|value| (text.clone(), value)),
    };
    given.iter().filter_map(one).collect()
}
