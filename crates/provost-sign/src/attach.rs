//! Appending a layer to the `.att` or `.sig` manifest beside an image, keeping what others put there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use provost_oci::manifest::RootFs;
use provost_oci::{Descriptor, Digest, ImageConfig, ImageManifest, Repository, Selector, media_type};
use provost_registry::{Manifest, Store, StoreError};
use provost_statement::go_json;
use provost_statement::tag_scheme::MAX_LAYERS;
use serde_json::{Value, json};

/// How often a write that somebody else overwrote is tried again; each round adds one writer's layer, so sixty-four
/// rounds serve sixty-four writers that collide at once.
pub const ATTEMPTS: usize = 64;
/// How many times the span of a write of ours is waited for before the tag is read back. Registries write without
/// conditions: another writer who read the tag before our write overwrites it within a span like ours, and only a
/// look after that sees the loss.
const SPANS: u32 = 6;
/// The longest wait before the tag is read back, however slow the registry is.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// A layer to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedLayer {
    /// The envelope layer of the tag scheme, or the simple signing one.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// Its annotations; the signature's must be among them.
    pub annotations: BTreeMap<String, String>,
}

/// When a layer counts as being there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dedup {
    /// Never: cosign's attestations.
    Never,
    /// When a layer has the same digest and annotations.
    SameLayer,
}

/// How a layer is attached, beyond what cosign does by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachOptions {
    /// Layers to leave out from now on; the new one then stands first, as with cosign's `--replace`.
    pub replaced: Vec<Digest>,
    /// The time to write as the manifest's creation, RFC 3339; Go's zero time where there is none.
    pub created: Option<String>,
    /// Docker's media types where the tag is new (`COSIGN_DOCKER_MEDIA_TYPES`).
    pub docker_media_types: bool,
}

/// Why a layer was not attached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The registry did not take part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What lies under the tag is no image manifest, and is not overwritten.
    #[error("{repository}:{tag}: {reason}; remove the tag to start anew")]
    Foreign {
        /// Where.
        repository: String,
        /// Under which tag.
        tag: String,
        /// Why it cannot be appended to.
        reason: String,
    },
    /// The manifest is full.
    #[error("{repository}:{tag} has {MAX_LAYERS} layers already, the most that are read")]
    Full {
        /// Where.
        repository: String,
        /// Under which tag.
        tag: String,
    },
    /// Others kept writing the same tag.
    #[error("{repository}:{tag} was overwritten by another writer {ATTEMPTS} times")]
    Contended {
        /// Where.
        repository: String,
        /// Under which tag.
        tag: String,
    },
}

/// Appends a layer under a tag, and reads the tag back until the layer and all that were there before stand in it.
///
/// The manifest and its configuration are, byte for byte, what cosign writes. Returns whether anything was added.
///
/// # Errors
/// See [`AttachError`].
pub async fn attach(
    store: &dyn Store,
    repository: &Repository,
    tag: &str,
    layer: &AttachedLayer,
    dedup: Dedup,
) -> Result<bool, AttachError> {
    attach_as(store, repository, tag, layer, dedup, &AttachOptions::default()).await
}

/// The same, with choices.
///
/// # Errors
/// See [`AttachError`].
pub async fn attach_as(
    store: &dyn Store,
    repository: &Repository,
    tag: &str,
    layer: &AttachedLayer,
    dedup: Dedup,
    options: &AttachOptions,
) -> Result<bool, AttachError> {
    let mut attaching = Attaching::new(store, repository, tag, layer, dedup, options);
    loop {
        match attaching.step().await? {
            Step::Done(added) => return Ok(added),
            Step::LookAgain(wait) => tokio::time::sleep(wait).await,
        }
    }
}

/// What is to be done after a [`Attaching::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing; it says whether anything was added.
    Done(bool),
    /// The tag was written, and is to be read back by another step after this time; whoever waits holds nothing up meanwhile.
    LookAgain(Duration),
}

/// A layer on its way under a tag, step by step: [`attach_as`] for those who do something else while it waits.
pub struct Attaching<'a> {
    store: &'a dyn Store,
    repository: &'a Repository,
    tag: &'a str,
    layer: &'a AttachedLayer,
    dedup: Dedup,
    options: &'a AttachOptions,
    /// What the tag was found to hold just now, by whoever looked before us.
    found: Option<(Instant, Option<Manifest>)>,
    is_stored: bool,
    /// The layers that were written, and the manifest that names them.
    wanted: Vec<Descriptor>,
    written: Option<Digest>,
    steps: usize,
}

impl<'a> Attaching<'a> {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(
        store: &'a dyn Store,
        repository: &'a Repository,
        tag: &'a str,
        layer: &'a AttachedLayer,
        dedup: Dedup,
        options: &'a AttachOptions,
    ) -> Self {
        let (found, is_stored, wanted, written) = (None, false, Vec::new(), None);
        Self { store, repository, tag, layer, dedup, options, found, is_stored, wanted, written, steps: 0 }
    }

    /// The first step takes the tag for what the caller found there, none where it is not there, in a look that began at
    /// this time.
    #[must_use]
    pub fn having_found(mut self, manifest: Option<Manifest>, began: Instant) -> Self {
        self.found = Some((began, manifest));
        self
    }

    /// Reads the tag, and writes it unless all stands in it that should.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub async fn step(&mut self) -> Result<Step, AttachError> {
        let (read, found) = match self.found.take() {
            Some(found) => found,
            None => {
                // Stored before the look, so that a large layer does not lengthen the time in which others may write.
                if !self.is_stored {
                    self.put_layer().await?;
                    self.is_stored = true;
                }
                let began = Instant::now();
                match self.look().await? {
                    Look::Unchanged => return Ok(Step::Done(true)),
                    Look::Found(found) => (began, found),
                }
            }
        };
        let Existing { mut layers, docker } = existing(found, self.repository, self.tag)?;
        let there = |layers: &[Descriptor], one: &Descriptor| {
            layers.iter().any(|l| l.digest == one.digest && l.annotations == one.annotations)
        };
        if !self.wanted.is_empty() && self.wanted.iter().all(|one| there(&layers, one)) {
            return Ok(Step::Done(true));
        }
        self.steps += 1;
        if self.steps > ATTEMPTS {
            let (repository, tag) = (self.repository.to_string(), self.tag.to_owned());
            return Err(AttachError::Contended { repository, tag });
        }
        let mut pointer = Descriptor::of(&self.layer.media_type, &self.layer.bytes);
        pointer.annotations.clone_from(&self.layer.annotations);
        if self.wanted.is_empty() && self.dedup == Dedup::SameLayer && there(&layers, &pointer) {
            return Ok(Step::Done(false));
        }
        // A layer that vanished between our reading and now was another writer's loss; put it back with ours.
        for lost in &self.wanted {
            if !there(&layers, lost) && lost != &pointer {
                layers.push(lost.clone());
            }
        }
        if self.options.replaced.is_empty() {
            layers.push(pointer.clone());
        } else {
            layers.retain(|one| !self.options.replaced.contains(&one.digest) && one != &pointer);
            layers.insert(0, pointer.clone());
        }
        if layers.len() > MAX_LAYERS {
            let (repository, tag) = (self.repository.to_string(), self.tag.to_owned());
            return Err(AttachError::Full { repository, tag });
        }
        let docker = docker.unwrap_or(self.options.docker_media_types);
        let new = Manifested::of(&layers, docker, self.options.created.as_deref());
        let (layer, config) =
            (async { if self.is_stored { Ok(()) } else { self.put_layer().await } }, async {
                // It holds the digests of all layers, so it is as new as they are.
                self.store.put_new_blob(self.repository, new.config_type, new.config).await
            });
        futures_util::future::try_join(layer, config).await?;
        self.is_stored = true;
        let tag = Selector::Tag(self.tag.to_owned());
        self.store.put_manifest(self.repository, &tag, &new.manifest).await?;
        self.wanted = layers;
        self.written = Some(new.manifest.digest);
        Ok(Step::LookAgain(read.elapsed().saturating_mul(SPANS).min(LONGEST_WAIT)))
    }

    /// What lies under the tag, or that it is what was written last.
    async fn look(&self) -> Result<Look, StoreError> {
        let tag = Selector::Tag(self.tag.to_owned());
        let found = match &self.written {
            None => self.store.manifest(self.repository, &tag).await.map(Some),
            Some(written) => self.store.manifest_unless(self.repository, &tag, written).await,
        };
        match found {
            Ok(None) => Ok(Look::Unchanged),
            Ok(found) => Ok(Look::Found(found)),
            Err(error) if error.is_not_found() => Ok(Look::Found(None)),
            Err(error) => Err(error),
        }
    }

    async fn put_layer(&self) -> Result<(), StoreError> {
        let (kind, bytes) = (&self.layer.media_type, self.layer.bytes.clone());
        match self.dedup {
            Dedup::Never => self.store.put_new_blob(self.repository, kind, bytes).await?,
            Dedup::SameLayer => self.store.put_blob(self.repository, kind, bytes).await?,
        };
        Ok(())
    }
}

/// What a look at the tag says.
enum Look {
    /// It holds the manifest that was written last.
    Unchanged,
    /// It holds this manifest; none where it is not there.
    Found(Option<Manifest>),
}

/// What lies under a tag: its layers, and whether its manifest is docker's; not said where there is none.
struct Existing {
    layers: Vec<Descriptor>,
    docker: Option<bool>,
}

fn existing(found: Option<Manifest>, repository: &Repository, tag: &str) -> Result<Existing, AttachError> {
    let Some(manifest) = found else { return Ok(Existing { layers: Vec::new(), docker: None }) };
    let foreign = |reason: String| AttachError::Foreign {
        repository: repository.to_string(),
        tag: tag.to_owned(),
        reason,
    };
    if media_type::is_index(&manifest.media_type) {
        return Err(foreign("it is an index, expected an image manifest".to_owned()));
    }
    let view: ImageManifest = serde_json::from_slice(&manifest.bytes).map_err(|e| foreign(e.to_string()))?;
    Ok(Existing { layers: view.layers, docker: Some(manifest.media_type == media_type::DOCKER_MANIFEST) })
}

/// A manifest and its configuration, ready to be stored.
struct Manifested {
    manifest: Manifest,
    config_type: &'static str,
    config: Bytes,
}

impl Manifested {
    fn of(layers: &[Descriptor], docker: bool, created: Option<&str>) -> Self {
        let (manifest_type, config_type) = if docker {
            (media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG)
        } else {
            (media_type::OCI_MANIFEST, media_type::OCI_CONFIG)
        };
        let config = Bytes::from(configuration(layers, created.unwrap_or(ZERO_TIME)));
        let view = ImageManifest {
            schema_version: 2,
            media_type: manifest_type.to_owned(),
            config: Descriptor::of(config_type, &config),
            layers: layers.to_vec(),
            annotations: BTreeMap::new(),
            subject: None,
            artifact_type: None,
        };
        let manifest = Manifest::new(manifest_type, Bytes::from(go_json::escaped(&view)));
        Self { manifest, config_type, config }
    }
}

/// cosign's configuration: empty words, one history item and one diff id a layer, `config` last.
fn configuration(layers: &[Descriptor], created: &str) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.digest.clone()).collect();
    let config = ImageConfig {
        architecture: String::new(),
        created: created.to_owned(),
        history: vec![json!({"created": ZERO_TIME}); layers.len()],
        os: String::new(),
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids },
        config: Value::Object(serde_json::Map::new()),
    };
    go_json::escaped(&config)
}

#[cfg(test)]
mod tests;
