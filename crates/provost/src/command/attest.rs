//! `provost attest`: sign a statement about an image and store it beside it, as a bundle or by the tag scheme.
//!
//! Follows cosign 3.1 (cosign.md §2, §3.4).

use std::io::Read;
use std::path::{Path, PathBuf};

use provost_oci::{Digest, Reference, Repository, Selector};
use provost_registry::{Remote, Store};
use provost_sign::layer::{CertField, attestation_layer_of, cosign_bundle};
use provost_sign::statement::predicate_uri;
use provost_sign::{BundlePlace, Dedup, Payload, attach_as, attach_bundle, attestation_statement};
use provost_statement::{Envelope, Limits, json};
use provost_verify::dialect::go_text;
use provost_verify::{FindRequest, Formats, Source, each_attestation};
use serde_json::Value;

use super::output_file::save_bundle;
use super::sign::{attach_options, now, reference};
use super::signer::{SignerFlags, given};
use super::signing::{Keypair, OldOutputs, Signing};
use super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;
use crate::registry_flags::RegistryFlags;

/// Sign a statement about images and store it beside them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    signer: SignerFlags,
    #[command(flatten)]
    predicate: PredicateFlags,
    /// The file to write the bundle to.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Store nothing beside the image.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_upload: bool,
    /// Take away the attestations of the same predicate type; only without a bundle.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    replace: bool,
    /// Write down when the attestation was made; only without a bundle.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    record_creation_timestamp: bool,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// What is stated.
#[derive(clap::Args, Debug)]
pub(crate) struct PredicateFlags {
    /// The predicate: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) predicate: Option<String>,
    /// The whole statement: a file; only attest-blob signs it.
    #[arg(long, value_name = "FILE")]
    pub(crate) statement: Option<String>,
    /// The predicate type: slsaprovenance, slsaprovenance02, slsaprovenance1, link, spdx, spdxjson, cyclonedx, vuln, openvex, custom, or a URI.
    #[arg(long = "type", default_value = "custom", value_name = "TYPE")]
    pub(crate) predicate_type: String,
    /// How Rekor is told: dsse or intoto; what is uploaded is the same.
    #[arg(long, default_value = "dsse", value_name = "TYPE")]
    rekor_entry_type: String,
}

impl PredicateFlags {
    /// Whether anything to state was given.
    ///
    /// # Errors
    /// cobra's words when nothing was.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.predicate.is_none() && self.statement.is_none() {
            return Err(Failure::new(
                "at least one of the flags in the group [predicate statement] is required",
            ));
        }
        Ok(())
    }

    /// Whether the kind of entry is one that Rekor has.
    ///
    /// # Errors
    /// cosign's words when it is none.
    pub(crate) fn check_entry_type(&self) -> Result<(), Failure> {
        match self.rekor_entry_type.as_str() {
            "dsse" | "intoto" => Ok(()),
            _ => Err(Failure::new("unknown value for rekor-entry-type")),
        }
    }

    /// The predicate's bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(&self, face: &Face) -> Result<Vec<u8>, Failure> {
        let failed = |failure: Failure| failure.context("getting predicate reader");
        let limit = attachment_limit(face)?;
        match self.predicate.as_deref().unwrap_or_default() {
            "-" => {
                face.say("Using payload from: standard input");
                let mut bytes = Vec::new();
                std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
                if bytes.len() as u64 > limit {
                    return Err(failed(Failure::new(format!("standard input is longer than {limit} bytes"))));
                }
                Ok(bytes)
            }
            file => {
                face.say(format!("Using payload from: {file}"));
                go_os::read(Path::new(file), limit).map_err(failed)
            }
        }
    }
}

/// What every image of one command is attested with.
struct Run<'a> {
    args: &'a Args,
    face: &'a Face,
    signing: Signing<'a>,
    store: Remote,
    /// Opened for the first image, and kept for the others.
    keypair: Option<Keypair>,
    /// Read for the first image: standard input can be read once.
    predicate: Option<Vec<u8>>,
}

/// Attests each image in turn.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.images.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    args.predicate.check()?;
    if args.signer.new_bundle_format && args.no_upload && args.bundle.is_none() {
        return Err(Failure::new(
            "must enable upload to the OCI registry or specify a local --bundle path with --new-bundle-format",
        ));
    }
    let signing = Signing::prepare(&args.signer, OldOutputs::default(), false, face).await?;
    let store = args.registry.remote_by_prefix(face)?;
    let mut run = Run { args: &args, face, signing, store, keypair: None, predicate: None };
    for text in &args.images {
        run.image(text).await.map_err(|failure| failure.context(&format!("signing {text}")))?;
    }
    Ok(())
}

impl Run<'_> {
    async fn image(&mut self, text: &str) -> Result<(), Failure> {
        let (args, face) = (self.args, self.face);
        if given(args.predicate.predicate.as_ref()).is_none() {
            return Err(Failure::new("predicate cannot be empty"));
        }
        args.predicate.check_entry_type()?;
        let word = args.predicate.predicate_type.as_str();
        let uri = predicate_uri(word)?;
        let image = reference(text, face)?;
        let digest = self.resolved(&image).await?;
        let repository = image.repository();
        let predicate = match self.predicate.take() {
            Some(predicate) => predicate,
            None => args.predicate.read(face)?,
        };
        let made = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let statement =
            attestation_statement(word, &predicate, &repository.to_string(), digest.hex(), &made)?;
        self.predicate = Some(predicate);
        let services = self.signing.services(args.signer.tlog_upload);
        let failed = |failure: Failure| failure.context("creating bundle");
        let mut keypair = match self.keypair.take() {
            Some(keypair) => keypair,
            None => {
                let opened = self.signing.keypair(None, &services, face).await;
                opened.map_err(|failure| failed(failure.context("getting keypair and token")))?
            }
        };
        let bundle = self.signing.bundle(Payload::Statement(statement), &mut keypair, &services, face).await;
        let bundle = bundle.map_err(|failure| failed(failure.context("signing bundle")))?;
        let (key, chain) = (keypair.signer.public_key(), keypair.chain.clone());
        self.keypair = Some(keypair);
        let beside = attestation_repository(repository, face)?;
        if args.signer.new_bundle_format {
            let bytes = bundle.to_json();
            if let Some(file) = &args.bundle {
                save_bundle(file, &bytes, face)?;
            }
            if args.no_upload {
                return Ok(());
            }
            let place = BundlePlace {
                image: repository,
                repository: &beside,
                digest: &digest,
                predicate_type: uri,
                created: &now(face)?,
            };
            let stored = attach_bundle(&self.store, &place, bytes).await;
            return stored
                .map(drop)
                .map_err(|error| Failure::new(format!("writing bundle: {}", go_text::store(&error))));
        }
        if let Some(file) = &args.bundle {
            save_bundle(file, &cosign_bundle(&bundle, &key, CertField::PemOrKey), face)?;
        }
        if args.no_upload {
            return Ok(());
        }
        let layer = attestation_layer_of(&bundle, uri, chain.as_deref());
        let mut options = attach_options(args.record_creation_timestamp, face)?;
        if args.replace {
            options.replaced = self.replaced(&beside, &digest, uri).await?;
        }
        let tag = args.registry.tag(&digest, "att");
        attach_as(&self.store, &beside, &tag, &layer, Dedup::Never, &options).await?;
        Ok(())
    }

    /// What an image's name points to; a digest is taken whether or not the image is there yet.
    async fn resolved(&self, image: &Reference) -> Result<Digest, Failure> {
        match image.selector() {
            Selector::Digest(digest) => Ok(digest),
            tag @ Selector::Tag(_) => {
                let resolved = self.store.resolve(image.repository(), &tag).await;
                Ok(resolved.map_err(|error| Failure::new(go_text::store(&error)))?.digest)
            }
        }
    }

    /// The layers that state the same predicate type, by their digests; says of each what becomes of it.
    async fn replaced(&self, beside: &Repository, image: &Digest, uri: &str) -> Result<Vec<Digest>, Failure> {
        let request = FindRequest {
            repository: beside,
            image,
            formats: Formats::TagScheme,
            layer_limit: attachment_limit(self.face)?,
        };
        let mut digests = Vec::new();
        let mut seen = |candidate: provost_verify::Candidate| {
            let Source::Layer(layer) = &candidate.source else { return };
            let predicate_type = Envelope::parse(&candidate.bytes)
                .ok()
                .and_then(|envelope| json::parse(&envelope.payload, Limits::STATEMENT).ok())
                .and_then(|statement| {
                    statement.get("predicateType").and_then(Value::as_str).map(str::to_owned)
                })
                .unwrap_or_default();
            if predicate_type == uri {
                self.face.say(format!("Replacing attestation predicate: {uri}"));
                digests.push(layer.digest.clone());
            } else {
                self.face.say(format!("Not replacing attestation predicate: {predicate_type}"));
            }
        };
        let found = each_attestation(&self.store, &request, &mut seen).await;
        found.map_err(|why| Failure::new(provost_verify::dialect::cosign::unchecked(&why)))?;
        Ok(digests)
    }
}
