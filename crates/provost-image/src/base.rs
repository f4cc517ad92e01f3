//! The image FROM names: its manifest for this platform, its configuration, and what its layers hold.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use provost_oci::{Descriptor, ImageIndex, ImageManifest, Reference, Repository, Selector, media_type};
use provost_registry::{Manifest, Store};
use tar::{Archive, EntryType, PaxExtensions};

use crate::config::Config;
use crate::error::BaseFault;
use crate::plan::absolute;
use crate::tree::{Node, PATH_LIMIT, Tree, parent};

/// The name of the image that is empty.
const SCRATCH: &str = "scratch";
/// The largest configuration read: they hold history and labels, some kilobytes.
const CONFIG_LIMIT: u64 = 8 * 1024 * 1024;
/// The largest compressed layer of a base image. It is held in memory, one at a time.
pub(crate) const LAYER_LIMIT: u64 = 2 * 1024 * 1024 * 1024;
/// The most entries in all layers of a base image: a full desktop has half as many. At some 150 bytes each, 150 MB.
pub(crate) const ENTRY_LIMIT: usize = 1_000_000;
/// The most bytes the layers unpack to, which are read past and not kept: at 300 MB/s a minute.
pub(crate) const UNPACKED_LIMIT: u64 = 16 * 1024 * 1024 * 1024;
/// The longest name an extension header may carry: sixteen times Linux's longest path.
const NAME_LIMIT: u64 = 64 * 1024;
/// What a path may take on average, in bytes: twice that of the deepest trees of packages, so a million take 256 MB.
const NAME_SHARE: usize = 256;
/// gzip's first bytes.
const GZIP: &[u8] = b"\x1f\x8b";
/// zstd's first bytes.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// An image to build on; an empty one where FROM says scratch.
#[derive(Debug, Default)]
pub(crate) struct Base {
    /// Where its layers are; none for scratch.
    pub(crate) repository: Option<Repository>,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) config: Config,
}

/// Reads manifest and configuration; layers stay where they are.
pub(crate) async fn fetch(image: &str, architecture: &str, store: &dyn Store) -> Result<Base, BaseFault> {
    if image == SCRATCH {
        return Ok(Base::default());
    }
    let reference: Reference = image.parse().map_err(|error: provost_oci::ReferenceError| {
        BaseFault::Reference { reason: error.reason.to_owned() }
    })?;
    let repository = reference.repository();
    let mut manifest = store.manifest(repository, &reference.selector()).await?;
    if is_index(&manifest) {
        let index: ImageIndex = read("index", &manifest.bytes)?;
        let wanted = member(&index, architecture)?;
        manifest = store.manifest(repository, &Selector::Digest(wanted.digest.clone())).await?;
    }
    let image: ImageManifest = read("manifest", &manifest.bytes)?;
    let config = store.blob(repository, &image.config.digest, CONFIG_LIMIT).await?;
    let mut config: Config = read("configuration", &config)?;
    config.forget_origin();
    if config.architecture != architecture || config.os != "linux" {
        let found = format!("{}/{}", config.os, config.architecture);
        return Err(BaseFault::Platform { architecture: architecture.to_owned(), found });
    }
    let (layers, diff_ids) = (image.layers.len(), config.rootfs.diff_ids.len());
    if layers != diff_ids {
        return Err(BaseFault::LayerCount { layers, diff_ids });
    }
    let layers = image.layers.into_iter().map(as_oci).collect::<Result<_, _>>()?;
    Ok(Base { repository: Some(repository.clone()), layers, config })
}

fn is_index(manifest: &Manifest) -> bool {
    media_type::is_index(&manifest.media_type)
}

fn read<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, BaseFault> {
    serde_json::from_slice(bytes).map_err(|error| BaseFault::Malformed { what, cause: error.to_string() })
}

fn member<'a>(index: &'a ImageIndex, architecture: &str) -> Result<&'a Descriptor, BaseFault> {
    let fits = |one: &&Descriptor| {
        one.platform.as_ref().is_some_and(|at| at.os == "linux" && at.architecture == architecture)
    };
    index.manifests.iter().find(fits).ok_or_else(|| {
        let each = index.manifests.iter().filter_map(|one| one.platform.as_ref());
        let found: Vec<_> = each.map(|at| format!("{}/{}", at.os, at.architecture)).collect();
        BaseFault::Platform { architecture: architecture.to_owned(), found: found.join(", ") }
    })
}

/// The same layer under its name in an OCI manifest, bare.
fn as_oci(layer: Descriptor) -> Result<Descriptor, BaseFault> {
    let kind = match layer.media_type.as_str() {
        media_type::DOCKER_LAYER_GZIP => media_type::OCI_LAYER_GZIP.to_owned(),
        other if other.starts_with("application/vnd.oci.image.layer.v1.tar") => other.to_owned(),
        other => return Err(BaseFault::LayerKind { digest: layer.digest, media_type: other.to_owned() }),
    };
    Ok(Descriptor::new(&kind, layer.size, layer.digest))
}

/// Notes what a layer holds; `unpacked` counts the bytes of all layers read so far.
pub(crate) fn look(
    layer: &Descriptor,
    bytes: &Bytes,
    tree: &mut Tree,
    unpacked: &mut u64,
) -> Result<(), BaseFault> {
    tree.next_layer();
    if bytes.starts_with(ZSTD) {
        let media_type = layer.media_type.clone();
        return Err(BaseFault::LayerKind { digest: layer.digest.clone(), media_type });
    }
    let plain: Box<dyn Read + '_> =
        if bytes.starts_with(GZIP) { Box::new(MultiGzDecoder::new(&**bytes)) } else { Box::new(&**bytes) };
    // One byte above what is left, so that reaching the limit and passing it can be told apart.
    let left = UNPACKED_LIMIT.saturating_sub(*unpacked).saturating_add(1);
    let mut counted = Counted { inner: plain.take(left), read: 0 };
    let noted = note(&mut counted, tree, ENTRY_LIMIT);
    *unpacked = unpacked.saturating_add(counted.read);
    if *unpacked > UNPACKED_LIMIT {
        return Err(BaseFault::TooManyBytes { limit: UNPACKED_LIMIT });
    }
    noted
}

struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read = self.read.saturating_add(read as u64);
        Ok(read)
    }
}

fn malformed(cause: impl ToString) -> BaseFault {
    BaseFault::Malformed { what: "layer", cause: cause.to_string() }
}

fn note(tar: impl Read, tree: &mut Tree, limit: usize) -> Result<(), BaseFault> {
    let mut archive = Archive::new(tar);
    // Raw, because the library would read extension headers of any length into memory.
    let entries = archive.entries().map_err(malformed)?.raw(true);
    let (mut long_name, mut long_target): (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
    for entry in entries {
        let mut entry = entry.map_err(malformed)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => long_name = Some(extension(&mut entry)?),
            EntryType::GNULongLink => long_target = Some(extension(&mut entry)?),
            EntryType::XHeader => {
                let body = extension(&mut entry)?;
                for record in PaxExtensions::new(&body) {
                    let record = record.map_err(malformed)?;
                    match record.key_bytes() {
                        b"path" => long_name = Some(record.value_bytes().to_vec()),
                        b"linkpath" => long_target = Some(record.value_bytes().to_vec()),
                        b"size" => return Err(malformed("an entry of more than 8 GiB")),
                        _ => {}
                    }
                }
            }
            EntryType::XGlobalHeader => {}
            EntryType::GNUSparse => return Err(malformed("a sparse entry")),
            _ => {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let target =
                    long_target.take().or_else(|| entry.link_name_bytes().map(|name| name.into_owned()));
                if name.len().max(target.as_ref().map_or(0, Vec::len)) > PATH_LIMIT {
                    return Err(malformed(format!("a path or link of more than {PATH_LIMIT} bytes")));
                }
                place(&name, kind, target, tree)?;
                if tree.len() > limit {
                    return Err(BaseFault::TooManyEntries { limit });
                }
                let names = limit.saturating_mul(NAME_SHARE);
                if tree.bytes() > names {
                    return Err(malformed(format!("paths and links of more than {names} bytes together")));
                }
            }
        }
    }
    Ok(())
}

fn extension(entry: &mut impl Read) -> Result<Vec<u8>, BaseFault> {
    let mut body = Vec::new();
    entry.take(NAME_LIMIT + 1).read_to_end(&mut body).map_err(malformed)?;
    if body.len() as u64 > NAME_LIMIT {
        return Err(malformed(format!("an extension header longer than {NAME_LIMIT} bytes")));
    }
    while body.last() == Some(&0) {
        body.pop();
    }
    Ok(body)
}

/// Notes one entry, or follows one whiteout.
fn place(name: &[u8], kind: EntryType, target: Option<Vec<u8>>, tree: &mut Tree) -> Result<(), BaseFault> {
    // A name that is no text cannot be a destination, so its marks for lost bytes do no harm.
    let path = absolute("/", &String::from_utf8_lossy(name));
    // A loop of links in the base is nothing a copy could go through; it is noted where it stands.
    let folder = tree.resolve(parent(&path), true).unwrap_or_else(|_| parent(&path).to_owned());
    let last = path.rsplit('/').next().unwrap_or_default();
    if last == ".wh..wh..opq" {
        tree.hide_lower(&folder);
    } else if let Some(hidden) = last.strip_prefix(".wh.") {
        tree.remove(&absolute(&folder, hidden));
    } else {
        let path = absolute(&folder, last);
        let node = match (kind, target) {
            (EntryType::Directory, _) => Node::Folder,
            (EntryType::Symlink, Some(target)) => Node::Link(String::from_utf8_lossy(&target).into_owned()),
            _ => Node::File,
        };
        // Layers need not name the folders above an entry.
        for missing in tree.missing(&folder) {
            tree.put(&missing, Node::Folder);
        }
        tree.put(&path, node);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
