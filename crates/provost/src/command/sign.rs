//! `provost sign`: sign images, and store the signatures beside them as bundles or by the tag scheme.
//!
//! Follows cosign 3.1 (cosign.md §2, §3.4).

use std::path::PathBuf;

use provost_oci::{Digest, ImageIndex, Reference, Repository, Selector, media_type};
use provost_registry::{Keychain, Remote, Store};
use provost_sign::statement::{SIGN_PREDICATE, signing_statement};
use provost_sign::{BundlePlace, Payload, attach_bundle};
use provost_verify::dialect::go_text;
use serde_json::{Map, Value};

use super::annotations;
use super::output_file::save_bundle;
use super::signer::SignerFlags;
use super::signing::{Keypair, OldOutputs, Signing, privacy};
use super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;
use crate::registry_flags::RegistryFlags;

mod by_tag;

pub(crate) use by_tag::attach_options;

/// The most images signed for one argument with `--recursive`: a list of 20 platforms with attestations has 41.
const MAX_MEMBERS: usize = 1000;

/// Sign images and store the signatures beside them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    signer: SignerFlags,
    /// An annotation KEY=VALUE to sign with the image; repeatable.
    #[arg(short = 'a', long, value_delimiter = ',', value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Sign the members of a multi-platform image too.
    #[arg(short = 'r', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    recursive: bool,
    /// Store the signature beside the image.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    upload: bool,
    /// The file to write the bundle to.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The file with the payload to sign; only without a bundle.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// The file to write the signature to; only without a bundle.
    #[arg(long, value_name = "FILE")]
    output_signature: Option<PathBuf>,
    /// The file to write the signed payload to; only without a bundle.
    #[arg(long, value_name = "FILE")]
    output_payload: Option<PathBuf>,
    /// The file to write the certificate to, or the public key; only without a bundle.
    #[arg(long, alias = "output-cert", value_name = "FILE")]
    output_certificate: Option<PathBuf>,
    /// The name to sign instead of the repository's; repeatable, one signature each; only without a bundle.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    sign_container_identity: Vec<String>,
    /// Write down when the signature was made; only without a bundle.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    record_creation_timestamp: bool,
    /// Where signatures without a bundle go: legacy, or oci-1-1 with COSIGN_EXPERIMENTAL=1.
    #[arg(long, value_name = "MODE")]
    registry_referrers_mode: Option<String>,
    /// Sign what is attached to the image instead: sbom.
    #[arg(long, value_name = "KIND")]
    attachment: Option<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// What every image of one command is signed with.
struct Run<'a> {
    args: &'a Args,
    face: &'a Face,
    signing: Signing<'a>,
    store: Remote,
    annotations: Map<String, Value>,
    /// Opened for the first image, and kept for the others.
    keypair: Option<Keypair>,
    agreed: bool,
}

/// Signs each image in turn.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.images.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    if args.signer.new_bundle_format && !args.upload && args.bundle.is_none() {
        return Err(Failure::new(
            "must enable upload to the OCI registry or specify a local --bundle path with --new-bundle-format",
        ));
    }
    refuse(&args, face)?;
    let outputs = OldOutputs {
        signature: args.output_signature.as_deref(),
        certificate: args.output_certificate.as_deref(),
        payload: args.output_payload.as_deref(),
        ..OldOutputs::default()
    };
    let signing = Signing::prepare(&args.signer, outputs, false, face).await?;
    let failed = |failure: Failure| failure.context(&format!("signing [{}]", args.images.join(" ")));
    let annotations = annotations::parse(&args.annotations)
        .map_err(|failure| failed(failure.context("getting annotations")))?;
    let annotations = annotations.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
    let store = args.registry.remote_by_prefix(face)?;
    let mut run = Run { args: &args, face, signing, store, annotations, keypair: None, agreed: false };
    let payload = by_tag::given_payload(&args, face).map_err(failed)?;
    for text in &args.images {
        run.image(text, payload.as_deref()).await.map_err(failed)?;
    }
    Ok(())
}

/// What this version does not sign, by name.
fn refuse(args: &Args, face: &Face) -> Result<(), Failure> {
    match args.attachment.as_deref() {
        None | Some("") => {}
        Some("sbom") => {
            return Err(Failure::new(
                "--attachment sbom is not supported by this version: give the attachment's own reference, which `triangulate --type sbom` prints",
            ));
        }
        Some(other) => {
            return Err(Failure::new(format!(
                "specified image attachment {other} not specified. Can be 'sbom'"
            )));
        }
    }
    match args.registry_referrers_mode.as_deref() {
        None | Some("" | "legacy") => Ok(()),
        Some("oci-1-1") if face.environment.text("COSIGN_EXPERIMENTAL").as_deref() == Some("1") => {
            Err(Failure::new(
                "--registry-referrers-mode=oci-1-1 is not supported by this version: leave out --new-bundle-format=false, bundles are referrers",
            ))
        }
        Some("oci-1-1") => Err(Failure::new(
            "invalid argument \"oci-1-1\" for \"--registry-referrers-mode\" flag: in order to use  mode \"oci-1-1\", you must set COSIGN_EXPERIMENTAL=1",
        )),
        Some(other) => Err(Failure::new(format!(
            "invalid argument {other:?} for \"--registry-referrers-mode\" flag: must be one of \"legacy\", \"oci-1-1\""
        ))),
    }
}

impl Run<'_> {
    async fn image(&mut self, text: &str, payload: Option<&[u8]>) -> Result<(), Failure> {
        let parsed = text.parse::<Reference>();
        let image = parsed.map_err(|error| Failure::from(error).context("parsing reference"))?;
        if image.given_digest().is_none() {
            warn_about_tag(text, self.face);
        }
        let alone = image.given_digest().is_some() && !self.args.recursive;
        let walked = |failure: Failure| {
            let failure = failure.context("signing digest");
            if alone { failure } else { failure.context("recursively signing") }
        };
        for digest in members(&self.store, &image, self.args.recursive).await? {
            let signed = if self.args.signer.new_bundle_format {
                self.bundle(image.repository(), &digest).await
            } else {
                self.by_tag(image.repository(), &digest, payload).await
            };
            signed.map_err(walked)?;
        }
        Ok(())
    }

    /// Signs a statement about an image into a bundle, and stores it as a referrer.
    async fn bundle(&mut self, image: &Repository, digest: &Digest) -> Result<(), Failure> {
        let statement = signing_statement(digest.algorithm().name(), digest.hex(), &self.annotations);
        let services = self.services(image, digest).await?;
        let mut keypair = self.keypair(&services).await?;
        let bundle =
            self.signing.bundle(Payload::Statement(statement), &mut keypair, &services, self.face).await;
        self.keypair = Some(keypair);
        let bytes = bundle.map_err(|failure| failure.context("signing bundle"))?.to_json();
        if let Some(file) = &self.args.bundle {
            save_bundle(file, &bytes, self.face)?;
        }
        if !self.args.upload {
            return Ok(());
        }
        self.face.say(format!("Pushing signature to: {image}"));
        let place = BundlePlace {
            image,
            repository: &attestation_repository(image, self.face)?,
            digest,
            predicate_type: SIGN_PREDICATE,
            created: &now(self.face)?,
        };
        let stored = attach_bundle(&self.store, &place, bytes).await;
        stored.map(drop).map_err(|error| Failure::new(go_text::store(&error)))
    }

    /// The services, after asking whether a public log may be told.
    async fn services(
        &mut self,
        image: &Repository,
        digest: &Digest,
    ) -> Result<provost_sigstore::signing_config::SigningConfig, Failure> {
        let flags = &self.args.signer;
        let mut upload = flags.tlog_upload;
        if self.signing.asks_about_upload() && upload {
            upload = flags.yes || self.is_public(image, digest).await?;
            if upload {
                privacy::agree(flags.yes, &mut self.agreed, self.face)
                    .map_err(|failure| failure.context("should upload to tlog"))?;
            }
        }
        Ok(self.signing.services(upload))
    }

    /// Whether anybody may read the image; if not, whether it may be told all the same.
    async fn is_public(&self, image: &Repository, digest: &Digest) -> Result<bool, Failure> {
        let mut options = self.args.registry.options(self.face)?;
        options.keychain = Keychain::anonymous();
        let anyone = Remote::new(options)?;
        if anyone.manifest(image, &Selector::Digest(digest.clone())).await.is_ok() {
            return Ok(true);
        }
        let rekor = &self.args.signer.rekor_url;
        self.face.say(format!("WARNING: \"{image}\" appears to be a private repository, please confirm uploading to the transparency log at \"{rekor}\""));
        if privacy::confirm().is_ok() {
            return Ok(true);
        }
        self.face.say("not uploading to transparency log");
        Ok(false)
    }

    /// The key pair, opened once for all images.
    async fn keypair(
        &mut self,
        services: &provost_sigstore::signing_config::SigningConfig,
    ) -> Result<Keypair, Failure> {
        match self.keypair.take() {
            Some(keypair) => Ok(keypair),
            None => {
                let opened = self.signing.keypair(None, services, self.face).await;
                opened.map_err(|failure| failure.context("getting keypair and token"))
            }
        }
    }
}

/// cosign's remark about tags.
fn warn_about_tag(text: &str, face: &Face) {
    face.say(format!("WARNING: Image reference {text} uses a tag, not a digest, to identify the image to sign.\n    This can lead you to sign a different image than the intended one. Please use a\n    digest (example.com/ubuntu@sha256:abc123...) rather than tag\n    (example.com/ubuntu:latest) for the input to cosign. The ability to refer to\n    images by tag will be removed in a future release.\n"));
}

/// Reads an image's reference as commands that sign do, with the remark about tags.
///
/// # Errors
/// When it is no reference.
pub(crate) fn reference(text: &str, face: &Face) -> Result<Reference, Failure> {
    let parsed = text.parse::<Reference>();
    let image = parsed
        .map_err(|error| Failure::from(error).context("parsing reference").context("parsing reference"))?;
    if image.given_digest().is_none() {
        warn_about_tag(text, face);
    }
    Ok(image)
}

/// The time now in UTC to the second, or the one `SOURCE_DATE_EPOCH` gives.
///
/// # Errors
/// When that variable is no number of seconds.
pub(crate) fn now(face: &Face) -> Result<String, Failure> {
    let time = match face.environment.text("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) {
        None => jiff::Timestamp::now(),
        Some(text) => {
            let seconds = text.parse::<i64>().ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
            seconds.ok_or_else(|| {
                Failure::new(format!("SOURCE_DATE_EPOCH is {text:?}: expected seconds since 1970"))
            })?
        }
    };
    Ok(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The payload file's bytes.
fn payload_file(file: &std::path::Path, face: &Face) -> Result<Vec<u8>, Failure> {
    face.say(format!("Using payload from: {}", file.display()));
    let read = go_os::read(file, attachment_limit(face)?);
    read.map_err(|failure| failure.context("payload from file"))
}

/// The image, and with `recursive` every member of the lists it consists of, each once, outermost first.
///
/// # Errors
/// When the registry does not say, or a list has too many members.
pub(crate) async fn members(
    store: &dyn Store,
    image: &Reference,
    recursive: bool,
) -> Result<Vec<Digest>, Failure> {
    let fetch = async |which: &Selector| {
        let manifest = store.manifest(image.repository(), which).await;
        manifest.map_err(|error| {
            let words = go_text::store(&error);
            let missing = if error.is_not_found() { "entity not found in registry, error: " } else { "" };
            Failure::new(format!("accessing entity: {missing}{words}"))
        })
    };
    let first = match image.selector() {
        // A digest is signed whether or not the image is there yet.
        Selector::Digest(digest) if !recursive => return Ok(vec![digest]),
        selector => fetch(&selector).await?,
    };
    let mut digests = vec![first.digest.clone()];
    let mut lists =
        if recursive && media_type::is_index(&first.media_type) { vec![first] } else { Vec::new() };
    while let Some(list) = lists.pop() {
        let index: ImageIndex = serde_json::from_slice(&list.bytes)
            .map_err(|error| Failure::new(format!("{}: {error}", list.digest)))?;
        for member in index.manifests {
            if digests.contains(&member.digest) {
                continue;
            }
            if digests.len() == MAX_MEMBERS {
                return Err(Failure::new(format!(
                    "{image} has more than {MAX_MEMBERS} members, the most that are signed"
                )));
            }
            if media_type::is_index(&member.media_type) {
                lists.push(fetch(&Selector::Digest(member.digest.clone())).await?);
            }
            digests.push(member.digest);
        }
    }
    Ok(digests)
}
