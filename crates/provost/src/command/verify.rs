//! `provost verify`: did someone trusted sign this image?
//!
//! Follows cosign 3.1 in words, order and exit codes (cosign.md §0, §3.3). Signatures of the tag scheme and signing
//! statements in bundles are looked up together; an attestation is never taken for a signature.

mod found;
mod given;

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use provost_oci::{Digest, Reference, Repository, Selector};
use provost_registry::Store;
use provost_verify::asking::{ask, question_of};
use provost_verify::dialect::{cosign, go_text};
use provost_verify::find::{FETCHES_AT_ONCE, referring_signatures};
use provost_verify::{
    AskedLog, Facts, FindRequest, Formats, Reason, SignatureCandidate, Trust, Unchecked, VerifiedSignature,
    check_signature, check_signed_payload, each_attestation, find_signatures,
};

use self::found::{Found, Signed, print_signed};
use super::attachments::Attachments;
use super::verifier::log::RekorServer;
use super::verifier::{VerifierFlags, print};
use super::verify_attestation::{attachment_limit, attestation_repository};
use super::{annotations, saved_image};
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// Exit code where the tag does not exist.
const NO_SUCH_TAG: u8 = 11;

/// Verify the signatures of images.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    verifier: VerifierFlags,
    /// An annotation KEY=VALUE the signature must carry; repeatable.
    #[arg(short = 'a', long, env = "COSIGN_ANNOTATIONS", value_delimiter = ',', value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Compare the signed digest with the image.
    #[arg(long, env = "COSIGN_CHECK_CLAIMS", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    check_claims: bool,
    /// How to print what was signed: json, or text.
    #[arg(short = 'o', long, env = "COSIGN_OUTPUT", default_value = "json", value_name = "FORMAT")]
    output: String,
    /// The images are folders that `save` has written.
    #[arg(long, env = "COSIGN_LOCAL_IMAGE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    local_image: bool,
    /// The one signature to look at, instead of those stored: a file, a URL, env://VARIABLE, or the base64 itself.
    #[arg(long, env = "COSIGN_SIGNATURE", value_name = "SIGNATURE")]
    signature: Option<String>,
    /// What that signature is over: a file, a URL or env://VARIABLE; otherwise the payload `sign` writes.
    #[arg(long, env = "COSIGN_PAYLOAD", value_name = "FILE|URL")]
    payload: Option<String>,
    /// Verify what is attached to the image instead: sbom.
    #[arg(long, env = "COSIGN_ATTACHMENT", value_name = "KIND")]
    attachment: Option<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(value_name = "IMAGE")]
    pub(super) images: Vec<String>,
}

/// What all images of a command are held against.
struct Check<'a> {
    args: &'a Args,
    trust: Trust,
    log: Option<RekorServer>,
    wanted: BTreeMap<String, String>,
    face: &'a Face,
}

/// An image, and where its signatures lie.
struct Place<'a> {
    store: &'a dyn Store,
    repository: Repository,
    digest: Digest,
    /// How it is called in what is printed.
    name: String,
    /// How the payload that `sign` writes calls it.
    reference: String,
    /// Whether it is a saved one.
    saved: bool,
}

/// Verifies each image in turn; the first without a good signature ends the command.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.images.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    if args.verifier.max_workers == 0 {
        return Err(Failure::new("please set the --max-worker flag to a value that is greater than 0"));
    }
    args.verifier.warn("signature", face);
    args.alternatives()?;
    args.verifier.agree()?;
    let wanted = annotations::parse(&args.annotations)?;
    if args.local_image {
        let saved = saved_image::open_all(&args.images)?;
        saved_image::warn(args.registry.attachment_tag_prefix.as_deref(), face);
        let check = Check::new(&args, wanted, face).await?;
        for (name, image) in args.images.iter().zip(saved) {
            let (store, repository, digest): (&dyn Store, _, _) =
                (&image.store, image.repository, image.digest);
            let (name, reference) = (name.clone(), String::new());
            check.image(&Place { store, repository, digest, name, reference, saved: true }).await?;
        }
        return Ok(());
    }
    // A bad name is refused before a key is opened or a registry asked.
    let images =
        args.images.iter().map(|text| Ok(text.parse::<Reference>()?)).collect::<Result<Vec<_>, Failure>>()?;
    let check = Check::new(&args, wanted, face).await?;
    let store = args.registry.remote_by_prefix(face)?;
    for image in images {
        check.image(&check.place(&store, image).await?).await?;
    }
    Ok(())
}

impl Args {
    /// Whether the flags that say which signature is meant go together.
    fn alternatives(&self) -> Result<(), Failure> {
        match self.attachment.as_deref() {
            None | Some("" | "sbom") => {}
            Some(other) => {
                return Err(Failure::new(format!("--attachment is {other:?}: expected sbom, or none")));
            }
        }
        let given = |flag: &Option<String>| flag.as_deref().is_some_and(|text| !text.is_empty());
        let signature = given(&self.signature);
        if given(&self.payload) && !signature {
            return Err(Failure::new(
                "--payload says what --signature is over: give both, or leave it out and the stored payloads are read",
            ));
        }
        if self.local_image && (signature || given(&self.attachment)) {
            return Err(Failure::new(
                "--local-image looks at what lies in the folder: leave out --signature, --payload and --attachment",
            ));
        }
        Ok(())
    }
}

impl<'a> Check<'a> {
    async fn new(
        args: &'a Args,
        wanted: BTreeMap<String, String>,
        face: &'a Face,
    ) -> Result<Check<'a>, Failure> {
        let trust = args.verifier.trust("loading verifier from key opts", face).await?;
        let log = args.verifier.log(face);
        Ok(Self { args, trust, log, wanted, face })
    }

    /// What a name stands for in a registry: the image, or what is attached to it.
    async fn place<'b>(&self, store: &'b dyn Store, image: Reference) -> Result<Place<'b>, Failure> {
        let mut image = image;
        let mut digest = resolved(store, &image).await?;
        let mut beside = attestation_repository(image.repository(), self.face)?;
        if self.args.attachment.as_deref().is_some_and(|kind| !kind.is_empty()) {
            self.face.say("WARNING: SBOM attachments are deprecated and support will be removed in a Cosign release soon after 2024-02-22 (see https://github.com/sigstore/cosign/issues/2755). Instead, please use SBOM attestations.");
            let tag = self.args.registry.tag(&digest, "sbom");
            image = beside.tag(&tag);
            digest = resolved(store, &image).await?;
            beside = attestation_repository(image.repository(), self.face)?;
        }
        let (name, reference) = (image.to_string(), image.repository().to_string());
        Ok(Place { store, repository: beside, digest, name, reference, saved: false })
    }

    /// Verifies one image and prints what was signed.
    async fn image(&self, place: &Place<'_>) -> Result<(), Failure> {
        let signed = match self.args.signature.as_deref().filter(|text| !text.is_empty()) {
            Some(signature) => vec![given::signed(self, signature, place).await?],
            None => self.signatures(place).await?,
        };
        let facts: Vec<&Facts> = signed.iter().map(|one| &one.facts).collect();
        let (claims, annotated) = (self.args.check_claims, !self.wanted.is_empty());
        print::header(&place.name, &self.trust, annotated, claims, &facts, self.face);
        print_signed(&signed, &self.args.output, self.face);
        Ok(())
    }

    /// The signatures of one image that count; there is at least one.
    async fn signatures(&self, place: &Place<'_>) -> Result<Vec<Signed>, Failure> {
        let failed = |why: Unchecked| Failure::new(cosign::unchecked(&why));
        let prefix = self.args.registry.attachment_tag_prefix.as_deref().filter(|_| !place.saved);
        let store = Attachments::new(place.store, prefix, self.args.verifier.max_workers);
        let request = FindRequest {
            repository: &place.repository,
            image: &place.digest,
            formats: Formats::Referrers,
            layer_limit: attachment_limit(self.face)?,
        };
        let mut found = Found::new(place.saved.then_some(place.name.as_str()));
        let bundles = each_attestation(&store, &request, |candidate| {
            found.bundle(&candidate, &self.trust, &place.name, &place.digest, &self.wanted);
        });
        let experimental = async {
            match self.args.verifier.experimental_oci11 {
                true => referring_signatures(&store, &request).await,
                false => Ok(Vec::new()),
            }
        };
        let (mut layers, more, ()) =
            tokio::try_join!(find_signatures(&store, &request), experimental, bundles).map_err(failed)?;
        layers.extend(more);
        let workers = self.args.verifier.max_workers.min(FETCHES_AT_ONCE);
        let checked = stream::iter(layers).map(|layer| self.layer(layer, &place.digest)).buffered(workers);
        let checked: Vec<_> = checked.collect().await;
        checked.into_iter().for_each(|checked| found.layer(checked));
        found.signed()
    }

    /// Checks one signature of the tag scheme; where nothing stored shows that the log has it, the log is asked.
    async fn layer(
        &self,
        mut candidate: SignatureCandidate,
        image: &Digest,
    ) -> Result<VerifiedSignature, Reason> {
        let checked = self.stored(&candidate, image);
        let (Err(Reason::NoLogEntry), Some(log)) = (&checked, &self.log) else { return checked };
        match question_of(&candidate, &self.trust)? {
            Some(proposed) => {
                candidate.asked = ask(log as &dyn AskedLog, &proposed).await?;
                self.stored(&candidate, image)
            }
            None => checked,
        }
    }

    fn stored(&self, candidate: &SignatureCandidate, image: &Digest) -> Result<VerifiedSignature, Reason> {
        match self.args.check_claims {
            true => check_signature(candidate, &self.trust, image, &self.wanted),
            false => check_signed_payload(candidate, &self.trust, &self.wanted),
        }
    }
}

/// The digest that a name stands for.
async fn resolved(store: &dyn Store, image: &Reference) -> Result<Digest, Failure> {
    match image.selector() {
        Selector::Digest(digest) => Ok(digest),
        tag @ Selector::Tag(_) => match store.manifest(image.repository(), &tag).await {
            Ok(manifest) => Ok(manifest.digest),
            Err(error) if error.is_not_found() => {
                let words = format!("image tag not found: {}", go_text::store(&error));
                Err(Failure::coded(NO_SUCH_TAG, words))
            }
            Err(error) => Err(Failure::new(cosign::unchecked(&Unchecked::Store(error)))),
        },
    }
}
