//! `provost attest`: sign a statement about an image and store it beside it, by the tag scheme.
//!
//! Follows cosign 3.1 with `--new-bundle-format=false` (cosign.md §2.1, §3.4).

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use provost_keys::Signer;
use provost_oci::{Reference, Selector};
use provost_registry::Store;
use provost_sign::{AttachedLayer, Dedup, KeyHint, attach, attestation_statement, sign_envelope};
use provost_statement::predicate_type;
use provost_verify::dialect::go_text;
use provost_verify::find::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION, scheme_tag};

use super::signer::SignerFlags;
use super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;
use crate::{go_os, key_reference};

/// Sign a statement about images and store it beside them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    signer: SignerFlags,
    /// The predicate: a file, or - for standard input.
    #[arg(long, env = "COSIGN_PREDICATE", value_name = "FILE")]
    predicate: Option<String>,
    /// The predicate type: custom, slsaprovenance, slsaprovenance02, slsaprovenance1, spdxjson, cyclonedx, openvex, or a URI.
    #[arg(long = "type", env = "COSIGN_TYPE", default_value = "custom", value_name = "TYPE")]
    predicate_type: String,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Attests each image in turn.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.images.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    let reference = args.signer.reference()?;
    let file = args
        .predicate
        .as_deref()
        .ok_or_else(|| Failure::new("predicate cannot be empty: give --predicate FILE"))?;
    let images =
        args.images.iter().map(|text| Ok(text.parse::<Reference>()?)).collect::<Result<Vec<_>, Failure>>()?;
    let predicate = predicate(file, face)?;
    let key = key_reference::signer(reference, face).await?;
    let store = args.registry.remote(face)?;
    for (text, image) in args.images.iter().zip(&images) {
        one(&store, image, key.as_ref(), &args.predicate_type, &predicate, face)
            .await
            .map_err(|failure| failure.context(&format!("signing {text}")))?;
    }
    Ok(())
}

fn predicate(file: &str, face: &Face) -> Result<Vec<u8>, Failure> {
    let limit = attachment_limit(face)?;
    face.say(format!("Using payload from: {file}"));
    if file != "-" {
        return go_os::read(Path::new(file), limit);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn one(
    store: &dyn Store,
    image: &Reference,
    key: &dyn Signer,
    word: &str,
    predicate: &[u8],
    face: &Face,
) -> Result<(), Failure> {
    let digest = match image.selector() {
        // cosign's tag scheme attests a digest whether or not the image is there yet.
        Selector::Digest(digest) => digest,
        tag @ Selector::Tag(_) => {
            let resolved = store.resolve(image.repository(), &tag).await;
            resolved.map_err(|error| Failure::new(go_text::store(&error)))?.digest
        }
    };
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let statement = attestation_statement(word, predicate, image.repository(), &digest, &now)?;
    let envelope = sign_envelope(&statement, key, KeyHint::None).await?;
    let layer = AttachedLayer {
        media_type: ENVELOPE_LAYER.to_owned(),
        bytes: Bytes::from(envelope.to_json()),
        annotations: BTreeMap::from([
            (SIGNATURE_ANNOTATION.to_owned(), String::new()),
            ("predicateType".to_owned(), predicate_type::uri_of(word).to_owned()),
        ]),
    };
    let repository = attestation_repository(image.repository(), face)?;
    attach(store, &repository, &scheme_tag(&digest, "att"), &layer, Dedup::Never).await?;
    Ok(())
}
