//! One build from end to end: read, plan, copy, push.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use provost_oci::{Descriptor, ImageManifest, Reference, media_type};
use provost_registry::{Manifest, Store};

use crate::base::{self, Base};
use crate::config::{Config, History};
use crate::context::{Context, Trouble, system_words};
use crate::dockerfile::{self, AtLine, DOCKERFILE_LIMIT};
use crate::error::{BuildError, Fault};
use crate::instruction::{self, Instruction};
use crate::layer::{self, Layer};
use crate::pattern::{IGNORE_FILE_LIMIT, Ignore};
use crate::plan::{Action, Plan};
use crate::tree::Tree;
use crate::{BuildRequest, Built, plan, push};

/// Builds an image and, unless the request says otherwise, pushes it to `target`: layers of the base that the target
/// lacks, new layers, configuration, then the manifest under the tag.
///
/// Files are read and compressed on the calling thread.
///
/// # Errors
/// [`BuildError`], naming the line of the Dockerfile, the file or the image; nothing has the tag then.
pub async fn build(
    request: &BuildRequest,
    store: &dyn Store,
    target: &Reference,
) -> Result<Built, BuildError> {
    if target.given_digest().is_some() {
        return Err(BuildError::TargetDigest { target: target.to_string() });
    }
    let created = date(request.created)?;
    let file = request.dockerfile.display().to_string();
    let at = |AtLine { line, fault }| BuildError::Dockerfile { file: file.clone(), line, fault };
    let instructions = instructions(&request.dockerfile)?.map_err(at)?;
    let (_, image) = plan::base(&instructions, &request.arguments, &request.architecture).map_err(at)?;
    let named = |fault| BuildError::Base { image: image.clone(), fault };
    let base = base::fetch(&image, &request.architecture, store).await.map_err(named)?;
    let runtime = base.config.config.clone().unwrap_or_default();
    let plan = plan::plan(&instructions, runtime, &request.arguments, &request.architecture).map_err(at)?;

    let mut tree = Tree::default();
    bring_base(&base, &plan, request, store, target, &mut tree).await.map_err(|fault| match fault {
        Bringing::Base(fault) => named(fault),
        Bringing::Target(error) => BuildError::Store(error),
    })?;
    let made = layers(&plan, request, &file, &mut tree)?;
    let unused_arguments = plan.unused.clone();
    let (blobs, manifest) = assemble(base, plan, made, request, &created)?;
    if request.push {
        push::blobs(store, target.repository(), blobs).await?;
        push::manifest(store, target.repository(), &target.selector(), &manifest.0).await?;
    }
    let (manifest, layers) = manifest;
    Ok(Built {
        reference: target.repository().digest(manifest.digest.clone()).to_string(),
        size: manifest.bytes.len() as u64,
        digest: manifest.digest,
        layers,
        unused_arguments,
    })
}

fn date(seconds: u64) -> Result<String, BuildError> {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map(|time| time.to_string()).ok_or(BuildError::Date { seconds })
}

fn instructions(dockerfile: &Path) -> Result<Result<Vec<Instruction>, AtLine>, BuildError> {
    let source = read(dockerfile, DOCKERFILE_LIMIT as u64 + 1)?;
    Ok(dockerfile::lines(&source).and_then(instruction::read))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, BuildError> {
    let told = |error| BuildError::Disk { path: path.display().to_string(), cause: system_words(&error) };
    let mut bytes = Vec::new();
    File::open(path).map_err(told)?.take(limit).read_to_end(&mut bytes).map_err(told)?;
    Ok(bytes)
}

/// Why the base's layers could not be brought along.
enum Bringing {
    Base(crate::BaseFault),
    Target(provost_registry::StoreError),
}

/// Looks into the base's layers where a step needs to know what is there, and copies those the target lacks.
async fn bring_base(
    base: &Base,
    plan: &Plan,
    request: &BuildRequest,
    store: &dyn Store,
    target: &Reference,
    tree: &mut Tree,
) -> Result<(), Bringing> {
    let Some(from) = &base.repository else { return Ok(()) };
    let look = plan.steps.iter().any(|step| step.action != Action::Configure);
    let lacking = if request.push && from != target.repository() {
        push::lacking(store, target.repository(), &base.layers).await.map_err(Bringing::Target)?
    } else {
        Vec::new()
    };
    let mut unpacked = 0;
    for layer in &base.layers {
        let copy = lacking.contains(layer);
        if !look && !copy {
            continue;
        }
        let bytes = store.blob(from, &layer.digest, base::LAYER_LIMIT).await;
        let bytes = bytes.map_err(|error| Bringing::Base(error.into()))?;
        if look {
            base::look(layer, &bytes, tree, &mut unpacked).map_err(Bringing::Base)?;
        }
        if copy {
            let put = push::blobs(store, target.repository(), vec![(layer.clone(), bytes)]).await;
            put.map_err(Bringing::Target)?;
        }
    }
    Ok(())
}

/// The layer of each step, `None` where it makes none.
fn layers(
    plan: &Plan,
    request: &BuildRequest,
    file: &str,
    tree: &mut Tree,
) -> Result<Vec<Option<Layer>>, BuildError> {
    let mut context: Option<Context> = None;
    let mut made = Vec::new();
    tree.next_layer();
    for step in &plan.steps {
        let at = |trouble: Trouble| trouble.at(file, step.line);
        let items = match &step.action {
            Action::Configure => {
                made.push(None);
                continue;
            }
            Action::Folder(path) => layer::folder(path, tree).map_err(|fault| at(fault.into()))?,
            Action::Copy(copy) => {
                let context = match &mut context {
                    Some(context) => context,
                    None => context.insert(open(request)?),
                };
                layer::copy(copy, context, tree).map_err(at)?
            }
        };
        let layer =
            if items.is_empty() { None } else { Some(layer::write(&items, request.created).map_err(at)?) };
        made.push(layer);
    }
    Ok(made)
}

fn open(request: &BuildRequest) -> Result<Context, BuildError> {
    let mut beside = request.dockerfile.clone().into_os_string();
    beside.push(".dockerignore");
    let files = [PathBuf::from(beside), request.context.join(".dockerignore")];
    let mut ignore = Ignore::default();
    if let Some(file) = files.iter().find(|file| file.is_file()) {
        let at = |fault| BuildError::Dockerfile { file: file.display().to_string(), line: 1, fault };
        let text = read(file, IGNORE_FILE_LIMIT + 1)?;
        if text.len() as u64 > IGNORE_FILE_LIMIT {
            return Err(at(Fault::TooLarge { limit: IGNORE_FILE_LIMIT as usize, found: text.len() }));
        }
        let text = String::from_utf8(text).map_err(|_| at(Fault::NotUtf8))?;
        ignore = Ignore::read(&text).map_err(at)?;
    }
    Context::open(&request.context, ignore, request.limits).map_err(|trouble| trouble.at("", 0))
}

type Blobs = Vec<(Descriptor, bytes::Bytes)>;

/// Configuration and manifest of what was made, and the blobs to push; the count is of all layers.
fn assemble(
    base: Base,
    plan: Plan,
    made: Vec<Option<Layer>>,
    request: &BuildRequest,
    created: &str,
) -> Result<(Blobs, (Manifest, usize)), BuildError> {
    let mut config = Config {
        created: Some(created.to_owned()),
        architecture: request.architecture.clone(),
        os: "linux".to_owned(),
        config: Some(plan.runtime),
        ..base.config
    };
    let mut layers = base.layers;
    let mut blobs = Blobs::new();
    let history = config.history.get_or_insert_default();
    for (step, layer) in plan.steps.iter().zip(made) {
        history.push(History::of(created, &step.text, layer.is_none()));
        if let Some(layer) = layer {
            let descriptor = Descriptor::of(media_type::OCI_LAYER_GZIP, &layer.bytes);
            config.rootfs.diff_ids.push(layer.diff_id);
            layers.push(descriptor.clone());
            blobs.push((descriptor, layer.bytes));
        }
    }
    let config = encode("configuration", &config)?;
    let descriptor = Descriptor::of(media_type::OCI_CONFIG, &config);
    blobs.push((descriptor.clone(), config.into()));
    let count = layers.len();
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST.to_owned(),
        config: descriptor,
        layers,
        annotations: std::collections::BTreeMap::new(),
        subject: None,
        artifact_type: None,
    };
    let manifest = Manifest::new(media_type::OCI_MANIFEST, encode("manifest", &manifest)?.into());
    Ok((blobs, (manifest, count)))
}

fn encode<T: serde::Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, BuildError> {
    serde_json::to_vec(value).map_err(|error| BuildError::Encoding { what, cause: error.to_string() })
}
