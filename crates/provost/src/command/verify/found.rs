//! What was found beside one image: the signatures that count, why the others do not, and how both are said.

use std::collections::BTreeMap;

use provost_oci::Digest;
use provost_sigstore::annotation::{BUNDLE_ANNOTATION, TIMESTAMP_ANNOTATION};
use provost_statement::go_json;
use provost_verify::dialect::cosign;
use provost_verify::find::Source;
use provost_verify::signature::SIGN_PREDICATE;
use provost_verify::{
    Facts, Reason, SignatureCandidate, Trust, VerifiedBundle, VerifiedSignature, check_signature_bundle,
};
use serde_json::Value;

use crate::command::verifier::print;
use crate::face::Face;
use crate::failure::Failure;

/// Exit code where an image has no signatures at all.
const NO_SIGNATURES: u8 = 10;
/// Exit code where there are signatures and none of them counts.
const NONE_MATCHES: u8 = 12;

/// What `verify` prints of one signature.
pub(super) struct Signed {
    pub(super) docker_reference: String,
    pub(super) digest: Digest,
    pub(super) kind: String,
    pub(super) optional: Value,
    /// The signed bytes, where they are a payload of their own.
    pub(super) raw: Option<bytes::Bytes>,
    pub(super) facts: Facts,
    /// The log entry and the timestamp that lie beside it, as cosign prints them.
    pub(super) beside: Vec<(&'static str, Value)>,
}

/// What was found beside one image.
#[derive(Default)]
pub(super) struct Found {
    pub(super) signed: Vec<Signed>,
    layers: Vec<Reason>,
    bundles: Vec<Reason>,
    /// The folder, where the image is a saved one.
    folder: Option<String>,
}

impl Found {
    /// Nothing yet; `folder` is that of a saved image.
    pub(super) fn new(folder: Option<&str>) -> Self {
        Self { folder: folder.map(str::to_owned), ..Self::default() }
    }

    /// Files what came of a layer.
    pub(super) fn layer(&mut self, checked: Result<VerifiedSignature, Reason>) {
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

    /// Checks a bundle and files what came of it; `image` is how it is called in what is printed.
    pub(super) fn bundle(
        &mut self,
        candidate: &SignatureCandidate,
        trust: &Trust,
        image: &str,
        digest: &Digest,
        wanted: &BTreeMap<String, String>,
    ) {
        match check_signature_bundle(candidate, trust, digest, wanted) {
            Ok(VerifiedBundle::Signature { annotations, facts }) => self.signed.push(Signed {
                docker_reference: image.to_owned(),
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

    /// The signatures, or why there are none. Bundles alone fail with cosign's code 1, as they do there; so does a saved
    /// image, and what could not be checked because the log did not answer.
    pub(super) fn signed(self) -> Result<Vec<Signed>, Failure> {
        if !self.signed.is_empty() {
            return Ok(self.signed);
        }
        let bundles: Vec<_> = self.bundles.iter().map(cosign::in_bundle).collect();
        if self.layers.is_empty() {
            return Err(match (bundles.is_empty(), self.folder) {
                (true, None) => Failure::coded(NO_SIGNATURES, "no signatures found"),
                (true, Some(folder)) => {
                    Failure::new(format!("no signatures associated with the image saved in {folder}"))
                }
                (false, _) => Failure::new(format!("no matching attestations: {}", bundles.join("\n"))),
            });
        }
        let layers: Vec<_> = self.layers.iter().map(layer_words).collect();
        let mut text = format!("no matching signatures: {}", layers.join("\n "));
        for words in bundles {
            text = format!("{text}\n{words}");
        }
        let unchecked = self.layers.iter().any(|reason| matches!(reason, Reason::LogUnasked(_)));
        Err(match unchecked || self.folder.is_some() {
            true => Failure::new(text),
            false => Failure::coded(NONE_MATCHES, text),
        })
    }
}

/// cosign's words for a layer that does not count: one signature stands alone, so the key's own failure is said.
pub(super) fn layer_words(reason: &Reason) -> String {
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
pub(super) fn print_signed(signed: &[Signed], format: &str, face: &Face) {
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
