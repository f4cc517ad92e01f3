//! `provost sign`: sign images with a key and store the signatures beside them, by the tag scheme.
//!
//! Follows cosign 3.1 with `--new-bundle-format=false` (cosign.md §2.1, §3.4).

use std::collections::BTreeMap;

use provost_keys::{HashChoice, Signer};
use provost_oci::{Digest, ImageIndex, Reference, Repository, Selector, media_type};
use provost_registry::Store;
use provost_sign::{Dedup, attach, signature_layer};
use provost_statement::SimpleSigning;
use provost_statement::tag_scheme::SIGNATURE_LAYER;
use provost_verify::dialect::{cosign, go_text};
use provost_verify::find::scheme_tag;
use provost_verify::{FindRequest, Formats, Source, TrustedKey, check_signature, find_signatures};
use serde_json::Value;

use super::annotations;
use super::signer::SignerFlags;
use super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;
use crate::registry_flags::RegistryFlags;

/// The most images signed for one argument with `--recursive`: a list of 20 platforms with attestations has 41.
const MAX_MEMBERS: usize = 1000;

/// Sign images and store the signatures beside them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    signer: SignerFlags,
    /// An annotation KEY=VALUE to sign with the image; repeatable.
    #[arg(short = 'a', long, env = "COSIGN_ANNOTATIONS", value_delimiter = ',', value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Sign the members of a multi-platform image too.
    #[arg(short = 'r', long, env = "COSIGN_RECURSIVE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    recursive: bool,
    /// The name to sign instead of the repository's; repeatable, one signature each.
    #[arg(long, env = "COSIGN_SIGN_CONTAINER_IDENTITY", value_delimiter = ',', value_name = "NAME")]
    sign_container_identity: Vec<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Signs each image in turn.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.images.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    let reference = args.signer.reference()?;
    let optional = match annotations::parse(&args.annotations)? {
        none if none.is_empty() => Value::Null,
        some => some.into_iter().collect(),
    };
    let failed = |failure: Failure| failure.context(&format!("signing [{}]", args.images.join(" ")));
    let parse = |text: &String| text.parse::<Reference>().map_err(|error| failed(error.into()));
    let images = args.images.iter().map(parse).collect::<Result<Vec<_>, Failure>>()?;
    let key = key_reference::signer(reference, face).await.map_err(failed)?;
    let store = args.registry.remote(face)?;
    for (text, image) in args.images.iter().zip(&images) {
        if image.given_digest().is_none() {
            face.say(format!("WARNING: Image reference {text} uses a tag, not a digest, to identify the image to sign.\n    This can lead you to sign a different image than the intended one. Please use a\n    digest (example.com/ubuntu@sha256:abc123...) rather than tag\n    (example.com/ubuntu:latest) for the input to cosign. The ability to refer to\n    images by tag will be removed in a future release.\n"));
        }
        let names = match args.sign_container_identity.as_slice() {
            [] => vec![image.repository().to_string()],
            names => names.to_vec(),
        };
        for digest in members(&store, image, args.recursive).await.map_err(failed)? {
            for name in &names {
                let payload = SimpleSigning::payload(name, &digest, &optional);
                one(&store, image.repository(), &digest, payload, key.as_ref(), face)
                    .await
                    .map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// The image, and with `recursive` every member of the lists it consists of, each once, outermost first.
async fn members(store: &dyn Store, image: &Reference, recursive: bool) -> Result<Vec<Digest>, Failure> {
    let fetch = async |which: &Selector| {
        let manifest = store.manifest(image.repository(), which).await;
        manifest.map_err(|error| Failure::new(go_text::store(&error)))
    };
    let first = match image.selector() {
        // cosign's tag scheme signs a digest whether or not the image is there yet.
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

/// Signs one payload, unless this key's signature over the same bytes lies there already.
async fn one(
    store: &dyn Store,
    image: &Repository,
    digest: &Digest,
    payload: Vec<u8>,
    key: &dyn Signer,
    face: &Face,
) -> Result<(), Failure> {
    let repository = attestation_repository(image, face)?;
    let request = FindRequest {
        repository: &repository,
        image: digest,
        formats: Formats::TagScheme,
        layer_limit: attachment_limit(face)?,
    };
    let trusted = TrustedKey { key: key.public_key(), hash: HashChoice::Usual };
    let there = find_signatures(store, &request).await;
    let there = there.map_err(|why| Failure::new(cosign::unchecked(&why)))?;
    // A layer with more annotations (a certificate, a log entry) says more than this one, so it is not the same.
    let plain = |source: &Source| match source {
        Source::Layer(layer) => layer.media_type == SIGNATURE_LAYER && layer.annotations.len() == 1,
        Source::Bundle(_) => false,
    };
    let same = there.iter().any(|one| {
        one.bytes == payload
            && plain(&one.source)
            && check_signature(one, &trusted, digest, &BTreeMap::new()).is_ok()
    });
    face.say(format!("Pushing signature to: {repository}"));
    if !same {
        let layer = signature_layer(payload, key).await?;
        attach(store, &repository, &scheme_tag(digest, "sig"), &layer, Dedup::Never).await?;
    }
    Ok(())
}
