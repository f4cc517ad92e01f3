//! Signatures by the tag scheme: simple signing payloads, each a layer of the image's `.sig` manifest.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{HashChoice, PublicKey};
use provost_oci::{Digest, Repository};
use provost_sign::layer::{CertField, certificate_pem, cosign_bundle, signature_layer_of, signature_text};
use provost_sign::{AttachOptions, AttachedLayer, Dedup, Payload, attach_as};
use provost_sigstore::bundle_writing::NewBundle;
use provost_statement::SimpleSigning;
use provost_statement::tag_scheme::{SIGNATURE_ANNOTATION, SIGNATURE_LAYER};
use provost_verify::dialect::cosign;
use provost_verify::{FindRequest, Formats, Source, find_signatures};
use serde_json::Value;

use super::{Args, Run, now, payload_file};
use crate::command::output_file::{save, save_bundle};
use crate::command::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;

/// The payload that a flag gives.
pub(super) fn given_payload(args: &Args, face: &Face) -> Result<Option<Vec<u8>>, Failure> {
    let file = args.payload.as_deref().filter(|file| !file.as_os_str().is_empty());
    file.map(|file| payload_file(file, face)).transpose()
}

/// How layers are attached, by flags and variables.
pub(crate) fn attach_options(record_creation: bool, face: &Face) -> Result<AttachOptions, Failure> {
    let truth = |name: &str| {
        let text = face.environment.text(name).unwrap_or_default();
        matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True")
    };
    Ok(AttachOptions {
        replaced: Vec::new(),
        created: if record_creation { Some(now(face)?) } else { None },
        docker_media_types: truth("COSIGN_DOCKER_MEDIA_TYPES"),
    })
}

impl Run<'_> {
    /// Signs the payloads of one image, writes the files asked for, and appends the layers.
    pub(super) async fn by_tag(
        &mut self,
        image: &Repository,
        digest: &Digest,
        given: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let services = self.services(image, digest).await?;
        let mut keypair = self.keypair(&services).await?;
        let mut signed = Vec::new();
        for payload in self.payloads(image, digest, given) {
            let message = Payload::Message { bytes: payload.clone(), pure_ed25519: false };
            let bundle = self.signing.bundle(message, &mut keypair, &services, self.face).await;
            signed.push((payload, bundle.map_err(|failure| failure.context("signing bundle"))?));
        }
        let (key, chain) = (keypair.signer.public_key(), keypair.chain.clone());
        self.keypair = Some(keypair);
        self.write_files(digest, &signed, &key)?;
        if !self.args.upload {
            return Ok(());
        }
        let repository = attestation_repository(image, self.face)?;
        // cosign names COSIGN_REPOSITORY without its registry.
        let elsewhere = repository != *image;
        let shown = if elsewhere { repository.path().to_owned() } else { repository.to_string() };
        self.face.say(format!("Pushing signature to: {shown}"));
        let options = attach_options(self.args.record_creation_timestamp, self.face)?;
        let tag = self.args.registry.tag(digest, "sig");
        for (payload, bundle) in signed {
            let layer = signature_layer_of(&bundle, payload, chain.as_deref());
            if !self.is_there(&repository, digest, &layer, &key).await? {
                attach_as(&self.store, &repository, &tag, &layer, Dedup::Never, &options).await?;
            }
        }
        Ok(())
    }

    fn payloads(&self, image: &Repository, digest: &Digest, given: Option<&[u8]>) -> Vec<Vec<u8>> {
        if let Some(given) = given.filter(|given| !given.is_empty()) {
            return vec![given.to_vec()];
        }
        let optional = match self.annotations.is_empty() {
            true => Value::Null,
            false => Value::Object(self.annotations.clone()),
        };
        let names = match self.args.sign_container_identity.as_slice() {
            [] => vec![image.to_string()],
            names => names.to_vec(),
        };
        names.iter().map(|name| SimpleSigning::payload(name, digest, &optional)).collect()
    }

    /// Signatures, payloads, certificate and bundle, as files; of several one line each.
    fn write_files(
        &self,
        digest: &Digest,
        signed: &[(Vec<u8>, NewBundle)],
        key: &PublicKey,
    ) -> Result<(), Failure> {
        let args = self.args;
        let each = |file: &Path| -> PathBuf {
            if !args.recursive {
                return file.to_owned();
            }
            let mut name = file.as_os_str().to_owned();
            name.push(format!("-{}-{}", digest.algorithm().name(), digest.hex()));
            PathBuf::from(name)
        };
        let wanted = |file: &Option<PathBuf>| file.clone().filter(|file| !file.as_os_str().is_empty());
        if let Some(file) = wanted(&args.output_signature) {
            let texts: Vec<String> = signed.iter().map(|(_, bundle)| signature_text(bundle)).collect();
            save(&each(&file), texts.join("\n").as_bytes())
                .map_err(|failure| failure.context("create signature file"))?;
        }
        if let Some(file) = wanted(&args.output_payload) {
            let payloads: Vec<&[u8]> = signed.iter().map(|(payload, _)| payload.as_slice()).collect();
            save(&each(&file), &payloads.join(&b'\n'))
                .map_err(|failure| failure.context("create payload file"))?;
        }
        if let Some(file) = wanted(&args.output_certificate) {
            let pem = signed.first().and_then(|(_, bundle)| certificate_pem(bundle));
            save(&file, pem.unwrap_or_else(|| key.to_pem()).as_bytes())
                .map_err(|failure| failure.context("create certificate file"))?;
            self.face.say(format!("Certificate wrote in the file {}", file.display()));
        }
        if let Some(file) = wanted(&args.bundle) {
            let each = signed.iter().map(|(_, bundle)| cosign_bundle(bundle, key, CertField::Der));
            save_bundle(&file, &each.collect::<Vec<_>>().join(&b'\n'), self.face)?;
        }
        Ok(())
    }

    /// Whether this key's signature over the same bytes, with nothing more to say, lies there already.
    async fn is_there(
        &self,
        repository: &Repository,
        digest: &Digest,
        layer: &AttachedLayer,
        key: &PublicKey,
    ) -> Result<bool, Failure> {
        // A layer with a certificate, a log entry or a timestamp is never another's duplicate.
        if layer.annotations.len() != 1 {
            return Ok(false);
        }
        let request = FindRequest {
            repository,
            image: digest,
            formats: Formats::TagScheme,
            layer_limit: attachment_limit(self.face)?,
        };
        let there = find_signatures(&self.store, &request).await;
        let there = there.map_err(|why| Failure::new(cosign::unchecked(&why)))?;
        let signature = |source: &Source| match source {
            Source::Layer(layer) if layer.media_type == SIGNATURE_LAYER && layer.annotations.len() == 1 => {
                layer.annotations.get(SIGNATURE_ANNOTATION).and_then(|text| STANDARD.decode(text).ok())
            }
            Source::Layer(_) | Source::Bundle(_) => None,
        };
        Ok(there.iter().any(|one| {
            let holds = |bytes: Vec<u8>| key.verify(&one.bytes, &bytes, HashChoice::Usual).is_ok();
            one.bytes == layer.bytes && signature(&one.source).is_some_and(holds)
        }))
    }
}
