//! `provost verify-attestation`: does this image carry attestations of someone trusted, and do policies hold for them?
//!
//! Follows cosign 3.1 in words, order and exit codes (cosign.md §3.1, §4.6).

mod explain;
mod judge;

use provost_oci::{Digest, Reference, Repository, Selector};
use provost_registry::Store;
use provost_statement::predicate_type;
use provost_verify::dialect::cosign;
use provost_verify::find::{MAX_LAYER_BYTES, Source};
use provost_verify::{
    AttestationReport, Facts, FindRequest, Formats, Trust, Unchecked, verify_attestations,
    verify_attestations_asking,
};

use super::attachments::Attachments;
use super::saved_image;
use super::verifier::log::RekorServer;
use super::verifier::{VerifierFlags, print};
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// Verify the attestations of images, and judge them by CUE and Rego policies.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    verifier: VerifierFlags,
    /// The predicate type: custom, slsaprovenance, slsaprovenance02, slsaprovenance1, link, spdx, spdxjson, cyclonedx, vuln, openvex, or a URI.
    #[arg(long = "type", env = "COSIGN_TYPE", default_value = "custom", value_name = "TYPE")]
    predicate_type: String,
    /// CUE or Rego files the statement must satisfy; repeatable.
    #[arg(long, env = "COSIGN_POLICY", value_delimiter = ',', value_name = "FILE")]
    policy: Vec<String>,
    /// Compare the statement's subjects with the image.
    #[arg(long, env = "COSIGN_CHECK_CLAIMS", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    check_claims: bool,
    /// Whether a field that a CUE policy names and the attestation lacks refuses it, or may be filled by the policy as in cosign: refuse, allow.
    #[arg(long, default_value = "refuse", value_name = "refuse|allow")]
    cue_absent: String,
    /// Say on standard error what decided about each attestation: signature, subject, type, policy.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    explain: bool,
    /// Accepted for old scripts; as in cosign it changes nothing here.
    #[arg(short = 'o', long, env = "COSIGN_OUTPUT", value_name = "FORMAT")]
    output: Option<String>,
    /// The images are folders that `save` has written.
    #[arg(long, env = "COSIGN_LOCAL_IMAGE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    local_image: bool,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Verifies each image in turn; the first that does not hold ends the command.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.images.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    if args.verifier.max_workers == 0 {
        return Err(Failure::new("please set the --max-worker flag to a value that is greater than 0"));
    }
    args.verifier.warn("attestation", face);
    // cosign's verify-attestation has the flag and never looks at it.
    let _ = &args.output;
    args.verifier.agree()?;
    let policies = judge::Policies::new(&args.policy, &args.cue_absent)?;
    let log = args.verifier.log(face);
    if args.local_image {
        let saved = saved_image::open_all(&args.images)?;
        saved_image::warn(args.registry.attachment_tag_prefix.as_deref(), face);
        let trust = args.verifier.trust(WORDS, face).await?;
        let check = Check { args: &args, policies, trust, log, face };
        for (text, image) in args.images.iter().zip(saved) {
            let (store, repository, digest): (&dyn Store, _, _) =
                (&image.store, image.repository, image.digest);
            check.image(text, &Place { store, repository, digest, saved: true }).await?;
        }
        return Ok(());
    }
    // A bad name is refused before a key is opened or a registry asked, as the reference is parsed first.
    let images = args.images.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
    let trust = args.verifier.trust(WORDS, face).await?;
    let check = Check { args: &args, policies, trust, log, face };
    let store = args.registry.remote_by_prefix(face)?;
    for (text, image) in args.images.iter().zip(&images) {
        check.image(text, &place(&store, image, face).await?).await?;
    }
    Ok(())
}

/// What stands before a failure to read the key, in cosign's spelling.
const WORDS: &str = "loading verifierfrom key opts";

/// What all images of a command are held against.
struct Check<'a> {
    args: &'a Args,
    policies: judge::Policies,
    trust: Trust,
    log: Option<RekorServer>,
    face: &'a Face,
}

/// An image, and where its attestations lie.
struct Place<'a> {
    store: &'a dyn Store,
    repository: Repository,
    digest: Digest,
    /// Whether it is a saved one.
    saved: bool,
}

fn parse(text: &str) -> Result<Reference, Failure> {
    text.parse::<Reference>().map_err(|error| Failure::new(error.to_string()))
}

async fn place<'a>(store: &'a dyn Store, image: &Reference, face: &Face) -> Result<Place<'a>, Failure> {
    let digest = match image.selector() {
        Selector::Digest(digest) => digest,
        tag @ Selector::Tag(_) => {
            let manifest = store.manifest(image.repository(), &tag).await;
            manifest.map_err(|error| Failure::new(cosign::unchecked(&Unchecked::Store(error))))?.digest
        }
    };
    let repository = attestation_repository(image.repository(), face)?;
    Ok(Place { store, repository, digest, saved: false })
}

impl Check<'_> {
    /// Verifies one image, judges it, and prints what holds.
    async fn image(&self, text: &str, place: &Place<'_>) -> Result<(), Failure> {
        let (args, face) = (self.args, self.face);
        let (report, ()) = tokio::join!(self.attestations(place), self.policies.prepare_meanwhile());
        let report = report?;
        self.policies.judge(&report, &args.predicate_type, args.explain, face)?;
        let facts: Vec<&Facts> = report.verified.iter().map(|attestation| &attestation.facts).collect();
        print::header(text, &self.trust, false, args.check_claims, &facts, face);
        for attestation in judge::of_type(&report.verified, &args.predicate_type) {
            // A bundle's certificate is not printed, as in cosign.
            if let (Some(certificate), Source::Layer(_)) =
                (&attestation.facts.certificate, &attestation.source)
            {
                print::certificate(certificate, face);
            }
            face.out(judge::output_line(attestation));
        }
        Ok(())
    }

    /// The attestations of one image that count.
    async fn attestations(&self, place: &Place<'_>) -> Result<AttestationReport, Failure> {
        let (args, trust) = (self.args, &self.trust);
        let prefix = args.registry.attachment_tag_prefix.as_deref().filter(|_| !place.saved);
        let store = Attachments::new(place.store, prefix, args.verifier.max_workers);
        let request = FindRequest {
            repository: &place.repository,
            image: &place.digest,
            formats: Formats::Both,
            layer_limit: attachment_limit(self.face)?,
        };
        let report = match &self.log {
            Some(log) => verify_attestations_asking(&store, &request, trust, args.check_claims, log).await,
            None => verify_attestations(&store, &request, trust, args.check_claims).await,
        };
        let report = report.map_err(|why| Failure::new(cosign::unchecked(&why)))?;
        if args.explain {
            explain::report(&report, trust, &args.predicate_type, args.check_claims, self.face);
        }
        let kind = wanted(&args.predicate_type);
        let texts = report.refused.iter().filter(|refused| refused.reason.is_text_predicate()).count();
        let nothing = report.verified.is_empty();
        if place.saved && nothing && report.reasons().next().is_none() {
            return Err(Failure::new("no attestations provided"));
        }
        // Attestations whose predicate is a text are verified and of no type at all; beside others they concern their own.
        if (nothing && texts == 0)
            || report.refused.iter().any(|refused| {
                refused.reason.concerns(kind) && !(nothing && refused.reason.is_text_predicate())
            })
        {
            return Err(Failure::new(cosign::no_matching_attestations(&report)));
        }
        Ok(report)
    }
}

/// Where attestations lie: `COSIGN_REPOSITORY`, or beside the image.
pub(crate) fn attestation_repository(image: &Repository, face: &Face) -> Result<Repository, Failure> {
    match face.environment.text("COSIGN_REPOSITORY").filter(|text| !text.is_empty()) {
        None => Ok(image.clone()),
        Some(text) => {
            text.parse().map_err(|error| Failure::from(error).context("parsing $COSIGN_REPOSITORY"))
        }
    }
}

/// The largest attachment read: `COSIGN_MAX_ATTACHMENT_SIZE` (`128MiB`, `1g`, bytes), or cosign's default.
pub(crate) fn attachment_limit(face: &Face) -> Result<u64, Failure> {
    let Some(text) = face.environment.text("COSIGN_MAX_ATTACHMENT_SIZE").filter(|t| !t.is_empty()) else {
        return Ok(MAX_LAYER_BYTES);
    };
    let digits = text.trim().bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.trim().split_at_checked(digits).unwrap_or_default();
    let factor: Option<u64> = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kb" => Some(1000),
        "m" | "mb" => Some(1_000_000),
        "g" | "gb" => Some(1_000_000_000),
        "kib" | "ki" => Some(1 << 10),
        "mib" | "mi" => Some(1 << 20),
        "gib" | "gi" => Some(1 << 30),
        _ => None,
    };
    let size = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    size.ok_or_else(|| {
        Failure::new(format!(
            "COSIGN_MAX_ATTACHMENT_SIZE is {text:?}: expected a size such as 128MiB or 134217728"
        ))
    })
}

/// The URI the `--type` word asks for.
fn wanted(word: &str) -> &str {
    predicate_type::uri_of(word)
}
