//! `provost download`: the signatures and attestations beside an image, one JSON a line. Nothing is verified.
//!
//! Follows cosign 3.1 (cosign.md §3.6), except that both storage formats are shown wherever either lies.

pub(super) mod line;
mod sbom;

use provost_oci::{Digest, Reference, Selector};
use provost_registry::Store;
use provost_statement::predicate_type;
use provost_verify::dialect::{cosign, go_text};
use provost_verify::find::SMALL_FETCHES_AT_ONCE;
use provost_verify::{FindRequest, Formats, Source, Unchecked, each_attestation, find_signatures};

use super::attachments::Attachments;
use super::platform;
use super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// Download what lies beside an image; nothing is verified.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    Signature(Box<SignatureArgs>),
    Attestation(Box<AttestationArgs>),
    Sbom(Box<sbom::SbomArgs>),
}

/// Print the signatures of an image, one JSON a line.
#[derive(clap::Args, Debug)]
struct SignatureArgs {
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Print the attestations of an image, one JSON a line.
#[derive(clap::Args, Debug)]
struct AttestationArgs {
    /// Only attestations of this predicate type: a word such as slsaprovenance, or a URI.
    #[arg(long, env = "COSIGN_PREDICATE_TYPE", value_name = "TYPE")]
    predicate_type: Option<String>,
    /// Attestations of the member for this platform by the tag scheme, beside the bundles of the whole:
    /// os/architecture[/variant].
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Prints what is there.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    match args.verb {
        Verb::Signature(args) => signature(*args, face).await,
        Verb::Attestation(args) => attestation(*args, face).await,
        Verb::Sbom(args) => sbom::run(*args, face).await,
    }
}

async fn signature(args: SignatureArgs, face: &Face) -> Result<(), Failure> {
    let (text, image) = only(&args.images)?;
    let remote = args.registry.remote_by_prefix(face)?;
    let digest = resolved(&remote, &image).await?;
    let store =
        Attachments::new(&remote, args.registry.attachment_tag_prefix.as_deref(), SMALL_FETCHES_AT_ONCE);
    let repository = attestation_repository(image.repository(), face)?;
    let request = FindRequest {
        repository: &repository,
        image: &digest,
        formats: Formats::Referrers,
        layer_limit: attachment_limit(face)?,
    };
    let mut shown = 0_usize;
    let bundles = each_attestation(&store, &request, |candidate| {
        if let Some(line) = line::bundle(&candidate.bytes) {
            face.out(line);
            shown += 1;
        }
    });
    bundles.await.map_err(|why| failed(&why))?;
    for one in find_signatures(&store, &request).await.map_err(|why| failed(&why))? {
        if let Source::Layer(layer) = &one.source {
            face.out(line::signature(layer, &one.bytes));
            shown += 1;
        }
    }
    if shown == 0 {
        return Err(Failure::new(format!("{text}: no signatures associated")));
    }
    Ok(())
}

async fn attestation(args: AttestationArgs, face: &Face) -> Result<(), Failure> {
    let (_, image) = only(&args.images)?;
    let wanted = args.predicate_type.as_deref().filter(|word| !word.is_empty()).map(predicate_type::uri_of);
    let remote = args.registry.remote_by_prefix(face)?;
    let digest = resolved(&remote, &image).await?;
    let store =
        Attachments::new(&remote, args.registry.attachment_tag_prefix.as_deref(), SMALL_FETCHES_AT_ONCE);
    if let Some(word) = args.predicate_type.as_deref().filter(|word| !word.is_empty())
        && wanted == Some(word)
        && !is_uri(word)
    {
        return Err(Failure::new(format!("invalid predicate type: {word}")));
    }
    let repository = attestation_repository(image.repository(), face)?;
    let layer_limit = attachment_limit(face)?;
    let mut shown = 0_usize;
    let mut broken = None;
    // A platform's bundles are shown after those of the whole, and its attestations by the tag scheme instead of them.
    let places = match args.platform {
        None => [Some(Formats::Referrers), None, Some(Formats::TagScheme)],
        Some(_) => [Some(Formats::Referrers), Some(Formats::Referrers), Some(Formats::TagScheme)],
    };
    let mut at = digest.clone();
    for (turn, formats) in places.into_iter().enumerate() {
        if let (1, Some(wanted)) = (turn, &args.platform) {
            let whole = remote.manifest(image.repository(), &Selector::Digest(digest.clone())).await;
            at = platform::pick(&whole.map_err(|error| Failure::new(go_text::store(&error)))?, wanted)?;
        }
        let Some(formats) = formats else { continue };
        let request = FindRequest { repository: &repository, image: &at, formats, layer_limit };
        let seen = each_attestation(&store, &request, |candidate| {
            let line = match &candidate.source {
                Source::Bundle(_) => Ok(line::bundle(&candidate.bytes)),
                Source::Layer(layer) => line::envelope(&candidate.bytes)
                    .map(Some)
                    .map_err(|error| Failure::new(format!("{}: {error}", layer.digest))),
            };
            match line {
                Ok(Some(line))
                    if wanted.is_none_or(|wanted| line::predicate_type(&line).as_deref() == Some(wanted)) =>
                {
                    face.out(line);
                    shown += 1;
                }
                Ok(_) => {}
                // The others are shown all the same; that one cannot be is said at the end.
                Err(failure) => broken = broken.take().or(Some(failure)),
            }
        });
        seen.await.map_err(|why| failed(&why))?;
    }
    match (broken, wanted) {
        (Some(failure), _) => Err(failure),
        (None, Some(uri)) if shown == 0 => {
            Err(Failure::new(format!("no attestations with predicate type '{uri}' found")))
        }
        (None, _) => Ok(()),
    }
}

/// Whether a text is a URI as Go's `url.ParseRequestURI` has it: a path, or something behind a scheme.
fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    text.starts_with('/') || text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))
}

fn failed(why: &Unchecked) -> Failure {
    Failure::new(cosign::unchecked(why))
}

/// The one image of the command line.
pub(super) fn only(images: &[String]) -> Result<(&str, Reference), Failure> {
    match images {
        [text] => Ok((text, text.parse()?)),
        _ => Err(Failure::new(format!("accepts 1 arg(s), received {}", images.len()))),
    }
}

/// What the image's name points to; a digest is taken as it stands, as cosign takes it.
async fn resolved(store: &dyn Store, image: &Reference) -> Result<Digest, Failure> {
    match image.selector() {
        Selector::Digest(digest) => Ok(digest),
        tag @ Selector::Tag(_) => match store.manifest(image.repository(), &tag).await {
            Ok(manifest) => Ok(manifest.digest),
            Err(error) if error.is_not_found() => {
                let words = format!("entity not found in registry, error: {}", go_text::store(&error));
                Err(Failure::new(words))
            }
            Err(error) => Err(Failure::new(go_text::store(&error))),
        },
    }
}
