//! `provost copy`: an image and all that lies beside it, in both formats, from one repository to another.
//!
//! Follows cosign 3.1 (cosign.md §3.6), except that bundles are carried too, and that the image is not also put under the
//! tag `sha256-<hex>`, where the list of those bundles may have to stand.

use std::collections::BTreeSet;

use provost_oci::media_type::is_index;
use provost_oci::{ImageIndex, Reference, Repository, Selector};
use provost_registry::{Manifest, Remote, Store, StoreError};
use provost_verify::dialect::go_text;

use super::entity::{entity, is_about};
use super::platform;
use super::verify_attestation::attestation_repository;
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// Copy an image with its signatures, attestations and SBOMs.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Copy only these: sig, att, sbom.
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    only: Vec<String>,
    /// Copy only signatures; say --only=sig.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    sig_only: bool,
    /// Overwrite what is there.
    #[arg(short = 'f', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    force: bool,
    /// Copy only the member for this platform: os/architecture[/variant].
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image, and where it goes.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Copies everything, the name last.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let [from, to] = args.images.as_slice() else {
        return Err(Failure::new(format!("accepts 2 arg(s), received {}", args.images.len())));
    };
    let (source, target): (Reference, Reference) = (from.parse()?, to.parse()?);
    let store = args.registry.remote_by_prefix(face)?;
    let failed = |error: StoreError| Failure::new(go_text::store(&error));
    let mut root = entity(&store, &source).await?;
    if let Some(wanted) = &args.platform {
        let member = Selector::Digest(platform::pick(&root, wanted)?);
        root = store.manifest(source.repository(), &member).await.map_err(failed)?;
    }
    let kinds = kinds(&args, face)?;
    let whole = kinds.is_empty();
    let beside = attestation_repository(source.repository(), face)?;
    let copy = Copy { store: &store, force: args.force, face };
    for image in entities(&store, source.repository(), &root).await? {
        for suffix in ["sig", "att", "sbom"].into_iter().filter(|suffix| whole || kinds.contains(*suffix)) {
            let tag = Selector::Tag(args.registry.tag(&image.digest, suffix));
            match store.manifest(&beside, &tag).await {
                Ok(found) => copy.one(&found, (&beside, &tag), (target.repository(), &tag)).await?,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let by_digest = Selector::Digest(image.digest.clone());
        copy.one(&image, (source.repository(), &by_digest), (target.repository(), &by_digest)).await?;
        if whole || kinds.contains("sig") || kinds.contains("att") {
            copy.referrers(&image, &beside, target.repository()).await?;
        }
    }
    if whole {
        let by_digest = Selector::Digest(root.digest.clone());
        copy.one(&root, (source.repository(), &by_digest), (target.repository(), &target.selector())).await?;
    }
    Ok(())
}

/// The kinds that are wanted; none where all are.
fn kinds(args: &Args, face: &Face) -> Result<BTreeSet<String>, Failure> {
    let mut kinds: BTreeSet<String> = args.only.iter().cloned().collect();
    if args.sig_only {
        face.say_raw("--sig-only is deprecated, use --only=sig instead");
        kinds.insert("sig".to_owned());
    }
    match kinds.iter().find(|kind| !matches!(kind.as_str(), "sig" | "sbom" | "att")) {
        None => Ok(kinds),
        Some(kind) => Err(Failure::new(format!(
            "invalid value for --only: {kind}, only the following values are supported: [sig sbom att]"
        ))),
    }
}

/// The image, and where it is a list the members it names: signatures may lie beside each.
async fn entities(store: &Remote, at: &Repository, root: &Manifest) -> Result<Vec<Manifest>, Failure> {
    let mut all = vec![root.clone()];
    if is_index(&root.media_type) {
        let index: ImageIndex = serde_json::from_slice(&root.bytes)?;
        for member in index.manifests {
            let found = store.manifest(at, &Selector::Digest(member.digest)).await;
            all.push(found.map_err(|error| Failure::new(go_text::store(&error)))?);
        }
    }
    Ok(all)
}

/// How things are copied.
struct Copy<'a> {
    store: &'a Remote,
    force: bool,
    face: &'a Face,
}

impl Copy<'_> {
    /// Copies one manifest with its blobs; what is there already stays, and another thing there is in the way.
    async fn one(
        &self,
        manifest: &Manifest,
        (from, source): (&Repository, &Selector),
        (to, target): (&Repository, &Selector),
    ) -> Result<(), Failure> {
        let failed = |error: StoreError| Failure::new(go_text::store(&error));
        let name = |at: &Repository, which: &Selector| match which {
            Selector::Tag(tag) => at.tag(tag).to_string(),
            Selector::Digest(digest) => at.digest(digest.clone()).to_string(),
        };
        if !self.force {
            match self.store.resolve(to, target).await {
                Ok(there) if there.digest == manifest.digest => return Ok(()),
                Ok(_) => {
                    let words = format!("image {:?} already exists. Use `-f` to overwrite", name(to, target));
                    return Err(Failure::new(words));
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        self.face.say(format!("Copying {} to {}...", name(from, source), name(to, target)));
        self.store.copy_image(manifest, from, to, target).await.map_err(failed)
    }

    /// Copies all that names an image as its subject.
    async fn referrers(&self, image: &Manifest, from: &Repository, to: &Repository) -> Result<(), Failure> {
        let failed = |error: StoreError| Failure::new(go_text::store(&error));
        for referrer in self.store.referrers(from, &image.digest).await.map_err(failed)? {
            let which = Selector::Digest(referrer.digest);
            match self.store.manifest(from, &which).await {
                Ok(manifest) if is_about(&manifest, &image.digest) => {
                    self.one(&manifest, (from, &which), (to, &which)).await?;
                }
                Ok(_) => {}
                // A list may name what has since been deleted.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}
