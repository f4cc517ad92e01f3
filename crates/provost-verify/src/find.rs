//! Where attestations and signatures lie: the tag scheme, and referrers (OCI 1.1).

use std::pin::pin;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector};
use provost_registry::{Manifest, Store, StoreError};
use provost_sigstore::log_entry::LogEntry;
pub use provost_statement::tag_scheme::{ENVELOPE_LAYER, MAX_LAYERS, SIGNATURE_ANNOTATION, SIGNATURE_LAYER};

use crate::bundle::BUNDLE_MEDIA_TYPE;
use crate::reason::Unchecked;

/// The largest layer read where nothing else is asked for, cosign's limit: 128 MiB.
pub const MAX_LAYER_BYTES: u64 = 128 * 1024 * 1024;
/// The most bytes of all layers of one `.sig` manifest, which are kept until one verifies: as much as one attestation,
/// while 1,000 honest signatures have 300 KiB.
pub const MAX_SIGNATURE_BYTES: u64 = 128 * 1024 * 1024;
/// Large blobs fetched at once: cosign's `--max-workers`, so at most 10 × 128 MiB lie in memory unverified.
pub const FETCHES_AT_ONCE: usize = 10;
/// Small objects fetched at once, so that a hundred bundles are ten round trips away: 20 × 4 MiB is less than one large
/// blob, and no registry was seen to answer more any faster.
pub const SMALL_FETCHES_AT_ONCE: usize = 20;
/// What is small: a manifest at most, or a blob of a manifest's size.
const SMALL: u64 = 4 * 1024 * 1024;

/// In which formats to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formats {
    /// `sha256-<hex>.att` and `.sig` tags beside the image.
    TagScheme,
    /// Sigstore bundles that refer to the image.
    Referrers,
    /// Both, counted together, as the command line does (security.md 6).
    Both,
}

/// Where to look, and for how much.
#[derive(Clone, Copy, Debug)]
pub struct FindRequest<'a> {
    /// The repository that holds the attestations: the image's own, or `COSIGN_REPOSITORY`.
    pub repository: &'a Repository,
    /// The image.
    pub image: &'a Digest,
    /// In which formats.
    pub formats: Formats,
    /// The largest layer read, in bytes.
    pub layer_limit: u64,
}

/// Something that may be an attestation: its bytes, and where they were found. Nothing about it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lay.
    pub source: Source,
    /// Its bytes, whose digest is that of its descriptor.
    pub bytes: Bytes,
    /// Log entries that a log was asked for, where none is stored with it.
    pub asked: Vec<LogEntry>,
}

/// Where a candidate lay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A layer of the `.att` or `.sig` manifest, with its unsigned annotations.
    Layer(Descriptor),
    /// The bundle of a referrer, by the referrer's digest.
    Bundle(Digest),
}

impl Source {
    /// The digest people can look it up by.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Layer(layer) => &layer.digest,
            Self::Bundle(referrer) => referrer,
        }
    }
}

/// The tag of the tag scheme: `sha256-<hex>.<suffix>`.
#[must_use]
pub fn scheme_tag(image: &Digest, suffix: &str) -> String {
    format!("{}-{}.{suffix}", image.algorithm().name(), image.hex())
}

/// A place where a candidate lies, and how many bytes it has there.
pub(crate) struct Place {
    source: Source,
    digest: Digest,
    size: u64,
}

/// Shows all attestations beside an image to `see`, in storage order: the tag scheme's layers, then bundles.
///
/// No annotation, artifact type or file name hides one (security.md 2). Where there is none, none is shown. Each is let
/// go of before more are fetched, so however many a stranger has put there, [`FETCHES_AT_ONCE`] of them lie in memory,
/// or [`SMALL_FETCHES_AT_ONCE`] where all are small.
///
/// # Errors
/// Whatever kept us from seeing all of them: "could not check" is never "there are none".
pub async fn each_attestation(
    store: &dyn Store,
    request: &FindRequest<'_>,
    mut see: impl FnMut(Candidate),
) -> Result<(), Unchecked> {
    let places = places(store, request).await?;
    let mut candidates = pin!(fetched(store, request, places));
    while let Some(candidate) = candidates.try_next().await? {
        see(candidate);
    }
    Ok(())
}

/// The manifest that lists an image's attestations in the tag scheme; `None` where there is none. What lies behind it hangs
/// on its bytes alone, since it names blobs by their digests.
///
/// # Errors
/// Whatever kept us from seeing it.
pub async fn listing(store: &dyn Store, request: &FindRequest<'_>) -> Result<Option<Manifest>, Unchecked> {
    under_tag(store, request, &scheme_tag(request.image, "att")).await
}

/// Shows all attestations that this manifest lists to `see`, as [`each_attestation`] does.
///
/// # Errors
/// Whatever kept us from seeing all of them.
pub async fn each_listed(
    store: &dyn Store,
    request: &FindRequest<'_>,
    listing: &Manifest,
    mut see: impl FnMut(Candidate),
) -> Result<(), Unchecked> {
    let places = listed(request, &listing.bytes, &scheme_tag(request.image, "att"))?;
    let mut candidates = pin!(fetched(store, request, places));
    while let Some(candidate) = candidates.try_next().await? {
        see(candidate);
    }
    Ok(())
}

/// Where everything lies that may be an attestation of an image: the tag scheme's layers, then bundles.
pub(crate) async fn places(store: &dyn Store, request: &FindRequest<'_>) -> Result<Vec<Place>, Unchecked> {
    let tag = async {
        match request.formats {
            Formats::Referrers => Ok(Vec::new()),
            Formats::TagScheme | Formats::Both => layers(store, request, "att").await,
        }
    };
    let bundles = async {
        match request.formats {
            Formats::TagScheme => Ok(Vec::new()),
            Formats::Referrers | Formats::Both => bundles(store, request).await,
        }
    };
    let (mut places, more) = futures_util::future::try_join(tag, bundles).await?;
    places.extend(more);
    Ok(places)
}

/// All signatures of the tag scheme beside an image, in storage order.
///
/// # Errors
/// Whatever kept us from seeing all of them; also more than [`MAX_SIGNATURE_BYTES`] of them.
pub(crate) async fn signatures(
    store: &dyn Store,
    request: &FindRequest<'_>,
) -> Result<Vec<Candidate>, Unchecked> {
    let places = layers(store, request, "sig").await?;
    let total = places.iter().fold(0, |sum: u64, place| sum.saturating_add(place.size));
    if total > MAX_SIGNATURE_BYTES {
        return Err(Unchecked::LayerTooLarge { found: total, limit: MAX_SIGNATURE_BYTES });
    }
    fetched(store, request, places).try_collect().await
}

/// Signatures in cosign's experimental form of OCI 1.1 (`sign --registry-referrers-mode=oci-1-1`): payload layers of
/// manifests that refer to the image. cosign reads the last such manifest alone; here each counts that verifies.
///
/// # Errors
/// As for the signatures of the tag scheme; also more than [`MAX_LAYERS`] of them.
pub async fn referring_signatures(
    store: &dyn Store,
    request: &FindRequest<'_>,
) -> Result<Vec<Candidate>, Unchecked> {
    let referrers = store.referrers(request.repository, request.image).await?;
    let layers: Vec<Vec<Descriptor>> = stream::iter(referrers)
        .map(|referrer| payload_layers(store, request, referrer.digest))
        .buffered(FETCHES_AT_ONCE)
        .try_collect()
        .await?;
    let layers: Vec<Descriptor> = layers.into_iter().flatten().collect();
    if layers.len() > MAX_LAYERS {
        return Err(Unchecked::TooManyLayers { found: layers.len(), limit: MAX_LAYERS });
    }
    let place = |layer: Descriptor| {
        within(&layer, request)?;
        let (digest, size) = (layer.digest.clone(), layer.size);
        Ok::<_, Unchecked>(Place { source: Source::Layer(layer), digest, size })
    };
    let places = layers.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let total = places.iter().fold(0, |sum: u64, place| sum.saturating_add(place.size));
    if total > MAX_SIGNATURE_BYTES {
        return Err(Unchecked::LayerTooLarge { found: total, limit: MAX_SIGNATURE_BYTES });
    }
    fetched(store, request, places).try_collect().await
}

/// The layers of a referrer that hold simple signing payloads; none where it is gone or no manifest.
async fn payload_layers(
    store: &dyn Store,
    request: &FindRequest<'_>,
    referrer: Digest,
) -> Result<Vec<Descriptor>, Unchecked> {
    let manifest = match store.manifest(request.repository, &Selector::Digest(referrer.clone())).await {
        Ok(manifest) => manifest,
        Err(StoreError::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let Ok(view) = read_manifest(&manifest.bytes, &referrer.to_string()) else { return Ok(Vec::new()) };
    Ok(view.layers.into_iter().filter(|layer| layer.media_type == SIGNATURE_LAYER).collect())
}

/// Whether many of these may lie in memory together.
pub(crate) fn are_small(places: &[Place]) -> bool {
    places.iter().all(|place| place.size <= SMALL)
}

/// The candidates at these places, in their order; none is longer than its manifest says.
pub(crate) fn fetched<'a>(
    store: &'a dyn Store,
    request: &'a FindRequest<'_>,
    places: Vec<Place>,
) -> impl Stream<Item = Result<Candidate, Unchecked>> + 'a {
    let at_once = if are_small(&places) { SMALL_FETCHES_AT_ONCE } else { FETCHES_AT_ONCE };
    stream::iter(places)
        .map(move |Place { source, digest, size }| async move {
            let bytes = store.blob(request.repository, &digest, size).await?;
            Ok(Candidate { source, bytes, asked: Vec::new() })
        })
        .buffered(at_once)
}

/// The layers of the manifest under the tag with this suffix; none where there is no such tag.
async fn layers(store: &dyn Store, request: &FindRequest<'_>, suffix: &str) -> Result<Vec<Place>, Unchecked> {
    let tag = scheme_tag(request.image, suffix);
    match under_tag(store, request, &tag).await? {
        None => Ok(Vec::new()),
        Some(manifest) => listed(request, &manifest.bytes, &tag),
    }
}

async fn under_tag(
    store: &dyn Store,
    request: &FindRequest<'_>,
    tag: &str,
) -> Result<Option<Manifest>, Unchecked> {
    match store.manifest(request.repository, &Selector::Tag(tag.to_owned())).await {
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The layers of a manifest of the tag scheme.
fn listed(request: &FindRequest<'_>, manifest: &[u8], tag: &str) -> Result<Vec<Place>, Unchecked> {
    let view = read_manifest(manifest, tag)?;
    if view.layers.len() > MAX_LAYERS {
        return Err(Unchecked::TooManyLayers { found: view.layers.len(), limit: MAX_LAYERS });
    }
    let place = |layer: Descriptor| {
        within(&layer, request)?;
        let (digest, size) = (layer.digest.clone(), layer.size);
        Ok(Place { source: Source::Layer(layer), digest, size })
    };
    view.layers.into_iter().map(place).collect()
}

fn within(layer: &Descriptor, request: &FindRequest<'_>) -> Result<(), Unchecked> {
    if layer.size > request.layer_limit {
        return Err(Unchecked::LayerTooLarge { found: layer.size, limit: request.layer_limit });
    }
    Ok(())
}

async fn bundles(store: &dyn Store, request: &FindRequest<'_>) -> Result<Vec<Place>, Unchecked> {
    let referrers = store.referrers(request.repository, request.image).await?;
    if referrers.len() > MAX_LAYERS {
        return Err(Unchecked::TooManyLayers { found: referrers.len(), limit: MAX_LAYERS });
    }
    let found: Vec<Option<Place>> = stream::iter(referrers)
        .map(|referrer| bundle(store, request, referrer.digest))
        .buffered(SMALL_FETCHES_AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// The bundle of one referrer; `None` where its single layer is no bundle, or the listed manifest is gone.
async fn bundle(
    store: &dyn Store,
    request: &FindRequest<'_>,
    referrer: Digest,
) -> Result<Option<Place>, Unchecked> {
    let manifest = match store.manifest(request.repository, &Selector::Digest(referrer.clone())).await {
        Ok(manifest) => manifest,
        // A list may name what has since been deleted; what is not there vouches for nothing.
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Its bytes are whole, by their digest, and whoever reads them finds no bundle: an index, an artifact of others, junk.
    let Ok(view) = read_manifest(&manifest.bytes, &referrer.to_string()) else { return Ok(None) };
    let [layer] = view.layers.as_slice() else { return Ok(None) };
    if !layer.media_type.starts_with(BUNDLE_MEDIA_TYPE) {
        return Ok(None);
    }
    within(layer, request)?;
    let (digest, size) = (layer.digest.clone(), layer.size);
    Ok(Some(Place { source: Source::Bundle(referrer), digest, size }))
}

fn read_manifest(bytes: &[u8], found_at: &str) -> Result<ImageManifest, Unchecked> {
    serde_json::from_slice(bytes)
        .map_err(|error| Unchecked::Manifest { found_at: found_at.to_owned(), reason: error.to_string() })
}
