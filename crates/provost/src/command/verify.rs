//! `provost verify`: did someone trusted sign this image?
//!
//! Follows cosign 3.1 in words, order and exit codes (cosign.md §0, §3.3). Signatures of the tag scheme and signing
//! statements in bundles are looked up together; an attestation is never taken for a signature.

use std::collections::BTreeMap;

use provost_oci::{Digest, Reference, Selector};
use provost_registry::Store;
use provost_sigstore::annotation::{BUNDLE_ANNOTATION, TIMESTAMP_ANNOTATION};
use provost_statement::go_json;
use provost_verify::dialect::{cosign, go_text};
use provost_verify::find::Source;
use provost_verify::signature::SIGN_PREDICATE;
use provost_verify::{
    Facts, FindRequest, Formats, Reason, SignatureCandidate, Trust, Unchecked, VerifiedBundle,
    VerifiedSignature, check_signature, check_signature_bundle, check_signed_payload, each_attestation,
    find_signatures,
};
use serde_json::Value;

use super::annotations;
use super::verifier::{VerifierFlags, print};
use super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// Exit code where an image has no signatures at all.
const NO_SIGNATURES: u8 = 10;
/// Exit code where the tag does not exist.
const NO_SUCH_TAG: u8 = 11;
/// Exit code where there are signatures and none of them counts.
const NONE_MATCHES: u8 = 12;

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
    /// The most signatures fetched at once.
    #[arg(long, env = "COSIGN_MAX_WORKERS", default_value = "10")]
    max_workers: usize,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(value_name = "IMAGE")]
    pub(super) images: Vec<String>,
}

/// What `verify` prints of one signature.
struct Signed {
    docker_reference: String,
    digest: Digest,
    kind: String,
    optional: Value,
    /// The signed bytes, where they are a payload of their own.
    raw: Option<bytes::Bytes>,
    facts: Facts,
    /// The log entry and the timestamp that lie beside it, as cosign prints them.
    beside: Vec<(&'static str, Value)>,
}

/// Verifies each image in turn; the first without a good signature ends the command.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.images.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    if args.max_workers == 0 {
        return Err(Failure::new("please set the --max-worker flag to a value that is greater than 0"));
    }
    args.verifier.warn("signature", face);
    args.verifier.agree()?;
    let wanted = annotations::parse(&args.annotations)?;
    // A bad name is refused before a key is opened or a registry asked.
    let images =
        args.images.iter().map(|text| Ok(text.parse::<Reference>()?)).collect::<Result<Vec<_>, Failure>>()?;
    let trust = args.verifier.trust("loading verifier from key opts", face).await?;
    let store = args.registry.remote(face)?;
    for image in &images {
        let signed = signatures(&store, image, &trust, &wanted, &args, face).await?;
        let facts: Vec<&Facts> = signed.iter().map(|one| &one.facts).collect();
        print::header(&image.to_string(), &trust, !wanted.is_empty(), args.check_claims, &facts, face);
        print_signed(&signed, &args.output, face);
    }
    Ok(())
}

/// The signatures of one image that count; there is at least one.
async fn signatures(
    store: &dyn Store,
    image: &Reference,
    trust: &Trust,
    wanted: &BTreeMap<String, String>,
    args: &Args,
    face: &Face,
) -> Result<Vec<Signed>, Failure> {
    let failed = |why: Unchecked| Failure::new(cosign::unchecked(&why));
    let digest = match image.selector() {
        Selector::Digest(digest) => digest,
        tag @ Selector::Tag(_) => match store.manifest(image.repository(), &tag).await {
            Ok(manifest) => manifest.digest,
            Err(error) if error.is_not_found() => {
                let words = format!("image tag not found: {}", go_text::store(&error));
                return Err(Failure::coded(NO_SUCH_TAG, words));
            }
            Err(error) => return Err(failed(Unchecked::Store(error))),
        },
    };
    let repository = attestation_repository(image.repository(), face)?;
    let request = FindRequest {
        repository: &repository,
        image: &digest,
        formats: Formats::Referrers,
        layer_limit: attachment_limit(face)?,
    };
    let mut found = Found::default();
    let bundles = each_attestation(store, &request, |candidate| {
        found.bundle(&candidate, trust, image, &digest, wanted);
    });
    let (layers, ()) = tokio::try_join!(find_signatures(store, &request), bundles).map_err(failed)?;
    for candidate in &layers {
        let checked = match args.check_claims {
            true => check_signature(candidate, trust, &digest, wanted),
            false => check_signed_payload(candidate, trust, wanted),
        };
        found.layer(checked);
    }
    found.signed()
}

/// What was found beside one image.
#[derive(Default)]
struct Found {
    signed: Vec<Signed>,
    layers: Vec<Reason>,
    bundles: Vec<Reason>,
}

impl Found {
    fn layer(&mut self, checked: Result<VerifiedSignature, Reason>) {
        match checked {
            Ok(VerifiedSignature { payload, bytes, facts, source }) => self.signed.push(Signed {
                docker_reference: payload.docker_reference,
                digest: payload.digest,
                kind: payload.kind,
                optional: payload.optional,
                raw: Some(bytes),
                facts,
                beside: beside(&source),
            }),
            Err(reason) => self.layers.push(reason),
        }
    }

    fn bundle(
        &mut self,
        candidate: &SignatureCandidate,
        trust: &Trust,
        image: &Reference,
        digest: &Digest,
        wanted: &BTreeMap<String, String>,
    ) {
        match check_signature_bundle(candidate, trust, digest, wanted) {
            Ok(VerifiedBundle::Signature { annotations, facts }) => self.signed.push(Signed {
                docker_reference: image.to_string(),
                digest: digest.clone(),
                kind: SIGN_PREDICATE.to_owned(),
                optional: annotations,
                raw: None,
                facts,
                beside: Vec::new(),
            }),
            // The key's word about the image, but not its signature.
            Ok(VerifiedBundle::Attestation { .. }) => {}
            Err(reason) => self.bundles.push(reason),
        }
    }

    /// The signatures, or why there are none; bundles alone fail with cosign's code 1, as they do there.
    fn signed(self) -> Result<Vec<Signed>, Failure> {
        if !self.signed.is_empty() {
            return Ok(self.signed);
        }
        let bundles: Vec<_> = self.bundles.iter().map(cosign::in_bundle).collect();
        if self.layers.is_empty() {
            return Err(match bundles.is_empty() {
                true => Failure::coded(NO_SIGNATURES, "no signatures found"),
                false => Failure::new(format!("no matching attestations: {}", bundles.join("\n"))),
            });
        }
        let layers: Vec<_> = self.layers.iter().map(layer_words).collect();
        let mut text = layers.join("\n ");
        for words in bundles {
            text = format!("{text}\n{words}");
        }
        Err(Failure::coded(NONE_MATCHES, format!("no matching signatures: {text}")))
    }
}

/// cosign's words for a layer that does not count: one signature stands alone, so the key's own failure is said.
fn layer_words(reason: &Reason) -> String {
    match reason {
        Reason::NotTheKey { each } => {
            each.iter().map(cosign::payload_signature).collect::<Vec<_>>().join("\n ")
        }
        other => cosign::reason(other),
    }
}

/// What lies beside a signature and is printed with it: the annotations of the log entry and of the timestamp.
fn beside(source: &Source) -> Vec<(&'static str, Value)> {
    let Source::Layer(layer) = source else { return Vec::new() };
    let read = |(name, annotation): (&'static str, &str)| {
        let text = layer.annotations.get(annotation).filter(|text| !text.is_empty())?;
        Some((name, serde_json::from_str(text).ok()?))
    };
    let both = [("Bundle", BUNDLE_ANNOTATION), ("RFC3161Timestamp", TIMESTAMP_ANNOTATION)];
    both.into_iter().filter_map(read).collect()
}

/// Prints what was signed; any format but `text` is JSON, as in cosign.
fn print_signed(signed: &[Signed], format: &str, face: &Face) {
    if format == "text" {
        for one in signed {
            // A bundle's certificate is not printed, as in cosign.
            if let (Some(certificate), Some(_)) = (&one.facts.certificate, &one.raw) {
                print::certificate(certificate, face);
            }
            face.out(one.raw.as_ref().map_or_else(|| one.payload(), |raw| raw.to_vec()));
        }
        return;
    }
    let payloads: Vec<Vec<u8>> = signed.iter().map(Signed::payload).collect();
    let list = payloads.join(b",".as_slice());
    face.out_raw([b"\n[".as_slice(), &list, b"]\n"].concat());
}

impl Signed {
    /// The simple signing payload, written anew.
    fn payload(&self) -> Vec<u8> {
        let certificate = self.facts.certificate.as_ref().filter(|_| self.raw.is_some());
        [
            br#"{"critical":{"identity":{"docker-reference":"#.as_slice(),
            &go_json::escaped(&self.docker_reference),
            br#"},"image":{"docker-manifest-digest":"#,
            &go_json::escaped(&self.digest.to_string()),
            br#"},"type":"#,
            &go_json::escaped(&self.kind),
            br#"},"optional":"#,
            &print::optional(&self.optional, certificate, self.beside.clone()),
            b"}",
        ]
        .concat()
    }
}
